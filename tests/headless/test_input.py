"""What is read: lines, until the end."""

import asyncio
import os
import threading

from headless.dispatch import Input, LineDecoder
from headless.envelope import CommandError
from tests.headless.pipe import Pipe
from tests.headless.words import VOCABULARY, Look

TIMEOUT_S = 10.0


def read_all(descriptor: int, writer: threading.Thread | None = None) -> list[bytes]:
    async def read() -> list[bytes]:
        ended = asyncio.Event()
        lines: list[bytes] = []

        async def take(more: list[bytes]) -> None:
            lines.extend(more)

        Input(descriptor, take, ended.set).start(asyncio.get_running_loop())
        if writer is not None:
            writer.start()
        async with asyncio.timeout(TIMEOUT_S):
            await ended.wait()
        return lines

    return asyncio.run(read())


def test_input_hands_over_lines_in_order_then_the_end(pipe: Pipe) -> None:
    written = [f"line {number}".encode() for number in range(20_000)]

    def write() -> None:
        with os.fdopen(os.dup(pipe.writing), "wb") as file:
            file.write(b"\n".join(written))
        pipe.close(pipe.writing)

    assert read_all(pipe.reading, threading.Thread(target=write)) == written


def test_the_end_alone_is_told(pipe: Pipe) -> None:
    pipe.close(pipe.writing)
    assert read_all(pipe.reading) == []


def test_an_over_long_line_is_handed_over_as_too_long(pipe: Pipe) -> None:
    def write() -> None:
        with os.fdopen(os.dup(pipe.writing), "wb") as file:
            file.write(b"x" * (3 << 20) + b'\n{"cmd":"look"}\n')
        pipe.close(pipe.writing)

    lines = read_all(pipe.reading, threading.Thread(target=write))
    decode = LineDecoder(VOCABULARY).decode
    requests = [decode(line) for line in lines]
    assert isinstance(requests[0].command, CommandError)
    assert requests[0].command.code == "line-too-long"
    assert [request.command for request in requests[1:]] == [Look()]


def test_a_descriptor_that_cannot_be_read_is_the_end(pipe: Pipe) -> None:
    assert read_all(pipe.writing) == []


def test_input_that_has_nothing_yet_is_not_the_end(pipe: Pipe) -> None:
    os.set_blocking(pipe.reading, False)
    written = [f"line {number}".encode() for number in range(20_000)]

    def write() -> None:
        for line in written[:3]:  # one by one: the reader finds it empty in between
            os.write(pipe.writing, line + b"\n")
        with os.fdopen(os.dup(pipe.writing), "wb") as file:
            file.write(b"\n".join(written[3:]))
        pipe.close(pipe.writing)

    # The first read finds nothing: the writer begins when the reader has started.
    assert read_all(pipe.reading, threading.Thread(target=write)) == written
