"""The one port: accepts connections and tells control sessions from data connections.

A stranger costs a socket and a few seconds at most: nothing is answered and no thread is spent
before the first bytes make sense.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from peer_cli.network import wire
from peer_cli.network.address import Address

FIRST_BYTES_TIMEOUT_S = 5.0
MAX_STRANGERS = 256  # connections that have not proven anything yet
_TLS_HANDSHAKE_RECORD = 0x16

ControlHandler = Callable[[socket.socket, Address], Awaitable[None]]
DataHandler = Callable[[socket.socket, Address, bytes], Awaitable[None]]


class Listener:
    """Accepts on a listening socket until it is closed."""

    def __init__(
        self, listening: socket.socket, on_control: ControlHandler, on_data: DataHandler
    ) -> None:
        self._listening = listening
        self._on_control = on_control
        self._on_data = on_data
        self._strangers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(self._listening)
                except OSError:
                    # Out of descriptors, or the connection was gone before it was taken up: the
                    # loop would spin at once, so let others finish first.
                    await asyncio.sleep(0.05)
                    continue
                if len(self._strangers) >= MAX_STRANGERS:
                    connection.close()
                    continue
                task = asyncio.create_task(self._sort(connection, Address(peer[0], peer[1])))
                self._strangers.add(task)
                task.add_done_callback(self._strangers.discard)
        finally:
            self._listening.close()
            for task in self._strangers:
                task.cancel()

    async def _sort(self, connection: socket.socket, origin: Address) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(FIRST_BYTES_TIMEOUT_S):
                first = await _peek(connection)
                if first == _TLS_HANDSHAKE_RECORD:
                    ticket = None
                else:
                    ticket = await _read_ticket(connection)
        except (OSError, EOFError, TimeoutError, wire.WireError):
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        if ticket is None:
            await self._on_control(connection, origin)
        else:
            await self._on_data(connection, origin, ticket)


async def _peek(connection: socket.socket) -> int:
    """Return the first byte without taking it from the connection."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    first = connection.recv(1, socket.MSG_PEEK)
    if not first:
        raise EOFError
    return first[0]


async def _read_ticket(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    wanted = len(wire.DATA_MAGIC) + wire.TICKET_BYTES
    received = b""
    while len(received) < wanted:
        part = await loop.sock_recv(connection, wanted - len(received))
        if not part:
            raise EOFError
        received += part
        if not received.startswith(wire.DATA_MAGIC[: len(received)]):
            raise wire.WireError("Neither a control session nor a data connection.")
    return received[len(wire.DATA_MAGIC) :]
