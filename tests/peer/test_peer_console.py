import asyncio
import contextlib
import json
import os
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from peer_cli import messages
from peer_cli.console import MAX_WAITING_OUTPUT_BYTES, Input, LineSplitter, Output
from peer_cli.messages import CommandError

TIMEOUT_S = 10.0


class Pipe:
    """A pipe whose ends can be closed one by one, and are at the end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def close(self, *ends: int) -> None:
        for end in self._open.intersection(ends or self._open):
            self._open.discard(end)
            os.close(end)

    def lines(self) -> list[dict[str, Any]]:
        """Everything up to the end, as JSON."""
        self.close(self.writing)
        with os.fdopen(os.dup(self.reading), "rb") as file:
            return [json.loads(line) for line in file]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def not_called() -> None:
    raise AssertionError


# --- LineSplitter -----------------------------------------------------------------------------


def fed(splitter: LineSplitter, data: bytes, cuts: list[int]) -> list[bytes]:
    lines: list[bytes] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        lines += splitter.feed(data[begin:end])
    return lines + splitter.end()


LIMIT = 8
STREAMS = [
    (b"", []),
    (b"a\n", [b"a"]),
    (b"a\nb", [b"a", b"b"]),
    (b"\n\n", [b"", b""]),
    (b"\n", [b""]),
    (b"12345678\n12345678", [b"12345678", b"12345678"]),
    (b"123456789\nx\n", [b"123456789", b"x"]),
    (b"1234567890123456789\nx\n", [b"123456789", b"x"]),
    (b"x\n1234567890123456789", [b"x", b"123456789"]),
    (b"1234567890123456789\n\n1234567890\n", [b"123456789", b"", b"123456789"]),
    (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
]


@pytest.mark.parametrize(("data", "lines"), STREAMS, ids=repr)
def test_lines_do_not_depend_on_where_the_stream_is_cut(data: bytes, lines: list[bytes]) -> None:
    for one in range(len(data) + 1):
        for two in range(one, len(data) + 1):
            assert fed(LineSplitter(LIMIT), data, [one, two]) == lines, (one, two)
    assert fed(LineSplitter(LIMIT), data, list(range(len(data)))) == lines


def test_random_streams_in_random_fragments() -> None:
    random_ = random.Random(20)
    for _ in range(300):
        whole = b"\n".join(
            random_.randbytes(random_.randrange(20)).replace(b"\n", b"") for _ in range(9)
        )
        cuts = sorted(random_.randrange(len(whole) + 1) for _ in range(random_.randrange(12)))
        expected = [line[: LIMIT + 1] for line in whole.split(b"\n")]
        if not expected[-1]:
            expected.pop()
        assert fed(LineSplitter(LIMIT), whole, cuts) == expected


def test_an_endless_line_is_not_kept() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
        assert len(splitter._rest) <= LIMIT + 1
    assert splitter.feed(b"\nnext\n") == [b"x" * (LIMIT + 1), b"next"]


def test_the_rest_is_told_once() -> None:
    splitter = LineSplitter(LIMIT)
    splitter.feed(b"rest")
    assert splitter.end() == [b"rest"]
    assert splitter.end() == []


# --- Output -----------------------------------------------------------------------------------

ROUNDS = 100  # three lines each; they fit into a pipe that nobody reads yet


def test_lines_leave_in_order_and_events_are_numbered(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    for number in range(ROUNDS):
        output.emit(messages.DownloadCancelled(game_id=str(number)))
        output.result(number, messages.Empty())
        output.error(number, CommandError("no", "No."))
    output.close(TIMEOUT_S)
    lines = pipe.lines()
    assert [line["type"] for line in lines] == ["event", "result", "error"] * ROUNDS
    assert [line["seq"] for line in lines[::3]] == list(range(ROUNDS))
    assert [line["data"]["game_id"] for line in lines[::3]] == [str(n) for n in range(ROUNDS)]
    assert [line["id"] for line in lines[1::3]] == list(range(ROUNDS))
    assert lines[2] == {"type": "error", "id": 0, "error": "No.", "code": "no"}
    assert lines[0]["event"] == "download-cancelled"
    assert sorted(line["ts"] for line in lines[::3]) == [line["ts"] for line in lines[::3]]


def test_each_line_leaves_at_once(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        for number in range(3):
            output.result(number, messages.Empty())
            assert json.loads(file.readline())["id"] == number  # before the next is written
    output.close(TIMEOUT_S)


def test_a_line_longer_than_the_pipe_arrives_whole(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    text = "x" * (1 << 20)
    output.result(1, messages.SetGamesDirResult(path=text))
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        assert json.loads(file.readline())["data"]["path"] == text
    output.close(TIMEOUT_S)


def test_a_reader_that_is_gone_is_told_and_holds_up_nothing(pipe: Pipe) -> None:
    closed = threading.Event()
    output = Output(pipe.writing)
    output.on_closed(closed.set)
    pipe.close(pipe.reading)
    output.emit(messages.DownloadCancelled(game_id="g"))
    assert closed.wait(TIMEOUT_S)
    for _ in range(10):
        output.result(None, messages.SetGamesDirResult(path="x" * (1 << 20)))
    output.wait_until_taken()  # would block for ever
    output.close(TIMEOUT_S)


def test_a_reader_that_was_gone_before_anybody_asked_is_told_too(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    pipe.close(pipe.reading)
    output.emit(messages.DownloadCancelled(game_id="g"))
    with output._changed:
        assert output._changed.wait_for(lambda: output._closed, TIMEOUT_S)
    told: list[str] = []
    output.on_closed(lambda: told.append("gone"))
    assert told == ["gone"]
    output.close(TIMEOUT_S)


def test_closing_gives_up_on_a_reader_that_does_not_read(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.result(None, messages.SetGamesDirResult(path="x" * (1 << 20)))
    output.close(0.05)  # returns, with the thread still stuck in its write
    pipe.close(pipe.reading)


def test_input_waits_while_much_output_does(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    passed = threading.Event()

    def wait() -> None:
        output.wait_until_taken()
        passed.set()

    line = messages.SetGamesDirResult(path="x" * (1 << 20))
    # The writing thread may have taken some lines already; it is stuck on them.
    for _ in range(MAX_WAITING_OUTPUT_BYTES // (1 << 20) + 2):
        output.result(None, line)
        with output._changed:
            stuck = output._changed.wait_for(lambda: output._waiting_bytes == 0, 0.05)
        if not stuck:
            break
    for _ in range(MAX_WAITING_OUTPUT_BYTES // (1 << 20) + 1):
        output.result(None, line)
    thread = threading.Thread(target=wait)
    thread.start()
    assert not passed.is_set()
    drain = threading.Thread(target=lambda: os.fdopen(os.dup(pipe.reading), "rb").read())
    drain.start()
    assert passed.wait(TIMEOUT_S)
    output.close(TIMEOUT_S)
    pipe.close(pipe.writing)
    for other in (thread, drain):
        other.join(TIMEOUT_S)


# --- Input ------------------------------------------------------------------------------------


@contextlib.contextmanager
def silent_output() -> Iterator[Output]:
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - os.devnull is a name, not a path
        output = Output(nowhere.fileno())
        output.on_closed(not_called)
        yield output
        output.close(TIMEOUT_S)


def read_all(descriptor: int, writer: threading.Thread | None = None) -> list[bytes]:
    async def read() -> list[bytes]:
        ended = asyncio.Event()
        lines: list[bytes] = []
        with silent_output() as output:
            Input(descriptor, output, lines.extend, ended.set).start(asyncio.get_running_loop())
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
            file.write(b"x" * (3 << 20) + b'\n{"cmd":"status"}\n')
        pipe.close(pipe.writing)

    lines = read_all(pipe.reading, threading.Thread(target=write))
    requests = [messages.decode_line(line) for line in lines]
    assert isinstance(requests[0].command, CommandError)
    assert requests[0].command.code == "line-too-long"
    assert [request.command for request in requests[1:]] == [messages.Status()]


def test_a_descriptor_that_cannot_be_read_is_the_end(pipe: Pipe) -> None:
    assert read_all(pipe.writing) == []
