"""Opens and accepts control sessions, and keeps the table of known peers in step with them."""

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from peer_cli.network import handshake, wire
from peer_cli.network.address import Address
from peer_cli.network.certificate import client_tls
from peer_cli.network.handshake import HandshakeError, LocalParty, RemoteParty
from peer_cli.network.peers import KnownPeers
from peer_cli.network.session import EndReason, Question, Session

CONNECT_TIMEOUT_S = 5.0
LIBRARY_TIMEOUT_S = 5.0


class ConnectError(Exception):
    """No session could be opened. `code` is kebab-case; the text names address and cause."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Connections:
    """All control sessions of this peer."""

    def __init__(
        self,
        party: LocalParty,
        own_address: Address,
        peers: KnownPeers,
        server_tls: ssl.SSLContext,
        *,
        advertised: Callable[[], Awaitable[list[wire.Game]]],
        answer: Callable[[Session, Question], Awaitable[wire.Answer]],
    ) -> None:
        self._party = party
        self._own_address = own_address
        self._peers = peers
        self._advertised = advertised
        self._answer = answer
        self._server_tls = server_tls
        self._client_tls = client_tls()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: set[Session] = set()
        self._closing = False

    async def connect(self, address: Address) -> Session:
        """Open a session; returns once both sides' libraries are under way and theirs is here.

        Raises ConnectError.
        """
        if address == self._own_address:
            raise ConnectError("self-connect", "cannot connect peer to itself")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    address.ip,
                    address.port,
                    ssl=self._client_tls,
                    local_addr=self._source_for(address),
                )
        except TimeoutError:
            raise ConnectError(
                "unreachable", f"cannot connect to {address}: no answer for {CONNECT_TIMEOUT_S:g} s"
            ) from None
        except (OSError, ssl.SSLError) as error:
            cause = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise ConnectError("unreachable", f"cannot connect to {address}: {cause}") from error
        try:
            async with asyncio.timeout(handshake.HANDSHAKE_TIMEOUT_S):
                remote = await handshake.connect_handshake(reader, writer, self._party)
        except HandshakeError as error:
            writer.close()
            text = str(error)
            if error.code != "self-connect":
                text = f"cannot connect to {address}: {text}"
            raise ConnectError(error.code, text) from error
        except (OSError, EOFError, wire.WireError, TimeoutError) as error:
            writer.close()
            cause = str(error) or "the handshake was not finished in time"
            raise ConnectError(
                "handshake-failed", f"cannot connect to {address}: {cause}"
            ) from error
        session = self._open(reader, writer, remote, address, outbound=True)
        try:
            async with asyncio.timeout(LIBRARY_TIMEOUT_S):
                await session.library_known.wait()
        except TimeoutError:
            session.abort("timeout")
        if session.ended:
            raise ConnectError(
                "handshake-failed", f"{address} ended the session before it told its library"
            )
        return session

    async def accept(self, connection: socket.socket, origin: Address) -> None:
        """Take up a connection whose first byte was TLS's; returns when it is a session or gone."""
        if self._closing:
            connection.close()
            return
        await self._accept(connection, origin)

    def broadcast_library(self) -> None:
        """Tell every connected peer what is advertised now."""
        for session in self._sessions:
            self._spawn(self._send_library(session))

    async def close(self) -> None:
        """Say goodbye to everybody; returns when that has left, or after a second."""
        self._closing = True
        sessions = list(self._sessions)
        for session in sessions:
            session.say_goodbye()
        if sessions:
            await asyncio.wait([asyncio.ensure_future(s.closed()) for s in sessions], timeout=1.0)
        for task in self._tasks:
            task.cancel()

    def on_library(self, session: Session, games: list[wire.Game]) -> None:
        """Take what a peer advertises (called by its session)."""
        self._peers.update_library(session, games)

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        """Answer a peer's request (called by its session)."""
        return await self._answer(session, question)

    def _source_for(self, address: Address) -> tuple[str, int] | None:
        """Return the local end to connect from: the address that others know this peer by."""
        own, other = ipaddress.ip_address(self._own_address.ip), ipaddress.ip_address(address.ip)
        if own.version != other.version or own.is_loopback != other.is_loopback:
            return None
        return (self._own_address.ip, 0)

    async def _accept(self, connection: socket.socket, origin: Address) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._server_tls,
                ssl_handshake_timeout=handshake.HANDSHAKE_TIMEOUT_S,
            )
        except (OSError, ssl.SSLError):
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            async with asyncio.timeout(handshake.HANDSHAKE_TIMEOUT_S):
                remote = await handshake.accept_handshake(reader, writer, self._party)
        except (HandshakeError, OSError, EOFError, wire.WireError, TimeoutError):
            writer.close()
            return
        self._open(reader, writer, remote, Address(origin.ip, remote.port), outbound=False)

    def _open(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        remote: RemoteParty,
        address: Address,
        *,
        outbound: bool,
    ) -> Session:
        session = Session(reader, writer, remote, address, outbound=outbound, handler=self)
        self._sessions.add(session)
        self._peers.add(session)
        self._spawn(self._run(session))
        self._spawn(self._send_library(session))
        return session

    async def _run(self, session: Session) -> None:
        reason: EndReason = "connection-lost"
        try:
            reason = await session.run()
        finally:
            self._sessions.discard(session)
            self._peers.remove(session, reason)

    async def _send_library(self, session: Session) -> None:
        session.send(wire.Library(games=await self._advertised()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
