"""Opens and accepts control sessions, one with each peer, and keeps them up."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Protocol

from headless.errors import CodedError
from network.address import Address
from network.certificate import client_tls, self_signed, server_tls
from network.errors import plain
from network.frames import WireError, encode_frame
from network.handshake import (
    HANDSHAKE_TIMEOUT_S,
    HandshakeError,
    LocalParty,
    RemoteParty,
    accept_handshake,
    connect_handshake,
)
from network.identity import Identity
from network.streams import Streams, accept_tls, open_tls
from sync_cli import wire
from sync_cli.session import EndReason, Session, SessionHandler

CONNECT_TIMEOUT_S = 5.0
MAX_SESSIONS = 256


class LinkError(CodedError):
    """No session could be opened; the text names address and cause.

    The code `no-tls` means that something else than a node of this wire listens there.
    """


@dataclass(frozen=True, slots=True)
class Self:
    """What this node says of itself in every session."""

    party: LocalParty
    address: Address

    @property
    def peer_id(self) -> str:
        """This node's id."""
        return self.party.identity.peer_id


def make_self(identity: Identity, name: str, address: Address, key: bytes) -> Self:
    """Make a certificate for this run."""
    certificate = self_signed(identity.private_key)
    party = LocalParty(wire.PROTOCOL, identity, name, address.port, key, certificate)
    return Self(party, address)


class Owner(SessionHandler, Protocol):
    """Who uses the sessions. All calls are on the event loop."""

    async def greeting(self, peer_id: str) -> wire.Start:
        """Return the first message for that peer."""
        ...

    async def opened(self, session: Session) -> None:
        """A session is open, and the only one with that peer."""

    def closed(self, session: Session, reason: EndReason) -> None:
        """That session has ended."""


class Links:
    """All control sessions of this node, by peer."""

    def __init__(self, own: Self, owner: Owner) -> None:
        self.own = own
        self.sessions: dict[str, Session] = {}
        self._owner = owner
        self._server_tls = server_tls(own.party.certificate)
        self._client_tls = client_tls()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def dial(self, address: Address) -> Session:
        """Open a session. Raises LinkError."""
        try:
            streams = await open_tls(
                address, self.own.address.ip, self._client_tls, CONNECT_TIMEOUT_S
            )
        except TimeoutError:
            raise LinkError("unreachable", f"no answer for {CONNECT_TIMEOUT_S:g} s") from None
        except (ssl.SSLError, ConnectionResetError, EOFError) as error:
            raise LinkError("no-tls", f"it does not speak the sync wire: {error}") from error
        except OSError as error:
            raise LinkError("unreachable", plain(error)) from error
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                remote = await connect_handshake(*streams, self.own.party)
                start = await self._meet(streams, remote)
        except HandshakeError as error:
            streams.writer.close()
            raise LinkError(error.code, str(error)) from error
        except (OSError, EOFError, WireError, TimeoutError) as error:
            streams.writer.transport.abort()
            text = str(error) or "the handshake was not finished in time"
            raise LinkError("handshake-failed", text) from error
        session = Session(streams, remote, address, start, outbound=True)
        if not self._is_wanted(session):
            session.end_duplicate()
            raise LinkError("duplicate", "there is a session already")
        self._open(session)
        return session

    async def accept(self, connection: socket.socket, origin: Address) -> None:
        """Accept a connection that begins with TLS; returns when it is a session or closed."""
        if self._closing:
            connection.close()
            return
        streams = await accept_tls(connection, self._server_tls, HANDSHAKE_TIMEOUT_S)
        if streams is None:
            return
        session: Session | None = None
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                remote = await accept_handshake(*streams, self.own.party, self._admit)
                start = await self._meet(streams, remote)
                session = Session(
                    streams, remote, Address(origin.ip, remote.port), start, outbound=False
                )
        except HandshakeError:
            streams.writer.close()
        except (OSError, EOFError, WireError, TimeoutError):
            pass
        finally:
            if session is None and not streams.writer.is_closing():
                streams.writer.transport.abort()
        if session is None:
            return
        if self._closing or not self._is_wanted(session):
            session.end_duplicate()
            return
        self._open(session)

    async def close(self) -> None:
        """Say goodbye to all; returns when that is sent, or after a second."""
        self._closing = True
        sessions = list(self.sessions.values())
        for session in sessions:
            session.say_goodbye()
        if sessions:
            await asyncio.wait([asyncio.ensure_future(s.closed()) for s in sessions], timeout=1.0)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _meet(self, streams: Streams, remote: RemoteParty) -> wire.Start:
        """Exchange the first messages."""
        greeting = await self._owner.greeting(remote.peer_id)
        streams.writer.write(encode_frame(greeting))
        message = await wire.read_message(streams.reader, lambda: None)
        if not isinstance(message, wire.Start):
            raise WireError("Expected a start.")
        return message

    async def _admit(self, remote: RemoteParty) -> None:
        if len(self.sessions) >= MAX_SESSIONS and remote.peer_id not in self.sessions:
            raise HandshakeError("busy", f"{MAX_SESSIONS} are connected already.")

    def _is_wanted(self, session: Session) -> bool:
        """Tell whether this session is to be the one with its peer.

        Two that dial each other at once end the same one: that which the larger id dialled. A peer
        that dials again has lost its older session, whatever it looks like here.
        """
        older = self.sessions.get(session.peer_id)
        if older is None or older.ended or older.outbound == session.outbound:
            return True
        return session.outbound == (self.own.peer_id < session.peer_id)

    def _open(self, session: Session) -> None:
        older = self.sessions.get(session.peer_id)
        if older is not None:
            older.end_duplicate()
        self.sessions[session.peer_id] = session
        task = asyncio.create_task(self._run(session, older))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, session: Session, older: Session | None) -> None:
        reason: EndReason = "connection-lost"
        if older is not None:
            self._owner.closed(older, "duplicate")
        try:
            await self._owner.opened(session)
            reason = await session.run(self._owner)
        finally:
            if self.sessions.get(session.peer_id) is session:
                del self.sessions[session.peer_id]
                self._owner.closed(session, reason)
