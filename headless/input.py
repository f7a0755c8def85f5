"""stdin: splits bytes into lines and passes them to the event loop.

A thread reads the plain descriptor, so a slow read blocks nothing. It reads no further until the
lines it has read are taken.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

from headless.descriptors import read_some
from headless.envelope import MAX_LINE_BYTES

READ_BYTES = 64 << 10


class Input:
    """Reads lines from a descriptor in a thread and passes them to the event loop in order."""

    def __init__(
        self,
        descriptor: int,
        on_lines: Callable[[list[bytes]], Coroutine[Any, Any, None]],
        on_end: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._on_lines = on_lines
        self._on_end = on_end

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading. The thread is a daemon: a read cannot be interrupted."""
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        splitter = LineSplitter(MAX_LINE_BYTES)
        try:
            while True:
                data = self._read_some()
                lines = splitter.feed(data) if data else splitter.end()
                if lines and not self._hand_over(lines, loop):
                    return
                if not data:
                    loop.call_soon_threadsafe(self._on_end)
                    return
        except RuntimeError:
            return  # the loop is closed, because the program is exiting

    def _read_some(self) -> bytes:
        try:
            return read_some(self._descriptor, READ_BYTES)
        except OSError:
            return b""  # a terminal that is gone or a closed descriptor counts as the end

    def _hand_over(self, lines: list[bytes], loop: asyncio.AbstractEventLoop) -> bool:
        """Return True once all lines are taken, False when the program exits first."""
        taking = self._on_lines(lines)
        try:
            taken = asyncio.run_coroutine_threadsafe(taking, loop)
        except RuntimeError:
            taking.close()
            raise
        try:
            taken.result()
        except CancelledError:
            return False
        return True


class LineSplitter:
    """Splits bytes into lines. Keeps only the first limit + 1 bytes of an over-long line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are now complete, without line endings."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        self._rest = self._rest[: self._limit + 1]
        return [line[: self._limit + 1] for line in lines]

    def end(self) -> list[bytes]:
        """Return the last line if it has no line ending."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
