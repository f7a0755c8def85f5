import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tls_pair import TIMEOUT_S, End, connected, run

from peer_cli.network import session as session_module
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.handshake import RemoteParty
from peer_cli.network.session import DeniedError, EndReason, Question, Session, SessionLostError

GAME = wire.Game(
    id="g", version="1", availability="Ready", downloaded=True, installed=False, size=5
)
TICKET = bytes(range(32))
Answerer = Callable[[Question], Awaitable[wire.Answer]]


class Handler:
    """Keeps the libraries that came and answers by a function."""

    def __init__(self, answerer: Answerer | None = None) -> None:
        self.libraries: asyncio.Queue[list[wire.Game]] = asyncio.Queue()
        self._answerer = answerer

    def on_library(self, session: Session, games: list[wire.Game]) -> None:
        self.libraries.put_nowait(games)

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        assert self._answerer is not None
        return await self._answerer(question)


def session_on(end: End, handler: Handler) -> Session:
    remote = RemoteParty("other", "Other", 4000)
    address = Address("127.0.0.1", 4000)
    return Session(end.reader, end.writer, remote, address, outbound=True, handler=handler)


@contextlib.asynccontextmanager
async def session_and_end(
    answerer: Answerer | None = None,
) -> AsyncIterator[tuple[Session, "asyncio.Task[EndReason]", End, Handler]]:
    """Yield a running session, its task, the raw other end and the session's handler."""
    async with connected(None, None) as (ours, theirs):
        handler = Handler(answerer)
        session = session_on(ours, handler)
        running = asyncio.create_task(session.run())
        try:
            yield session, running, theirs, handler
        finally:
            running.cancel()
            await asyncio.wait([running])


async def next_message(end: End) -> wire.SessionMessage:
    """The next message that is no ping."""
    while True:
        message = await wire.read_session_message(end.reader)
        if not isinstance(message, wire.Ping):
            return message


def manifest_question(request: int) -> Question:
    return wire.GetManifest(request=request, game_id="g")


async def ask(session: Session, patience_s: float = TIMEOUT_S) -> wire.ManifestReply | wire.Ticket:
    return await session.ask(manifest_question, patience_s)


def test_a_library_is_handed_over_and_known_from_then_on() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, handler):
            assert not session.library_known.is_set()
            other.send(wire.Library(games=[GAME]))
            assert await handler.libraries.get() == [GAME]
            await session.library_known.wait()

    run(scenario)


def test_a_session_pings_at_once() -> None:
    async def scenario() -> None:
        async with session_and_end() as (_, _, other, _):
            assert await wire.read_session_message(other.reader) == wire.Ping()

    run(scenario)


def test_an_answer_finds_its_question() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            first, second = asyncio.create_task(ask(session)), asyncio.create_task(ask(session))
            questions = [await next_message(other), await next_message(other)]
            for question in reversed(questions):
                assert isinstance(question, wire.GetManifest)
                ticket = bytes([question.request]) * 32
                other.send(wire.Ticket(request=question.request, ticket=ticket))
            for task, question in zip((first, second), questions, strict=True):
                assert isinstance(question, wire.GetManifest)
                answer = await task
                assert isinstance(answer, wire.Ticket)
                assert answer.ticket == bytes([question.request]) * 32

    run(scenario)


@pytest.mark.parametrize("steps", range(4))
def test_a_cancel_that_comes_with_the_answer_is_not_lost(steps: int) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(ask(session))
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            ticket = wire.Ticket(request=question.request, ticket=bytes(32))
            session._answers[question.request].put_nowait(ticket)
            for _ in range(steps):  # of the loop, at one of which it has it but has not gone on
                await asyncio.sleep(0)
            answered = asking.done()
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled() is not answered

    run(scenario)


def test_a_denial_is_raised_with_its_code() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(ask(session))
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            denied = wire.Denied(request=question.request, code="busy", reason="Later.")
            other.send(denied)
            with pytest.raises(DeniedError, match=r"^Later\.$") as caught:
                await asking
            assert caught.value.code == "busy"

    run(scenario)


def test_news_of_hashing_are_passed_on_and_renew_patience() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            news: asyncio.Queue[wire.Hashing] = asyncio.Queue()
            asking = asyncio.create_task(
                session.ask(manifest_question, TIMEOUT_S, on_hashing=news.put_nowait)
            )
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            for done in (1, 2):
                other.send(wire.Hashing(request=question.request, done=done, total=2))
                assert (await news.get()).done == done
            reply = wire.ManifestReply(request=question.request, game_id="g", version="1", files=[])
            other.send(reply)
            assert await asking == reply

    run(scenario)


def test_who_does_not_answer_is_given_up() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            with pytest.raises(SessionLostError, match=r"127.0.0.1:4000 did not answer for 0.01 s"):
                await ask(session, 0.01)
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            # Its answer comes too late, and belongs to nobody.
            other.send(wire.Ticket(request=question.request, ticket=TICKET))
            asking = asyncio.create_task(ask(session))
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            other.send(wire.Ticket(request=question.request, ticket=bytes(32)))
            answer = await asking
            assert isinstance(answer, wire.Ticket)
            assert answer.ticket == bytes(32)

    run(scenario)


def test_the_end_of_the_session_ends_the_wait_for_an_answer() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, other, _):
            asking = asyncio.create_task(ask(session))
            await next_message(other)
            other.writer.transport.abort()
            assert await running == "connection-lost"
            with pytest.raises(SessionLostError, match="was lost"):
                await asking
            with pytest.raises(SessionLostError, match="was lost"):  # and there is no new one
                await ask(session)
            assert session.ended

    run(scenario)


def test_requests_are_answered() -> None:
    async def answer(question: Question) -> wire.Answer:
        return wire.Ticket(request=question.request, ticket=TICKET)

    async def scenario() -> None:
        async with session_and_end(answer) as (_, _, other, _):
            for request in (5, -7, 1 << 40):
                other.send(wire.OpenStream(request=request, game_id="g", version="1"))
                assert await next_message(other) == wire.Ticket(request=request, ticket=TICKET)

    run(scenario)


def test_a_refused_request_is_denied_with_a_reason_that_fits() -> None:
    async def refuse(question: Question) -> wire.Answer:
        raise DeniedError("bad-path", "x" * 5000)

    async def scenario() -> None:
        async with session_and_end(refuse) as (_, _, other, _):
            other.send(manifest_question(1))
            assert await next_message(other) == wire.Denied(
                request=1, code="bad-path", reason="x" * 1000
            )

    run(scenario)


def test_a_slow_answer_holds_up_no_other_and_too_many_are_busy() -> None:
    async def scenario() -> None:
        may_answer = asyncio.Event()

        async def answer(question: Question) -> wire.Answer:
            await may_answer.wait()
            return wire.Ticket(request=question.request, ticket=TICKET)

        async with session_and_end(answer) as (_, _, other, handler):
            limit = session_module.MAX_WAITING_REQUESTS
            for request in range(limit + 1):
                other.send(manifest_question(request))
            denied = await next_message(other)
            assert isinstance(denied, wire.Denied)
            assert (denied.request, denied.code) == (limit, "busy")
            other.send(wire.Library(games=[]))
            assert await handler.libraries.get() == []
            may_answer.set()
            answers = [await next_message(other) for _ in range(limit)]
            assert answers == [wire.Ticket(request=n, ticket=TICKET) for n in range(limit)]
            other.send(manifest_question(99))  # there is room again
            assert await next_message(other) == wire.Ticket(request=99, ticket=TICKET)

    run(scenario)


def test_answers_that_are_under_way_end_with_the_session() -> None:
    async def scenario() -> None:
        began, cancelled = asyncio.Event(), asyncio.Event()

        async def answer(question: Question) -> wire.Answer:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError

        async with session_and_end(answer) as (_, running, other, _):
            other.send(manifest_question(1))
            await began.wait()
            other.send(wire.Goodbye())
            assert await running == "goodbye"
            await cancelled.wait()

    run(scenario)


def test_goodbye_ends_both_sides() -> None:
    async def scenario() -> None:
        async with connected(None, None) as (ours, theirs):
            leaving, staying = session_on(ours, Handler()), session_on(theirs, Handler())
            ends = [asyncio.create_task(leaving.run()), asyncio.create_task(staying.run())]
            leaving.say_goodbye()
            await leaving.closed()
            assert await asyncio.gather(*ends) == ["goodbye", "goodbye"]
            assert leaving.ended
            assert staying.ended

    run(scenario)


def test_nothing_is_read_after_a_goodbye() -> None:
    async def scenario() -> None:
        async with session_and_end() as (_, running, other, handler):
            other.send(wire.Goodbye())
            other.send(wire.Library(games=[GAME]))
            assert await running == "goodbye"
            assert handler.libraries.empty()

    run(scenario)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        (5).to_bytes(4, "big") + b"xx",
        (5).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1\xc1",
        (wire.MAX_FRAME + 1).to_bytes(4, "big"),
        wire.encode_frame(wire.Welcome()),
    ],
    ids=["nothing", "half a length", "half a frame", "garbage", "too long", "handshake"],
)
def test_whoever_breaks_the_protocol_or_ends_is_lost(data: bytes) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, other, _):
            other.writer.write(data)
            other.writer.write_eof()
            assert await running == "connection-lost"
            await other.rest()  # the connection is closed, not left open
            assert session.ended

    run(scenario)


@pytest.mark.parametrize("reason", ["timeout", "connection-lost", "goodbye"])
def test_who_cuts_a_session_gives_the_reason(reason: EndReason) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, _, _):
            session.abort(reason)
            assert await running == reason
            session.send(wire.Ping())  # goes nowhere, and does not raise
            session.abort("timeout")
            assert session.ended

    run(scenario)


def quick(monkeypatch: pytest.MonkeyPatch, silence_s: float) -> None:
    monkeypatch.setattr(session_module, "PING_INTERVAL_S", 0.02)
    monkeypatch.setattr(session_module, "SILENCE_LIMIT_S", silence_s)


def test_silence_ends_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.05)

    async def scenario() -> None:
        async with session_and_end() as (_, running, _, _):
            assert await running == "timeout"

    run(scenario)


def test_pings_keep_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.5)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with session_and_end() as (session, _, other, _):
            end = loop.time() + 0.7  # well over the limit
            while loop.time() < end:
                await wire.read_session_message(other.reader)
                other.send(wire.Ping())
            assert not session.ended

    run(scenario)


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "MAX_UNSENT_BYTES", 1 << 20)

    async def scenario() -> None:
        async with session_and_end() as (session, running, _, _):
            library = wire.Library(games=[GAME] * 5000)
            for _ in range(100):
                session.send(library)
                if session.ended:
                    break
            assert session.ended  # at once, not when it is found silent
            assert await running == "timeout"

    run(scenario)
