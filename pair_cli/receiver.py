"""The receiving half of a channel: a thread that opens what comes.

A block is opened straight into the buffer of whoever expects it. Messages wait until they are
taken; while many wait, nothing more is read.
"""

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pair_cli.interfaces import ChannelClosed
from pair_cli.sealing import TAG_BYTES, Sealing
from pair_cli.wire import BLOCK, HEAD, Kind, ProtocolError, check_length, split

MAX_WAITING = 1 << 20  # bytes of messages that nobody has taken
_OVERHEAD = 100  # memory of a waiting message besides its bytes


class Ended(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The other side has ended the channel; `said` tells whether it said goodbye."""

    def __init__(self, *, said: bool) -> None:
        super().__init__("the other side left" if said else "the connection ended")
        self.said = said


@dataclass(slots=True, eq=False)
class _Block:
    """A block that is expected; `into` is None if it is not, or no longer."""

    number: int
    length: int
    into: memoryview | None
    done: Callable[[], None]
    received: int = 0


class Receiver:
    """Receives and opens; `run` is its thread.

    `on_control` gets heartbeats and their answers, in that thread.
    """

    def __init__(
        self,
        connection: socket.socket,
        opening: Sealing,
        on_control: Callable[[Kind, bytes], None],
    ) -> None:
        self.heard_at = time.monotonic()
        self._connection = connection
        self._opening = opening
        self._on_control = on_control
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._expected: dict[int, _Block] = {}
        self._current: _Block | None = None
        self._opened = threading.RLock()  # held while a frame is opened into a block's buffer
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._stopped = self._released = False
        self._arrived = asyncio.Event()
        self._head = bytearray(HEAD.size)
        self._sealed = bytearray()
        self._thrown = bytearray()

    @property
    def is_full(self) -> bool:
        """Whether nothing is read because messages wait to be taken."""
        return self._inbox_bytes >= MAX_WAITING

    def expect(self, number: int, into: memoryview, done: Callable[[], None]) -> None:
        """See interfaces.Channel.expect_block."""
        into = into.cast("B")
        with self._opened:
            if not self._released:
                self._expected[number] = _Block(number, len(into), into, done)

    def forget(self, number: int) -> None:
        """See interfaces.Channel.forget_block. Returns when nothing writes into its buffer."""
        with self._opened:
            self._expected.pop(number, None)
            if self._current is not None and self._current.number == number:
                self._current.into = None

    async def receive(self) -> bytes:
        """Return the next message. Raises ChannelClosed once there is none and none will come."""
        while not self._inbox:
            self._arrived.clear()
            if not self._inbox:
                if self._stopped:
                    raise ChannelClosed
                await self._arrived.wait()
        with self._changed:
            message = self._inbox.popleft()
            self._inbox_bytes -= len(message) + _OVERHEAD
            self._changed.notify_all()
        return message

    def release(self) -> None:
        """Let go of all buffers."""
        with self._opened:
            self._released = True
            self._expected.clear()
            if self._current is not None:
                self._current.into = None

    def stop(self) -> None:
        """Deliver nothing more, and let go of all buffers. Idempotent."""
        self.release()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._loop.call_soon_threadsafe(self._arrived.set)

    def run(self) -> None:
        """Receive for ever. Raises Ended, OSError, Altered, ProtocolError."""
        while True:
            self._receive_frame()

    def _receive_frame(self) -> None:
        self._fill(memoryview(self._head))
        length, bulk = check_length(HEAD.unpack(self._head)[0])
        if len(self._sealed) < length:
            self._sealed = bytearray(length)
        sealed = memoryview(self._sealed)[:length]
        self._fill(sealed)
        if bulk:
            self._open_part(sealed)
        else:
            self._take(*split(self._opening.open(sealed, bytes(self._head))))

    def _fill(self, into: memoryview) -> None:
        while into:
            count = self._connection.recv_into(into)
            if count == 0:
                raise Ended(said=False)
            self.heard_at = time.monotonic()
            into = into[count:]

    def _take(self, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.MESSAGE:
                self._put(payload)
            case Kind.BLOCK:
                self._begin(payload)
            case Kind.GOODBYE:
                raise Ended(said=True)
            case Kind.PING | Kind.PONG:
                self._on_control(kind, payload)
            case Kind.CONFIRM:
                raise ProtocolError("a second confirmation")

    def _put(self, message: bytes) -> None:
        with self._changed:
            first = not self._inbox
            self._inbox.append(message)
            self._inbox_bytes += len(message) + _OVERHEAD
        if first:
            self._loop.call_soon_threadsafe(self._arrived.set)
        if self.is_full:
            with self._changed:
                self._changed.wait_for(lambda: not self.is_full or self._stopped)

    def _begin(self, payload: bytes) -> None:
        if len(payload) != BLOCK.size or self._current is not None:
            raise ProtocolError("a block begins out of place")
        number, length = BLOCK.unpack(payload)
        with self._opened:
            # What nobody expects is thrown away: it was forgotten after it was asked for.
            block = self._expected.pop(number, None) or _Block(number, length, None, lambda: None)
            self._current = block
        if block.length != length:
            raise ProtocolError(f"a block of {length} bytes instead of {block.length}")
        self._end_if_whole(block)

    def _open_part(self, sealed: memoryview) -> None:
        block = self._current
        if block is None:
            raise ProtocolError("bulk outside of a block")
        begin, end = block.received, block.received + len(sealed) - TAG_BYTES
        if end > block.length:
            raise ProtocolError("a block is longer than was said")
        with self._opened:
            into = None if block.into is None else block.into[begin:end]
            self._opening.open_into(sealed, bytes(self._head), into or self._scrap(end - begin))
        block.received = end
        self._end_if_whole(block)

    def _scrap(self, length: int) -> memoryview:
        if len(self._thrown) < length:
            self._thrown = bytearray(length)
        return memoryview(self._thrown)[:length]

    def _end_if_whole(self, block: _Block) -> None:
        if block.received < block.length:
            return
        with self._opened:
            self._current = None
            if block.into is not None:
                block.done()
