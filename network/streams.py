"""TLS connections as asyncio streams: opened, and accepted."""

import asyncio
import contextlib
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from typing import NamedTuple

from network.address import Address, reaches_directly

CLOSE_TIMEOUT_S = 1.0  # how long to wait for an orderly end of TLS

# Bytes that one read takes, and that every connection has a buffer for from its first moment. Those
# of asyncio, 256 KiB each, were a third of the memory of a peer with a hundred sessions.
SSLProtocol.max_size = 32 << 10


class Streams(NamedTuple):
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def open_tls(
    address: Address, own_ip: str, context: ssl.SSLContext, timeout_s: float
) -> Streams:
    """Connect from the address that others know. Raises TimeoutError, OSError, ssl.SSLError."""
    async with asyncio.timeout(timeout_s):
        return Streams(
            *await asyncio.open_connection(
                address.ip,
                address.port,
                ssl=context,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
                local_addr=(own_ip, 0) if reaches_directly(own_ip, address.ip) else None,
            )
        )


async def accept_tls(
    connection: socket.socket, context: ssl.SSLContext, timeout_s: float
) -> Streams | None:
    """Do the accepting side's TLS handshake; None if it fails, with the connection closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=context,
            ssl_handshake_timeout=timeout_s,
            ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
        )
    except (OSError, ssl.SSLError):
        connection.close()
        return None
    except asyncio.CancelledError:
        # Not closed here: its transport, which may not have started yet, closes it.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        raise
    return Streams(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
