"""What is written: lines, whole and in order, whatever the reader does."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headless.envelope import CommandError, Empty, LongReply
from headless.output import MAX_WAITING_OUTPUT_BYTES, Output
from tests.headless.pipe import Pipe
from tests.headless.words import Counted, Level, Text

TIMEOUT_S = 10.0


def not_called() -> None:
    raise AssertionError


ROUNDS = 100  # three lines each; they fit into a pipe that nobody reads yet


def test_lines_leave_in_order_and_events_are_numbered(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    for number in range(ROUNDS):
        output.emit(Counted(number=str(number)))
        output.result(number, Empty())
        output.error(number, CommandError("no", "No."))
    output.close(TIMEOUT_S)
    lines = pipe.lines()
    assert [line["type"] for line in lines] == ["event", "result", "error"] * ROUNDS
    assert [line["seq"] for line in lines[::3]] == list(range(ROUNDS))
    assert [line["data"]["number"] for line in lines[::3]] == [str(n) for n in range(ROUNDS)]
    assert [line["id"] for line in lines[1::3]] == list(range(ROUNDS))
    assert lines[2] == {"type": "error", "id": 0, "error": "No.", "code": "no"}
    assert lines[0]["event"] == "counted"
    assert sorted(line["ts"] for line in lines[::3]) == [line["ts"] for line in lines[::3]]


def test_each_line_leaves_at_once(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        for number in range(3):
            output.result(number, Empty())
            assert json.loads(file.readline())["id"] == number  # before the next is written
    output.close(TIMEOUT_S)


def a_pipe() -> tuple[int, int]:
    return os.pipe()


def a_socket() -> tuple[int, int]:
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 10)
    return reading.detach(), writing.detach()


def a_terminal() -> tuple[int, int]:
    reading, writing = os.openpty()
    tty.setraw(writing)
    return reading, writing


@pytest.mark.parametrize("made", [a_pipe, a_socket, a_terminal])
def test_a_reader_that_comes_late_gets_every_line_whole_and_in_order(
    made: Callable[[], tuple[int, int]],
) -> None:
    reading, writing = made()
    output = Output(writing)
    output.on_closed(not_called)
    sizes = [number * 37 % 5000 for number in range(400)]  # on both sides of a pipe's PIPE_BUF
    for number, size in enumerate(sizes):  # nobody reads meanwhile: nothing may block
        output.emit(Counted(number=f"{number} {'x' * size}"))
    with os.fdopen(reading, "rb") as file:
        lines = [json.loads(file.readline()) for _ in sizes]
    output.close(TIMEOUT_S)
    os.close(writing)
    assert [line["seq"] for line in lines] == list(range(len(sizes)))
    told = [line["data"]["number"].split(" ") for line in lines]
    assert [(int(number), len(text)) for number, text in told] == list(enumerate(sizes))


def test_the_rest_of_a_line_that_was_taken_in_part_follows(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_some(descriptor: int, buffers: list[bytes], *_: int) -> int:
        return os.write(descriptor, buffers[0][:10])

    monkeypatch.setattr(os, "pwritev", write_some)
    output = Output(pipe.writing)
    output.on_closed(not_called)
    for number in range(ROUNDS):
        output.result(number, Empty())
    output.close(TIMEOUT_S)
    assert [line["id"] for line in pipe.lines()] == list(range(ROUNDS))


def test_a_line_that_is_taken_at_once_does_not_wake_the_thread(pipe: Pipe) -> None:
    try:
        assert os.pwritev(pipe.writing, [b" "], -1, os.RWF_NOWAIT) == 1
    except (AttributeError, OSError):
        pytest.skip("this system has no such writing")
    output = Output(pipe.writing)
    output.on_closed(not_called)
    with output._changed:  # held, so that the thread cannot write
        output.emit(Counted(number="1"))
        with os.fdopen(os.dup(pipe.reading), "rb") as file:
            assert json.loads(file.readline())["seq"] == 0
    output.close(TIMEOUT_S)


def test_a_line_longer_than_the_pipe_arrives_whole(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    text = "x" * (1 << 20)
    output.result(1, Text(text=text))
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        assert json.loads(file.readline())["data"]["text"] == text
    output.close(TIMEOUT_S)


def test_a_reader_that_is_gone_is_told_and_holds_up_nothing(pipe: Pipe) -> None:
    closed = threading.Event()
    output = Output(pipe.writing)
    output.on_closed(closed.set)
    pipe.close(pipe.reading)
    output.emit(Counted(number="g"))
    assert closed.wait(TIMEOUT_S)
    for _ in range(10):
        output.result(None, Text(text="x" * (1 << 20)))
    assert output._waiting_bytes == 0
    output.close(TIMEOUT_S)


def test_a_reader_that_was_gone_before_anybody_asked_is_told_too(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    pipe.close(pipe.reading)
    output.emit(Counted(number="g"))
    with output._changed:
        assert output._changed.wait_for(lambda: output._closed, TIMEOUT_S)
    told: list[str] = []
    output.on_closed(lambda: told.append("gone"))
    assert told == ["gone"]
    output.close(TIMEOUT_S)


def test_closing_gives_up_on_a_reader_that_does_not_read(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.result(None, Text(text="x" * (1 << 20)))
    output.close(0.05)  # returns, with the thread still stuck in its write
    pipe.close(pipe.reading)
    output._thread.join(TIMEOUT_S)  # else it would go on into whatever is opened next


def fill(pipe: Pipe) -> None:
    """Fill the pipe to its last byte."""
    os.set_blocking(pipe.writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe.writing, b" " * (1 << 16))
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe.writing, b" ")
    os.set_blocking(pipe.writing, True)


def make_behind(output: Output, pipe: Pipe) -> int:
    """Write results until the reader is behind; returns how many."""
    fill(pipe)
    stuck = threading.Event()
    with output._changed:
        output._on_taken.append(stuck.set)
    output.result(0, Empty())
    assert stuck.wait(TIMEOUT_S)  # the thread has taken this one and cannot write it
    for count in itertools.count(1):
        if output.behind:
            return count
        output.result(count, Text(text="x" * (1 << 16)))
    raise AssertionError


def read_in_background(pipe: Pipe) -> Callable[[], list[dict[str, Any]]]:
    """Begin to read to the end; returns what waits for that and returns the lines."""
    lines: list[dict[str, Any]] = []

    def read() -> None:
        with os.fdopen(os.dup(pipe.reading), "rb") as file:
            lines.extend(json.loads(line) for line in file)

    thread = threading.Thread(target=read)
    thread.start()

    def ended() -> list[dict[str, Any]]:
        pipe.close(pipe.writing)
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
        return lines

    return ended


def test_who_asks_waits_until_a_reader_that_is_behind_has_caught_up(pipe: Pipe) -> None:
    async def ask() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await output.caught_up()  # not behind yet: at once
            make_behind(output, pipe)
            waiting = [asyncio.create_task(output.caught_up()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            ended.append(read_in_background(pipe))
            await asyncio.gather(*waiting)
            assert not output.behind

    output = Output(pipe.writing)
    output.on_closed(not_called)
    ended: list[Callable[[], object]] = []
    asyncio.run(ask())
    output.close(TIMEOUT_S)
    ended[0]()


def test_a_reader_that_is_gone_keeps_nobody_waiting(pipe: Pipe) -> None:
    async def ask() -> None:
        make_behind(output, pipe)
        waiting = asyncio.create_task(output.caught_up())
        await asyncio.sleep(0)
        pipe.close(pipe.reading)
        async with asyncio.timeout(TIMEOUT_S):
            await waiting
            await output.caught_up()

    output = Output(pipe.writing)
    asyncio.run(ask())
    output.close(TIMEOUT_S)


def test_of_a_state_a_reader_that_is_behind_gets_the_last(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    results = make_behind(output, pipe)
    for number in range(100_000):
        output.emit(Level(of=str(number % 2), level=number))
        if number % 1000 == 0:
            output.emit(Counted(number=str(number)))
    waiting = output._waiting_bytes
    assert waiting < MAX_WAITING_OUTPUT_BYTES + (1 << 18)
    ended = read_in_background(pipe)
    output.close(TIMEOUT_S)
    lines = ended()
    assert [line["id"] for line in lines if line["type"] == "result"] == list(range(results))
    events = [line for line in lines if line["type"] == "event"]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [e["data"]["number"] for e in events if e["event"] == "counted"] == [
        str(number) for number in range(0, 100_000, 1000)
    ]
    levels = [event["data"] for event in events if event["event"] == "level"]
    assert levels == [{"of": "0", "level": 99_998}, {"of": "1", "level": 99_999}]
    assert output._waiting_bytes == 0
    assert not output._newest


def test_a_reader_that_keeps_up_gets_every_state(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    for number in range(1000):
        output.emit(Level(of="0", level=number))
    ended = read_in_background(pipe)
    output.close(TIMEOUT_S)
    assert [line["data"]["level"] for line in ended()] == list(range(1000))


def test_output_that_is_full_is_not_a_reader_that_is_gone(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    output = Output(pipe.writing)
    output.on_closed(not_called)
    text = "x" * (1 << 20)  # more than the pipe holds
    output.result(1, Text(text=text))
    output.result(2, Empty())
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        assert json.loads(file.readline())["data"]["text"] == text
        assert json.loads(file.readline())["id"] == 2
    output.close(TIMEOUT_S)


def test_text_that_is_no_unicode_is_written_all_the_same(pipe: Pipe) -> None:
    """A file name may be any bytes; Python holds those that are no UTF-8 as lone surrogates."""
    output = Output(pipe.writing)
    output.on_closed(not_called)
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x8d\xb5")
    output.result(1, Text(text=name))
    output.error(2, CommandError("no", f"No {name}."))
    output.emit(Counted(number=name))
    output.close(TIMEOUT_S)
    lines = pipe.lines()
    assert lines[0]["data"]["text"] == "caf\\udce9 🍵"
    assert lines[1]["error"] == "No caf\\udce9 🍵."
    assert (lines[2]["seq"], lines[2]["data"]["number"]) == (0, "caf\\udce9 🍵")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_long_reply_is_a_line_like_any_other(pipe: Pipe, count: int) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    rows = (Text(text=f"]{number}\udce9") for number in range(count))
    output.result("]", LongReply("rows", rows, kept=0))
    output.result(2, Empty())
    output.close(TIMEOUT_S)
    told = [{"text": f"]{number}\\udce9"} for number in range(count)]
    assert pipe.lines() == [
        {"type": "result", "id": "]", "data": {"rows": told}},
        {"type": "result", "id": 2, "data": {}},
    ]


def test_the_rows_of_a_long_reply_are_made_as_they_are_read(pipe: Pipe) -> None:
    made: list[int] = []

    def rows() -> Iterator[Text]:
        for number in range(50):
            made.append(number)
            yield Text(text="x" * (1 << 20))

    output = Output(pipe.writing)
    output.on_closed(not_called)
    output.result(1, LongReply("rows", rows(), kept=0))
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        assert len(file.read(10 << 20)) == 10 << 20
        assert len(made) <= 12  # those that were read, a part in the pipe, the one being written
        assert file.readline().endswith(b'"}]}}\n')
    output.close(TIMEOUT_S)


def test_what_a_long_reply_keeps_counts_as_waiting(pipe: Pipe) -> None:
    output = Output(pipe.writing)
    output.on_closed(not_called)
    output.result(1, Text(text="x" * (1 << 20)))  # nobody reads it yet
    output.result(2, LongReply("rows", iter(()), kept=MAX_WAITING_OUTPUT_BYTES))
    assert output.behind
    with os.fdopen(os.dup(pipe.reading), "rb") as file:
        assert [json.loads(file.readline())["id"] for _ in range(2)] == [1, 2]
    output.close(TIMEOUT_S)
    assert not output.behind
