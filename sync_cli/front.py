"""A peer's port: tells its wires apart by the first bytes of a connection."""

import asyncio
import socket

from network.acceptor import is_tls, peek
from network.address import Address
from sync_cli import wire
from sync_cli.block_server import BlockServer
from sync_cli.legacy.serve import LegacyServer
from sync_cli.links import Links

FIRST_BYTES_TIMEOUT_S = 5.0


class Front:
    """Hands connections on: control sessions, data connections, and requests of legacy peers.

    Without `legacy`, what is neither of the first two is closed.
    """

    def __init__(self, links: Links, server: BlockServer, legacy: LegacyServer | None) -> None:
        self._links = links
        self._server = server
        self._legacy = legacy

    async def greet(self, connection: socket.socket, origin: Address) -> None:
        """Hand a connection on."""
        try:
            async with asyncio.timeout(FIRST_BYTES_TIMEOUT_S):
                first = await peek(connection)
                if first == wire.DATA_MAGIC[0]:
                    await _read_magic(connection)
        except (OSError, EOFError, TimeoutError):
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        if is_tls(first):
            await self._links.accept(connection, origin)
        elif first == wire.DATA_MAGIC[0]:
            await self._server.greet(connection)
        elif self._legacy is not None:
            await self._legacy.greet(connection, origin)
        else:
            connection.close()


async def _read_magic(connection: socket.socket) -> None:
    """Read what opens a data connection. Raises EOFError for anything else, and OSError."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < len(wire.DATA_MAGIC):
        part = await loop.sock_recv(connection, len(wire.DATA_MAGIC) - len(received))
        received += part
        if not part or not wire.DATA_MAGIC.startswith(received):
            raise EOFError
