"""A connection of the legacy wire: lines and bytes, with a limit on every wait."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from network.limits import RateLimiter
from network.pace import Pace
from sync_cli.legacy.wire import WireError

OPERATION_S = 10.0
READ_BYTES = 64 << 10
SLICE_BYTES = 1 << 20


class StalledError(Exception):
    """The other side moves nothing, or less than the minimum rate."""


class Stream:
    """Owns a connected, non-blocking socket.

    Each wait may take OPERATION_S seconds, and the rate must not fall below the minimum
    (`network.pace`) over twice that much waiting. All methods raise StalledError and OSError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._pace = Pace(2 * OPERATION_S)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def line(self, limit: int, timeout_s: float = OPERATION_S) -> bytes | None:
        """Return the next line without its end, None at the end; `timeout_s` is for all of it.

        Raises WireError for a line over `limit` bytes, and for an end within a line.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._line(limit)
        except TimeoutError:
            raise StalledError(f"silent for {timeout_s:g} seconds") from None

    async def _line(self, limit: int) -> bytes | None:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > limit:
                break
            data = await self._loop.sock_recv(self._connection, READ_BYTES)
            if not data:
                if self._received:
                    raise WireError("the connection ended within a line")
                return None
            self._received += data
        if not 0 <= end <= limit:
            raise WireError(f"a line has more than {limit} bytes")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    async def receive_into(self, memory: memoryview) -> int:
        """Fill the start of the memory with what comes next; return how much, 0 at the end."""
        if self._received:
            count = min(len(memory), len(self._received))
            memory[:count] = self._received[:count]
            del self._received[:count]
            return count
        return await self._operate(self._loop.sock_recv_into(self._connection, memory))

    async def send(self, data: bytes) -> None:
        """Send all of the data."""
        left = memoryview(data)
        while left:
            sent = await self._when_writable(partial(self._connection.send, left[:SLICE_BYTES]))
            left = left[sent:]

    async def send_file(
        self, file: int, length: int, limiter: RateLimiter, stopped: threading.Event
    ) -> bool:
        """Send so much of a file, from its start, at a limited rate until that is stopped.

        Returns False if the file is shorter.
        """
        offset = 0
        while offset < length:
            count = limiter.slice_size(min(SLICE_BYTES, length - offset))
            sent = await self._when_writable(
                partial(os.sendfile, self._connection.fileno(), file, offset, count)
            )
            if sent == 0:
                return False
            offset += sent
            await pay(limiter, sent, stopped)
        return True

    async def end(self) -> None:
        """Tell the other side that all is sent, and wait for it to leave.

        Closing at once would discard what is under way if the other side has sent more than its
        question.
        """
        self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(OPERATION_S):
                while await self._loop.sock_recv(self._connection, READ_BYTES):
                    pass

    async def _when_writable(self, send: Callable[[], int]) -> int:
        while True:
            try:
                sent = send()
            except BlockingIOError:
                await self._operate(self._writable())
                continue
            self._count(0.0, sent)
            return sent

    async def _writable(self) -> int:
        room = asyncio.Event()
        self._loop.add_writer(self._connection, room.set)
        try:
            await room.wait()
        finally:
            self._loop.remove_writer(self._connection)
        return 0

    async def _operate(self, operation: Coroutine[Any, Any, int]) -> int:
        began = self._loop.time()
        try:
            async with asyncio.timeout(OPERATION_S):
                moved = await operation
        except TimeoutError:
            raise StalledError(f"silent for {OPERATION_S:g} seconds") from None
        self._count(self._loop.time() - began, moved)
        return moved

    def _count(self, waited_s: float, moved: int) -> None:
        if not self._pace.keeps(waited_s, moved):
            raise StalledError("too slow")


async def pay(limiter: RateLimiter, count: int, stopped: threading.Event) -> None:
    """Wait, after so many bytes have passed, as long as a limit wants, or until it is stopped."""
    if limiter.rate is not None:
        await asyncio.to_thread(limiter.acquire, count, stopped)


async def connect(address: tuple[str, int], own_ip: str | None) -> Stream:
    """Connect to a tracker or peer, from `own_ip` if given. Raises StalledError, OSError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        if own_ip is not None and (":" in own_ip) == (":" in address[0]):
            connection.bind((own_ip, 0))
        async with asyncio.timeout(OPERATION_S):
            await asyncio.get_running_loop().sock_connect(connection, address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError:
        connection.close()
        raise StalledError(f"no connection within {OPERATION_S:g} seconds") from None
    except BaseException:
        connection.close()
        raise
    return Stream(connection)
