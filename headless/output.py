"""stdout: writes replies and events as lines.

A reader that is slow or gone never blocks the event loop: what the descriptor does not take at once
is written by a thread. Imports no asyncio: output is written before there is a loop.
"""

import errno
import itertools
import os
import select
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from headless.descriptors import write_all
from headless.envelope import (
    CommandError,
    ErrorLine,
    Event,
    EventLine,
    JsonScalar,
    LongReply,
    ResultLine,
    Value,
)

MAX_WAITING_OUTPUT_BYTES = 4 << 20
_BATCH_BYTES = 64 << 10  # written in one go; events that still wait can be superseded
_LINE_BYTES = 300  # memory of a waiting line besides its text
# Linux has it (`man 2 pwritev2`); pipes and sockets support it, terminals and most files do not.
_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)


class _Waiting(NamedTuple):
    """A reply, or an event, which gets its `seq` when it is written.

    The `encoded` of a long reply has an empty list in place of its rows.
    """

    encoded: bytes
    event: str | None = None
    ts: float = 0.0
    state: Hashable | None = None
    rows: Iterator[Value] | None = None
    kept: int = 0

    @property
    def size(self) -> int:
        return len(self.encoded) + self.kept + _LINE_BYTES


class Output:
    """Writes protocol lines to a descriptor, in order, in a thread of its own.

    While the reader is behind, an event about a state supersedes a waiting one about the same
    state. All other lines are kept. Whoever emits events about what others send waits for
    `caught_up` before reading more from them: that is the backpressure.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._on_closed: Callable[[], object] = lambda: None
        self._on_taken: list[Callable[[], object]] = []
        self._encoder = msgspec.json.Encoder()
        self._next_seq = 0
        self._numbers = itertools.count()
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._newest: dict[Hashable, int] = {}  # number of the newest waiting event of each state
        self._waiting_bytes = 0
        self._rest = b""  # of a line that was written in part
        self._writing = False  # the thread is
        self._may_try = _NO_WAIT != 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="stdout", daemon=True)
        self._thread.start()

    def on_closed(self, action: Callable[[], object]) -> None:
        """Call `action` in the writing thread once nobody reads any more, or now if that is so."""
        with self._changed:
            self._on_closed = action
            closed = self._closed
        if closed:
            action()

    def emit(self, event: Event) -> None:
        """Write an event."""
        self._put(_Waiting(self._encode(event), event.event, time.time(), event.state()))

    def result(self, request_id: JsonScalar, data: Value) -> None:
        """Write the reply to a command that was carried out or accepted."""
        if isinstance(data, LongReply):
            empty = self._encode(ResultLine(id=request_id, data={data.name: []}))
            self._put(_Waiting(empty, rows=data.rows, kept=data.kept))
        else:
            self._reply(ResultLine(id=request_id, data=data))

    def error(self, request_id: JsonScalar, error: CommandError) -> None:
        """Write the reply to a command that was refused."""
        line = ErrorLine(id=request_id, error=str(error), code=error.code, errno=error.errno)
        self._reply(line)

    @property
    def behind(self) -> bool:
        """Whether much output is waiting to be read."""
        return self._waiting_bytes >= MAX_WAITING_OUTPUT_BYTES and not self._closed

    async def caught_up(self) -> None:
        """Wait while much output is waiting to be read."""
        if not self.behind:
            return
        import asyncio  # already loaded, since this is a coroutine

        loop, taken = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(taken.set)

        with self._changed:
            if not self.behind:
                return
            self._on_taken.append(tell)
        await taken.wait()

    def close(self, timeout_s: float) -> None:
        """Write what is left; give up if the reader does not take it in time."""
        with self._changed:
            self._close()
        self._thread.join(timeout_s)

    def _reply(self, line: Value) -> None:
        self._put(_Waiting(self._encode(line)))

    def _encode(self, value: Value) -> bytes:
        try:
            return self._encoder.encode(value)
        except UnicodeEncodeError:
            return self._encoder.encode(_as_unicode(msgspec.to_builtins(value)))

    def _put(self, line: _Waiting) -> None:
        with self._changed:
            if self._closed:
                return  # nobody will read it
            idle = not (self._waiting or self._rest or self._writing)
            if idle and line.rows is None and self._may_try and self._write_now(line):
                return
            number = next(self._numbers)
            if line.state is not None:
                if self.behind and line.state in self._newest:
                    self._waiting_bytes -= self._waiting.pop(self._newest[line.state]).size
                self._newest[line.state] = number
            self._waiting[number] = line
            self._waiting_bytes += line.size
            self._changed.notify_all()

    def _write_now(self, line: _Waiting) -> bool:
        """Write a line if that needs no waiting; waking the thread costs a hundred times more.

        False if nothing was written.
        """
        data = self._line(line)
        if len(data) <= select.PIPE_BUF:  # a pipe takes it whole or not at all
            try:
                written = os.pwritev(self._descriptor, [data], -1, _NO_WAIT)
            except OSError as error:
                self._may_try = error.errno == errno.EAGAIN
            else:
                self._rest = data[written:]
                if self._rest:
                    self._changed.notify_all()
                return True
        self._next_seq -= line.event is not None
        return False

    def _write(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.wait_for(lambda: self._closed or self._waiting or self._rest)
                self._writing = True
                rest, self._rest = self._rest, b""
                lines = self._next_batch()
            if not (rest or lines):
                return
            try:
                parts = itertools.chain([rest], *map(self._parts, lines))
                for text in _joined(parts):
                    write_all(self._descriptor, text)
            except OSError:
                with self._changed:
                    self._waiting.clear()
                    self._close()
                    on_closed = self._on_closed
                on_closed()
                return

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and size < _BATCH_BYTES:
            number, line = self._waiting.popitem(last=False)
            if self._newest.get(line.state) == number:
                del self._newest[line.state]
            batch.append(line)
            size += line.size
        self._waiting_bytes -= size
        if not self.behind:
            self._notify_taken()
        return batch

    def _line(self, line: _Waiting) -> bytes:
        if line.event is None:
            return line.encoded + b"\n"
        data = msgspec.Raw(line.encoded)
        told = EventLine(event=line.event, seq=self._next_seq, ts=line.ts, data=data)
        self._next_seq += 1
        return self._encoder.encode(told) + b"\n"

    def _parts(self, line: _Waiting) -> Iterator[bytes]:
        """Make the text of a line, that of a long reply row by row."""
        text = self._line(line)
        if line.rows is None:
            yield text
            return
        end = text.rindex(b"]")
        yield text[:end]
        for number, row in enumerate(line.rows):
            yield (b"," if number else b"") + self._encode(row)
        yield text[end:]

    def _close(self) -> None:
        self._closed = True
        self._notify_taken()
        self._changed.notify_all()

    def _notify_taken(self) -> None:
        for tell in self._on_taken:
            tell()
        self._on_taken.clear()


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join parts, so that it takes few calls to write them."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _BATCH_BYTES:
            yield b"".join(held)
            held.clear()
            size = 0
    yield b"".join(held)


def _as_unicode(value: Any) -> Any:
    """Escape what is not Unicode, such as bytes of a file name that is not UTF-8."""
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_as_unicode(key): _as_unicode(member) for key, member in value.items()}
        case list():
            return [_as_unicode(item) for item in value]
    return value
