"""The sending half of a channel: a thread that seals what waits, and sends it.

Messages go before blocks: a message waits for one frame of a block at most.
"""

import asyncio
import socket
import threading
from collections import deque
from dataclasses import dataclass, field

from pair_cli.interfaces import ChannelClosed
from pair_cli.sealing import TAG_BYTES, Sealing
from pair_cli.wire import BLOCK, BULK, BULK_BYTES, HEAD, Kind

MAX_WAITING = 1 << 20  # bytes of messages, from which on `room` waits
_BATCH_BYTES = 64 << 10  # small frames that go out in one call
_OVERHEAD = 100  # memory of a waiting message besides its bytes


@dataclass(slots=True, eq=False)
class _Block:
    number: int
    data: memoryview
    settled: threading.Event = field(default_factory=threading.Event)
    sent: bool = False


class Sender:
    """Seals and sends; `run` is its thread. Everything else may be called from any thread."""

    def __init__(self, connection: socket.socket, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._messages: deque[bytes] = deque()
        self._waiting_bytes = 0  # of messages that are not sent yet
        self._pong = b""
        self._blocks: deque[_Block] = deque()
        self._offset = 0  # of the first block: what is sent of it
        self._stopped = False
        self._emptier = asyncio.Event()
        self._out = bytearray(HEAD.size + BULK_BYTES + TAG_BYTES)

    def send(self, kind: Kind, payload: bytes) -> None:
        """Queue a message. Raises ChannelClosed."""
        with self._changed:
            if self._stopped:
                raise ChannelClosed
            self._messages.append(bytes((kind,)) + payload)
            self._waiting_bytes += len(payload) + _OVERHEAD
            self._changed.notify_all()

    def answer(self, heartbeat: bytes) -> None:
        """Send the answer to a heartbeat; only the newest of those that wait."""
        with self._changed:
            self._pong = bytes((Kind.PONG,)) + heartbeat
            self._changed.notify_all()

    def send_block(self, number: int, data: memoryview) -> None:
        """Send a block, and return when it is sealed. Raises ChannelClosed."""
        block = _Block(number, data.cast("B"))
        with self._changed:
            if self._stopped:
                raise ChannelClosed
            self._blocks.append(block)
            self._changed.notify_all()
        block.settled.wait()
        if not block.sent:
            raise ChannelClosed

    async def room(self, limit: int = MAX_WAITING) -> None:
        """Wait until less than `limit` bytes of messages wait, or the sender stops."""
        while self._waiting_bytes >= limit and not self._stopped:
            self._emptier.clear()
            if self._waiting_bytes >= limit and not self._stopped:
                await self._emptier.wait()

    def stop(self) -> None:
        """Send nothing more. Idempotent."""
        with self._changed:
            self._stopped = True
            for block in self._blocks:
                block.settled.set()
            self._changed.notify_all()
        self._loop.call_soon_threadsafe(self._emptier.set)

    def run(self) -> None:
        """Send until `stop`. Raises OSError when the socket is gone."""
        while self._wait():
            if not self._send_messages():
                self._send_part()

    def _wait(self) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._pong or self._messages or self._blocks
            )
            return not self._stopped

    def _send_messages(self) -> bool:
        """Send some of the messages that wait; tell whether there were any."""
        batch: list[bytes] = []
        size = 0
        with self._changed:
            if self._pong:
                batch.append(self._pong)
                self._pong = b""
            taken = 0
            while self._messages and size < _BATCH_BYTES:
                batch.append(self._messages.popleft())
                size += len(batch[-1])
                taken += len(batch[-1]) - 1 + _OVERHEAD
        if not batch:
            return False
        self._connection.sendall(b"".join(map(self._sealed, batch)))
        with self._changed:
            before = self._waiting_bytes
            self._waiting_bytes -= taken
            crossed = self._waiting_bytes < MAX_WAITING <= before
            tell = taken > 0 and (crossed or not self._waiting_bytes)
        if tell:
            self._loop.call_soon_threadsafe(self._emptier.set)
        return True

    def _sealed(self, message: bytes) -> bytes:
        head = HEAD.pack(len(message) + TAG_BYTES)
        return head + self._sealing.seal(message, head)

    def _send_part(self) -> None:
        """Send the next part of the first block."""
        with self._changed:
            if not self._blocks:
                return
            block = self._blocks[0]
        start = b""
        if self._offset == 0:
            start = self._sealed(bytes((Kind.BLOCK,)) + BLOCK.pack(block.number, len(block.data)))
        part = block.data[self._offset : self._offset + BULK_BYTES]
        if start:
            self._connection.sendall(start)
        if part:
            length = len(part) + TAG_BYTES
            frame = memoryview(self._out)[: HEAD.size + length]
            HEAD.pack_into(frame, 0, length | BULK)
            self._sealing.seal_into(part, bytes(frame[: HEAD.size]), frame[HEAD.size :])
            self._offset += len(part)
        if self._offset == len(block.data):
            self._offset = 0
            with self._changed:
                self._blocks.popleft()
                block.sent = True
                block.settled.set()
        if part:
            self._connection.sendall(frame)
