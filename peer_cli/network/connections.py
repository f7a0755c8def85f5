"""Opens and accepts control sessions, and keeps the table of known peers up to date."""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from headless.errors import CodedError
from network import handshake
from network.address import Address
from network.certificate import client_tls
from network.handshake import HandshakeError, LocalParty, RemoteParty
from network.message_rate import MessageRate
from network.places import Places
from network.streams import accept_tls, open_tls
from network.turns import Turns
from peer_cli.network import wire
from peer_cli.network.peers import KnownPeers
from peer_cli.network.session import DeniedError, EndReason, Question, Session

CONNECT_TIMEOUT_S = 5.0
LIBRARY_TIMEOUT_S = 5.0

MAX_CALLERS = 192  # sessions that other peers opened
MAX_CALLERS_PER_ADDRESS = 32
MAX_LARGE_ANSWERS = 8
MAX_LARGE_PER_ADDRESS = 2
MAX_MESSAGES_PER_S = 100  # from one address
LIBRARY_PAUSE_S = 0.1


class ConnectError(CodedError):
    """No session could be opened; the text names address and cause."""


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
        caught_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._party = party
        self._own_address = own_address
        self._peers = peers
        self._advertised = advertised
        self._answer = answer
        self._caught_up = caught_up
        self._server_tls = server_tls
        self._client_tls = client_tls()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: dict[Session, asyncio.Event] = {}  # set when the library must be sent
        self._library_turns = Turns()
        self._large_answers: Counter[str] = Counter()  # by IP
        self._callers: Places[Session] = Places(MAX_CALLERS, MAX_CALLERS_PER_ADDRESS)
        self._rates: WeakValueDictionary[str, MessageRate] = WeakValueDictionary()  # by IP
        self._closing = False

    async def connect(self, address: Address) -> Session:
        """Open a session; returns once this side's library is being sent and theirs has arrived.

        Raises ConnectError.
        """
        if ipaddress.ip_address(address.ip).is_unspecified or not address.port:
            raise ConnectError("bad-address", f"no peer can have the address {address}")
        if address == self._own_address:
            raise ConnectError("self-connect", "cannot connect peer to itself")
        try:
            reader, writer = await open_tls(
                address, self._own_address.ip, self._client_tls, CONNECT_TIMEOUT_S
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
                "handshake-failed", f"{address} ended the session before it sent its library"
            )
        return session

    async def accept(self, connection: socket.socket, origin: Address) -> None:
        """Accept a connection that begins with TLS; returns when it is a session or closed."""
        if self._closing:
            connection.close()
            return
        await self._accept(connection, origin)

    def broadcast_library(self) -> None:
        """Send the current library to every connected peer as soon as it can take it."""
        for due in self._sessions.values():
            due.set()

    async def close(self) -> None:
        """Say goodbye to all peers; returns when that is sent, or after a second."""
        self._closing = True
        sessions = list(self._sessions)
        for session in sessions:
            session.say_goodbye()
        if sessions:
            await asyncio.wait([asyncio.ensure_future(s.closed()) for s in sessions], timeout=1.0)
        for task in self._tasks:
            task.cancel()

    def turn(self, session: Session, kind: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Return the turn for reading a message: libraries of one address are read one by one.

        So each address has at most one in memory besides those that are kept. A message of unknown
        type may be a library, and waits too.
        """
        if kind not in ("library", ""):
            return contextlib.nullcontext()
        return self._library_turn(session.addr.ip)

    @contextlib.asynccontextmanager
    async def _library_turn(self, ip: str) -> AsyncIterator[None]:
        """Hold an address's turn; a time limit keeps one session from blocking the rest."""
        async with self._library_turns.turn(ip), asyncio.timeout(LIBRARY_TIMEOUT_S):
            yield

    def on_library(self, session: Session, games: list[wire.Game]) -> None:
        """Take a peer's library (called by its session)."""
        for peer in self._peers.update_library(session, games):
            for one in list(peer.sessions):
                one.end_with("busy", "The libraries of all peers are too large together.")

    @contextlib.contextmanager
    def large_answer(self, session: Session) -> Iterator[None]:
        """Reserve a place for a large answer while it is sent. Raises DeniedError."""
        taken = self._large_answers
        if taken.total() >= MAX_LARGE_ANSWERS or taken[session.addr.ip] >= MAX_LARGE_PER_ADDRESS:
            raise DeniedError("busy", "Too many large answers are being sent.")
        taken[session.addr.ip] += 1
        try:
            yield
        finally:
            taken[session.addr.ip] -= 1
            if not taken[session.addr.ip]:
                del taken[session.addr.ip]

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        """Answer a peer's request (called by its session)."""
        return await self._answer(session, question)

    async def _accept(self, connection: socket.socket, origin: Address) -> None:
        streams = await accept_tls(connection, self._server_tls, handshake.HANDSHAKE_TIMEOUT_S)
        if streams is None:
            return
        reader, writer = streams
        remote: RemoteParty | None = None
        try:
            async with asyncio.timeout(handshake.HANDSHAKE_TIMEOUT_S):
                remote = await handshake.accept_handshake(
                    reader, writer, self._party, partial(self._admit, ip=origin.ip)
                )
        except HandshakeError:
            # So that the refusal arrives. Until then the connection counts as a stranger.
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()
        except (OSError, EOFError, wire.WireError, TimeoutError):
            pass
        finally:
            if remote is None:
                writer.transport.abort()
        if remote is not None:
            self._open(reader, writer, remote, Address(origin.ip, remote.port), outbound=False)

    async def _admit(self, remote: RemoteParty, ip: str) -> None:
        """Make room for a proven peer, or raise HandshakeError."""
        await self._caught_up()  # this emits events, so wait for the reader
        if self._peers.get(remote.peer_id) is not None:
            return  # it replaces its older session
        try:
            in_the_way = self._callers.newest_to_evict(ip)
        except LookupError as error:
            raise HandshakeError("busy", f"No further peer can be accepted: {error}.") from None
        if in_the_way is not None:
            in_the_way.abort("connection-lost")

    def _open(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        remote: RemoteParty,
        address: Address,
        *,
        outbound: bool,
    ) -> Session:
        rate = self._rates.setdefault(address.ip, MessageRate(MAX_MESSAGES_PER_S))
        session = Session(
            reader, writer, remote, address, outbound=outbound, handler=self, rate=rate
        )
        self._sessions[session] = asyncio.Event()
        if not outbound:
            self._callers.add(session, address.ip)
        self._peers.add(session)
        self._spawn(self._run(session))
        self._spawn(self._send_library(session, self._sessions[session]))
        return session

    async def _run(self, session: Session) -> None:
        reason: EndReason = "connection-lost"
        try:
            reason = await session.run()
        finally:
            del self._sessions[session]
            self._callers.remove(session, session.addr.ip)
            self._peers.remove(session, reason)

    async def _send_library(self, session: Session, due: asyncio.Event) -> None:
        """Send one peer the library now and after changes: the newest one only."""
        while not session.ended:
            due.clear()
            games = wire.fitting_games(await self._advertised())
            await session.send_large(wire.Library(games=games))
            await asyncio.sleep(LIBRARY_PAUSE_S)  # changes come in bursts
            await due.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
