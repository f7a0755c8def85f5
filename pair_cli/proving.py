"""Runs the handshake on a socket, up to the point where both sides are proven.

The side with the higher fingerprint confirms first, and names its epoch: a number that it changes
whenever it has lost its connection or begins another round of attempts. The lower one answers
whether it takes the connection. So when both dial at once, one side decides which connection stays.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from pair_cli.handshake import HELLO_BYTES, Handshake, HandshakeError, Role, Secured, check_head
from pair_cli.keys import Keys, PublicKeys
from pair_cli.sealing import TAG_BYTES, Altered
from pair_cli.wire import EPOCH_BYTES, HEAD, Kind, ProtocolError, split

HANDSHAKE_S = 10.0
TAKEN, REFUSED = b"\1", b"\0"


class Duplicate(Exception):  # noqa: N818 - reads well where it is raised and caught
    """Both are proven, but another connection between them stays instead of this one."""


async def exchange_hellos(
    connection: socket.socket,
    role: Role,
    own: Keys,
    other: Callable[[], Awaitable[PublicKeys]],
) -> Secured:
    """Send and receive a hello. `other` is asked only when there is a hello to answer.

    Raises HandshakeError, EOFError, OSError, and what `other` raises.
    """
    loop = asyncio.get_running_loop()
    if role == "dialling":
        handshake = Handshake(role, own, await other())
        await loop.sock_sendall(connection, handshake.hello)
        return handshake.finish(await _receive(connection, HELLO_BYTES))
    hello = await _receive(connection, HELLO_BYTES)
    check_head(hello, "dialling")
    handshake = Handshake(role, own, await other())
    secured = handshake.finish(hello)
    await loop.sock_sendall(connection, handshake.hello)
    return secured


async def confirm_first(connection: socket.socket, secured: Secured, epoch: bytes) -> None:
    """Confirm as the higher side. Returns when the lower one has taken the connection.

    Raises Duplicate, HandshakeError, EOFError, OSError.
    """
    await _confirm(connection, secured, epoch)
    if await _expect(connection, secured, len(TAKEN)) != TAKEN:
        raise Duplicate


async def confirm_second(
    connection: socket.socket, secured: Secured, takes: Callable[[bytes], bool]
) -> bytes:
    """Let the higher side confirm, and return its epoch if `takes` says so.

    The answer is then up to the caller: it is the channel's first frame. Raises Duplicate,
    HandshakeError, EOFError, OSError.
    """
    epoch = await _expect(connection, secured, EPOCH_BYTES)
    if takes(epoch):
        return epoch
    await _confirm(connection, secured, REFUSED)
    raise Duplicate


async def _confirm(connection: socket.socket, secured: Secured, payload: bytes) -> None:
    body = bytes((Kind.CONFIRM,)) + payload
    head = HEAD.pack(len(body) + TAG_BYTES)
    sealed = head + secured.sending.seal(body, head)
    await asyncio.get_running_loop().sock_sendall(connection, sealed)


async def _expect(connection: socket.socket, secured: Secured, length: int) -> bytes:
    """Return the payload of the other's confirmation, which proves the other."""
    head = await _receive(connection, HEAD.size)
    if HEAD.unpack(head)[0] != 1 + length + TAG_BYTES:
        raise HandshakeError("the other end could not confirm the handshake")
    sealed = await _receive(connection, 1 + length + TAG_BYTES)
    try:
        kind, payload = split(secured.receiving.open(memoryview(sealed), head))
    except (Altered, ProtocolError) as error:
        raise HandshakeError(
            "the other end does not have the keys of the fingerprint, or somebody altered, "
            "repeated or reflected what it said"
        ) from error
    if kind is not Kind.CONFIRM:
        raise HandshakeError("the other end did not confirm the handshake")
    return payload


async def _receive(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        part = await loop.sock_recv(connection, count - len(data))
        if not part:
            raise EOFError("the other end closed the connection")
        data += part
    return data
