"""Slow readers, which redeem a ticket and then read hardly anything, to keep the slot."""

import asyncio
import contextlib
import socket

READ_EVERY_S = 1.0
ROOM_BYTES = 4096  # a small receive buffer, so that the sender blocks


class SlowReaders:
    """Data connections that are kept open as long as the other side tolerates it."""

    def __init__(self) -> None:
        self._held: list[asyncio.Task[None]] = []

    async def hold(self, own_ip: str, addr: str, ticket: str) -> None:
        """Redeem a ticket; returns once the first byte has come. Raises OSError."""
        host, _, port = addr.rpartition(":")
        loop = asyncio.get_running_loop()
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        connection.bind((own_ip, 0))
        await loop.sock_connect(connection, (host, int(port)))
        await loop.sock_sendall(connection, b"LSD1" + bytes.fromhex(ticket))
        await loop.sock_recv(connection, 1)
        self._held.append(asyncio.create_task(sip(connection)))

    def let_go(self) -> None:
        """Close all."""
        for held in self._held:
            held.cancel()


async def sip(connection: socket.socket) -> None:
    """Read one byte per second until EOF."""
    loop = asyncio.get_running_loop()
    with contextlib.closing(connection), contextlib.suppress(OSError):
        byte = b"?"
        while byte:
            await asyncio.sleep(READ_EVERY_S)  # limits the rate of the attack
            byte = await loop.sock_recv(connection, 1)
