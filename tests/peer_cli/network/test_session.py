import asyncio
from collections.abc import Callable

import msgspec
import pytest

from peer_cli.network import session as session_module
from peer_cli.network import wire
from peer_cli.network.session import (
    HASHING_STEP,
    DeniedError,
    EndReason,
    NoAnswerError,
    Question,
    SessionLostError,
)
from tests.peer_cli.network.session_pair import (
    GAME,
    Handler,
    ask,
    manifest_question,
    next_message,
    read_message,
    session_and_end,
    session_on,
)
from tests.peer_cli.network.tls_pair import connected, run

TICKET = bytes(range(32))


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
            assert await read_message(other.reader) == wire.Ping()

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


def hashing(question: wire.Message, done: int, total: int = 1 << 40) -> wire.Hashing:
    assert isinstance(question, wire.GetDigest | wire.GetManifest)
    return wire.Hashing(request=question.request, done=done, total=total)


def digest_question(request: int) -> Question:
    return wire.GetDigest(request=request, game_id="g")


@pytest.mark.parametrize("first", [HASHING_STEP, 0], ids=["hashing", "looking for files"])
def test_news_of_hashing_renew_patience_while_it_comes_on(first: int) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(session.ask(digest_question, 1.0))
            question = await next_message(other)
            assert isinstance(question, wire.GetDigest)
            other.send(hashing(question, 0, 20 * first))
            for number in range(1, 14):  # longer than its patience
                await asyncio.sleep(0.1)
                other.send(hashing(question, number * HASHING_STEP))
            reply = wire.Digest(
                request=question.request, game_id="g", version="1",
                digest=bytes(32), attributes=bytes(32),
            )  # fmt: skip
            other.send(reply)
            assert await asking == reply

    run(scenario)


@pytest.mark.parametrize(
    ("asked", "step", "total", "growth"),
    [
        pytest.param(digest_question, 1, 1 << 40, 0, id="hardly comes on"),
        pytest.param(digest_question, HASHING_STEP, 2 * HASHING_STEP, 0, id="beyond its total"),
        pytest.param(digest_question, HASHING_STEP, 0, HASHING_STEP, id="with a growing total"),
        pytest.param(manifest_question, HASHING_STEP, 1 << 40, 0, id="after it has been done"),
    ],
)
def test_news_of_hashing_that_does_not_come_on_do_not(
    asked: Callable[[int], Question], step: int, total: int, growth: int
) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(session.ask(asked, 0.3))
            question = await next_message(other)
            for number in range(1, 60):
                other.send(hashing(question, number * step, total + number * growth))
                await asyncio.wait([asking], timeout=0.02)
                if asking.done():
                    break
            assert asking.done()
            with pytest.raises(NoAnswerError):
                await asking

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
        ((16 << 20) + 1).to_bytes(4, "big"),
        wire.encode_frame(wire.Proof(signature=bytes(64), swarm=bytes(32))),
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


def test_a_session_ended_with_a_reason_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, other, _):
            session.end_with("busy", "It is too much.")
            assert await next_message(other) == wire.Refused(code="busy", reason="It is too much.")
            assert await running == "connection-lost"

    run(scenario)
    assert "the session with 127.0.0.1:4000 is ended: It is too much." in capsys.readouterr().err


def test_the_reason_of_the_other_side_is_shown_clean(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with session_and_end() as (_, running, other, _):
            payload = msgspec.msgpack.encode(
                {"type": "refused", "code": "busy", "reason": "\x1b[2Jgone\n"}
            )
            other.writer.write(len(payload).to_bytes(4, "big") + payload)
            assert await running == "connection-lost"

    run(scenario)
    assert (
        capsys.readouterr().err
        == "peer-cli: 127.0.0.1:4000 ended the session: \ufffd[2Jgone\ufffd\n"
    )
