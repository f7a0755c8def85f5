"""Tells control sessions from data connections on the peer's one port.

A stranger costs at most a socket and a few seconds: nothing is answered and no thread is used
before its first bytes make sense.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from network.acceptor import Acceptor, is_tls, peek
from network.address import Address
from peer_cli.network import wire

FIRST_BYTES_TIMEOUT_S = 5.0

ControlHandler = Callable[[socket.socket, Address], Awaitable[None]]
DataHandler = Callable[[socket.socket, Address, bytes], Awaitable[None]]


class Listener:
    """Accepts connections on a listening socket."""

    def __init__(
        self, listening: socket.socket, on_control: ControlHandler, on_data: DataHandler
    ) -> None:
        self._acceptor = Acceptor("peer-cli", listening, self._sort)
        self._on_control = on_control
        self._on_data = on_data

    async def run(self) -> None:
        """Accept connections until cancelled."""
        await self._acceptor.run()

    async def _sort(self, connection: socket.socket, origin: Address) -> None:
        try:
            async with asyncio.timeout(FIRST_BYTES_TIMEOUT_S):
                ticket = None if is_tls(await peek(connection)) else await _read_ticket(connection)
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
