"""stdin and stdout: lines to requests, replies and events to lines.

Both ends are threads on plain descriptors, so that neither a reader that is slow nor one that is
gone ever holds up the event loop. While much output waits to be read, no further input is taken.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from peer_cli import messages

if TYPE_CHECKING:
    import asyncio  # late: output is written before there is a loop

READ_BYTES = 64 << 10
MAX_WAITING_OUTPUT_BYTES = 4 << 20


class Output:
    """Writes protocol lines to a descriptor, in order, from one thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._on_closed: Callable[[], object] = lambda: None
        self._encoder = msgspec.json.Encoder()
        self._next_seq = 0
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="stdout", daemon=True)
        self._thread.start()

    def on_closed(self, action: Callable[[], object]) -> None:
        """Do this when nobody reads any more, in the writing thread; at once when it is so now."""
        with self._changed:
            self._on_closed = action
            closed = self._closed
        if closed:
            action()

    def emit(self, event: messages.Event) -> None:
        """Write an event; called by the main thread only, which makes `seq` gapless."""
        line = messages.EventLine(event=event.event, seq=self._next_seq, ts=time.time(), data=event)
        self._next_seq += 1
        self._put(line)

    def result(self, request_id: messages.JsonScalar, data: messages.Result) -> None:
        """Write the reply to a command that was carried out or accepted."""
        self._put(messages.ResultLine(id=request_id, data=data))

    def error(self, request_id: messages.JsonScalar, error: messages.CommandError) -> None:
        """Write the reply to a command that was refused."""
        self._put(messages.ErrorLine(id=request_id, error=str(error), code=error.code))

    def wait_until_taken(self) -> None:
        """Block while much output waits to be read."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._waiting_bytes < MAX_WAITING_OUTPUT_BYTES
            )

    def close(self, timeout_s: float) -> None:
        """Write what is left; give up on a reader that does not take it in time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _put(self, line: messages.Value) -> None:
        encoded = self._encoder.encode(line) + b"\n"
        with self._changed:
            self._waiting.append(encoded)
            self._waiting_bytes += len(encoded)
            self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                lines = memoryview(b"".join(self._waiting))
                self._waiting.clear()
                self._waiting_bytes = 0
                self._changed.notify_all()
            if not lines:
                return
            try:
                while lines:
                    lines = lines[os.write(self._descriptor, lines) :]
            except OSError:
                with self._changed:
                    self._closed = True
                    self._changed.notify_all()
                    on_closed = self._on_closed
                on_closed()
                return


class Input:
    """Reads lines from a descriptor in a thread and hands them to the event loop in order."""

    def __init__(
        self,
        descriptor: int,
        output: Output,
        on_lines: Callable[[list[bytes]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._output = output
        self._on_lines = on_lines
        self._on_end = on_end

    def start(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Begin to read. The thread is a daemon: a read cannot be interrupted."""
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()

    def _read(self, loop: "asyncio.AbstractEventLoop") -> None:
        splitter = LineSplitter(messages.MAX_LINE_BYTES)
        taken = threading.Event()

        def hand_over(lines: list[bytes]) -> None:
            self._on_lines(lines)
            taken.set()

        try:
            while True:
                data = _read_some(self._descriptor)
                lines = splitter.feed(data) if data else splitter.end()
                if lines:
                    taken.clear()
                    loop.call_soon_threadsafe(hand_over, lines)
                    taken.wait()
                    self._output.wait_until_taken()
                if not data:
                    loop.call_soon_threadsafe(self._on_end)
                    return
        except RuntimeError:
            return  # the loop has been closed: the peer is exiting


class LineSplitter:
    """Cuts bytes into lines. Of an over-long line just its begin, one byte too long, is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their line ends."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        self._rest = self._rest[: self._limit + 1]
        return [line[: self._limit + 1] for line in lines]

    def end(self) -> list[bytes]:
        """Return the last line if it has no line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _read_some(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError:
        return b""  # a terminal that is gone, a closed descriptor: the same as the end
