"""Silence, slow readers and large messages on a session."""

import asyncio

import msgspec
import pytest

from network import heartbeat
from network.message_rate import MessageRate
from peer_cli.network import session as session_module
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question
from tests.peer_cli.network.session_pair import (
    GAME,
    ask,
    next_message,
    read_message,
    session_and_end,
)
from tests.peer_cli.network.tls_pair import TIMEOUT_S, run


def quick(monkeypatch: pytest.MonkeyPatch, silence_s: float) -> None:
    monkeypatch.setattr(heartbeat, "PING_INTERVAL_S", 0.02)
    monkeypatch.setattr(heartbeat, "SILENCE_LIMIT_S", silence_s)


def test_silence_ends_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.05)

    async def scenario() -> None:
        async with session_and_end() as (_, running, _, _):
            assert await running == "timeout"

    run(scenario)


def test_what_waits_for_its_turn_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.1)

    async def scenario() -> None:
        async with session_and_end() as (session, _, other, handler):
            async with handler.turns:
                other.send(wire.Library(games=[GAME]))
                await asyncio.sleep(0.3)  # three times the limit
            assert await handler.libraries.get() == [GAME]
            assert not session.ended

    run(scenario)


def test_a_session_that_is_cut_meanwhile_takes_nothing() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, other, handler):
            async with handler.turns:
                other.send(wire.Library(games=[GAME] * 100))  # one record of TLS: it comes whole
                await handler.turn_wanted.wait()
                session.abort("timeout")
                await session.closed()
            assert await running == "timeout"
            assert handler.libraries.empty()

    run(scenario)


def test_pings_keep_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.5)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with session_and_end() as (session, _, other, _):
            end = loop.time() + 0.7  # well over the limit
            while loop.time() < end:
                await read_message(other.reader)
                other.send(wire.Ping())
            assert not session.ended

    run(scenario)


def test_who_does_not_read_small_messages_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "MAX_UNSENT_BYTES", 100_000)

    async def scenario() -> None:
        async with session_and_end() as (session, running, _, _):
            denied = wire.Denied(request=1, code="busy", reason="x" * 1000)
            for _ in range(100_000):
                session.send(denied)
                if session.ended:
                    break
            assert session.ended  # at once, not when it is found silent
            assert session._outbox._writer.transport.get_write_buffer_size() == 0
            assert await running == "timeout"

    run(scenario)
    assert capsys.readouterr().err.count("does not read what this peer sends") == 1


LARGE = wire.ManifestReply(
    request=1,
    game_id="g",
    version="1",
    files=[wire.File("f", 1 << 40, [bytes(32)] * 400_000)],
)


def test_a_large_message_passes_while_there_is_progress() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            sending = asyncio.create_task(session.send_large(LARGE))
            assert await next_message(other) == LARGE
            await sending
            assert not session.ended

    run(scenario)


def test_who_does_not_read_a_large_message_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session_module, "UNREAD_LIMIT_S", 0.1)

    async def scenario() -> None:
        async with session_and_end() as (session, running, _, _):
            await asyncio.gather(*(session.send_large(LARGE) for _ in range(20)))
            assert await running == "timeout"

    run(scenario)
    assert capsys.readouterr().err.count("does not read what this peer sends") == 1


def test_who_breaks_the_protocol_is_cut_off_whatever_is_still_unsent() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, running, other, _):
            sending = asyncio.create_task(session.send_large(LARGE))
            other.writer.write(b"\0\0\0\1\xc1")
            assert await running == "connection-lost"
            assert session._outbox._writer.transport.get_write_buffer_size() == 0
            await sending

    run(scenario)


def test_of_large_messages_one_is_under_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            sending = [asyncio.create_task(session.send_large(LARGE)) for _ in range(5)]
            largest = 0
            for _ in sending:
                assert await next_message(other) == LARGE
                largest = max(largest, session._outbox._writer.transport.get_write_buffer_size())
            await asyncio.gather(*sending)
            assert largest < 2 * len(wire.encode_frame(LARGE))

    run(scenario)


def test_a_large_answer_that_comes_in_slowly_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(monkeypatch, 0.3)

    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(ask(session))
            question = await next_message(other)
            assert isinstance(question, wire.GetManifest)
            answer = wire.encode_frame(msgspec.structs.replace(LARGE, request=question.request))
            step = len(answer) // 20
            for start in range(0, len(answer), step):
                other.writer.write(answer[start : start + step])
                await asyncio.sleep(0.04)  # all of it takes well over the limit
            assert isinstance(await asking, wire.ManifestReply)

    run(scenario)


def test_a_manifest_that_nobody_waits_for_is_not_kept() -> None:
    async def scenario() -> None:
        async with session_and_end() as (session, _, other, handler):
            other.send(LARGE)
            other.send(wire.Library(games=[]))
            assert await handler.libraries.get() == []
            assert not session.ended

    run(scenario)


def test_a_manifest_is_no_answer_to_another_question() -> None:
    def question(request: int) -> Question:
        return wire.GetDigest(request=request, game_id="g")

    async def scenario() -> None:
        async with session_and_end() as (session, _, other, _):
            asking = asyncio.create_task(session.ask(question, TIMEOUT_S))
            asked = await next_message(other)
            assert isinstance(asked, wire.GetDigest)
            other.send(msgspec.structs.replace(LARGE, request=asked.request))
            other.send(wire.Denied(request=asked.request, code="no", reason="No."))
            with pytest.raises(DeniedError):
                await asking

    run(scenario)


def test_messages_at_full_speed_wait_at_the_other_side() -> None:
    """A second of them is taken at once, and others have their turn meanwhile."""

    async def scenario() -> None:
        async with session_and_end(rate=MessageRate(10)) as (_, _, other, handler):
            for number in range(25):
                games = [msgspec.structs.replace(GAME, version=str(number))]
                other.send(wire.Library(games=games))
            first = [await handler.libraries.get() for _ in range(10)]
            assert first[-1][0].version == "9"
            await asyncio.sleep(0.1)  # it could have taken all of them
            assert handler.libraries.empty()
            rest = [await handler.libraries.get() for _ in range(15)]
            assert rest[-1][0].version == "24"

    run(scenario)


def test_sessions_of_one_address_share_a_rate() -> None:
    async def scenario() -> None:
        rate = MessageRate(10)
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def take(count: int) -> None:
            for _ in range(count):
                await rate.taken()

        await asyncio.gather(*(take(10) for _ in range(4)))
        assert loop.time() - began >= 3.0  # 40 messages at 10 per second, the first 10 at once

    run(scenario)
