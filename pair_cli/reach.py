"""Dials the other peer: all its addresses at once."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from network.address import Address, reaches_directly
from pair_cli.handshake import HandshakeError
from pair_cli.proving import Duplicate

DIAL_S = 4.0


async def connect(address: Address, own_ip: str | None) -> socket.socket:
    """Return a connection, from this IP if it is given and can reach there.

    Raises OSError, TimeoutError.
    """
    connection = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if own_ip is not None and reaches_directly(own_ip, address.ip):
            connection.bind(Address(own_ip, 0).for_socket())
        async with asyncio.timeout(DIAL_S):
            await asyncio.get_running_loop().sock_connect(connection, address.for_socket())
    except BaseException:
        connection.close()
        raise
    return connection


async def first_of(
    addresses: list[Address], attempt: Callable[[Address], Awaitable[None]]
) -> list[Exception] | None:
    """Try all addresses at once; return None when one attempt succeeds, or why each failed.

    Attempts that are not needed any more are cancelled.
    """
    tasks = [asyncio.ensure_future(_failure(attempt(one))) for one in addresses]
    failures = []
    try:
        for settled in asyncio.as_completed(tasks):
            failure = await settled
            if failure is None:
                return None
            failures.append(failure)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return failures


async def _failure(attempt: Awaitable[None]) -> Exception | None:
    try:
        await attempt
    except (HandshakeError, Duplicate, EOFError, OSError, TimeoutError) as error:
        return error
    return None
