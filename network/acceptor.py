"""Accepts connections from anybody, however many come.

Places for strangers are limited in total and per address. A newcomer always gets one: the oldest
stranger, which has had its time, is dropped for it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from network import descriptors
from network.address import Address, address_of
from network.places import Places

MAX_STRANGERS = 96  # connections that have proven nothing yet
MAX_STRANGERS_PER_ADDRESS = 32
_TLS_HANDSHAKE_RECORD = 0x16

Greet = Callable[[socket.socket, Address], Awaitable[None]]


class Acceptor:
    """Accepts connections on a listening socket.

    `greet` gets each connection and its origin, and owns the connection from then on: it closes it,
    or hands it over. Until it returns, the other side is a stranger, and `greet` may be cancelled.
    """

    def __init__(self, program: str, listening: socket.socket, greet: Greet) -> None:
        self._shortage = descriptors.Shortage(program)
        self._listening = listening
        self._greet = greet
        self._strangers: Places[asyncio.Task[None]] = Places(
            MAX_STRANGERS, MAX_STRANGERS_PER_ADDRESS
        )

    async def run(self) -> None:
        """Accept connections until cancelled."""
        try:
            while True:
                connection, origin = await self._accept()
                oldest = self._strangers.oldest_to_evict(origin.ip)
                if oldest is not None:
                    oldest.cancel()
                    await asyncio.wait([oldest])  # it closes its socket
                task = asyncio.create_task(self._take(connection, origin))
                self._strangers.add(task, origin.ip)
                task.add_done_callback(partial(self._strangers.remove, ip=origin.ip))
                # Let the task start, so that a cancel reaches the code that closes its connection.
                # It also lets everything else run between two connections, however many come.
                await asyncio.sleep(0)
        finally:
            self._listening.close()
            for task in self._strangers.all():
                task.cancel()

    async def _accept(self) -> tuple[socket.socket, Address]:
        """Return the next connection, waiting while the system is out of descriptors."""
        while True:
            try:
                # Not loop.sock_accept: a cancel together with a connection is an error there.
                await _until_readable(self._listening)
                connection, told = self._listening.accept()
                connection.setblocking(False)
            except OSError as error:
                if self._shortage.met(error):
                    await asyncio.sleep(descriptors.PAUSE_S)
                continue  # or the connection was gone before it was accepted
            self._shortage.over()
            return connection, address_of(told)

    async def _take(self, connection: socket.socket, origin: Address) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            connection.close()
            return
        await self._greet(connection, origin)


def is_tls(first: int) -> bool:
    """Tell whether a connection's first byte begins a TLS handshake."""
    return first == _TLS_HANDSHAKE_RECORD


async def peek(connection: socket.socket) -> int:
    """Return a connection's first byte without consuming it. Raises EOFError, OSError."""
    await _until_readable(connection)
    first = connection.recv(1, socket.MSG_PEEK)
    if not first:
        raise EOFError
    return first[0]


async def _until_readable(one: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(one, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(one)
