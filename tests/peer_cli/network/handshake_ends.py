"""Both ends of a handshake, for its tests."""

from collections.abc import Awaitable, Callable

from network import handshake
from network.handshake import HandshakeError, LocalParty, RemoteParty
from peer_cli.network import wire
from tests.peer_cli.network.tls_pair import (
    End,
    admit_all,
)

Outcome = RemoteParty | BaseException


async def connect_on(end: End, party: LocalParty) -> Outcome:
    try:
        return await handshake.connect_handshake(end.reader, end.writer, party)
    except (HandshakeError, wire.WireError, EOFError, OSError) as error:
        end.writer.close()
        return error


async def accept_on(
    end: End, party: LocalParty, admit: Callable[[RemoteParty], Awaitable[None]] = admit_all
) -> Outcome:
    try:
        return await handshake.accept_handshake(end.reader, end.writer, party, admit)
    except (HandshakeError, wire.WireError, EOFError, OSError) as error:
        end.writer.close()
        return error


def code_of(outcome: Outcome) -> str:
    assert isinstance(outcome, HandshakeError), outcome
    return outcome.code
