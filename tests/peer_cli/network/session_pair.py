"""Two ends of a session, for its tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager

from network.address import Address
from network.handshake import RemoteParty
from network.message_rate import MessageRate
from peer_cli.network import wire
from peer_cli.network.session import (
    EndReason,
    Question,
    Session,
)
from tests.peer_cli.network.tls_pair import TIMEOUT_S, End, connected

GAME = wire.Game(
    id="g", version="1", availability="Ready", downloaded=True, installed=False, size=5
)
Answerer = Callable[[Question], Awaitable[wire.Answer]]


class Handler:
    """Keeps the libraries that came and answers by a function."""

    def __init__(self, answerer: Answerer | None = None) -> None:
        self.libraries: asyncio.Queue[list[wire.Game]] = asyncio.Queue()
        self.turns = asyncio.Lock()  # hold it, and nothing more is read
        self.turn_wanted = asyncio.Event()
        self._answerer = answerer

    @contextlib.contextmanager
    def large_answer(self, session: Session) -> Iterator[None]:
        yield

    def turn(self, session: Session, kind: str) -> AbstractAsyncContextManager[None]:
        self.turn_wanted.set()
        return self.turns

    def on_library(self, session: Session, games: list[wire.Game]) -> None:
        self.libraries.put_nowait(games)

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        assert self._answerer is not None
        return await self._answerer(question)


def session_on(end: End, handler: Handler, rate: MessageRate | None = None) -> Session:
    remote = RemoteParty("other", "Other", 4000)
    address = Address("127.0.0.1", 4000)
    return Session(
        end.reader, end.writer, remote, address, outbound=True, handler=handler,
        rate=rate or MessageRate(100),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def session_and_end(
    answerer: Answerer | None = None,
    *,
    rate: MessageRate | None = None,
) -> AsyncIterator[tuple[Session, "asyncio.Task[EndReason]", End, Handler]]:
    """Yield a running session, its task, the raw other end and the session's handler."""
    async with connected(None, None) as (ours, theirs):
        handler = Handler(answerer)
        session = session_on(ours, handler, rate)
        running = asyncio.create_task(session.run())
        try:
            yield session, running, theirs, handler
        finally:
            running.cancel()
            await asyncio.wait([running])


async def read_message(reader: asyncio.StreamReader) -> wire.SessionMessage | None:
    return await wire.read_rest(reader, await wire.read_head(reader))


async def next_message(end: End) -> wire.SessionMessage:
    """The next message that is no ping."""
    while True:
        message = await read_message(end.reader)
        assert message is not None
        if not isinstance(message, wire.Ping):
            return message


def manifest_question(request: int) -> Question:
    return wire.GetManifest(request=request, game_id="g")


async def ask(session: Session, patience_s: float = TIMEOUT_S) -> wire.Answer:
    return await session.ask(manifest_question, patience_s)
