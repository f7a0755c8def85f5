"""Two sides and a relay in one process: who connects how, and what ends and replaces what."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from network.address import Address
from pair_cli import schedule
from pair_cli.handshake import Handshake
from pair_cli.keys import keys_of
from pair_cli.messages import (
    BridgeClosed,
    BridgeOpened,
    ConnectFailed,
    ConnectionMode,
    GaveUp,
    HealthChanged,
    PeerConnected,
    PeerDisconnected,
    Reconnecting,
)
from tests.pair_cli.pairs import Side, a_relay

LOW, HIGH = sorted(
    (keys_of(bytes([number]) * 96) for number in (1, 2)), key=lambda keys: keys.fingerprint
)


@asynccontextmanager
async def sides(url: str, **more: Any) -> AsyncIterator[tuple[Side, Side]]:
    """Make both sides, the lower one first; they have not joined yet."""
    both = Side(LOW, url, **more), Side(HIGH, url, **more)
    try:
        yield both
    finally:
        for one in both:
            await one.stop()


async def join(*both: Side) -> None:
    for one, other in (both, both[::-1]):
        one.join(other.keys.fingerprint)


async def messages_pass(low: Side, high: Side) -> None:
    for one, other in ((low, high), (high, low)):
        assert one.content.channel is not None
        one.content.channel.send(b"hello")
        assert await other.content.messages.get() == b"hello"


def test_they_connect_once_and_messages_pass() -> None:
    async def run() -> None:
        async with a_relay() as (_, url, _), sides(url) as (low, high):
            await join(low, high)
            told = [await one.events.wait(PeerConnected) for one in (low, high)]
            assert {one.mode for one in told} == {"direct"}
            assert sorted(one.initiated for one in told) == [False, True]
            await messages_pass(low, high)
            for one in (low, high):
                assert len(one.events.of(PeerConnected)) == 1
                assert not one.events.of(PeerDisconnected)

    asyncio.run(run())


def test_they_connect_over_ipv6_when_ipv4_leads_nowhere() -> None:
    async def run() -> None:
        async with a_relay() as (_, url, _), sides(url, ip="::1") as (low, high):
            for side in (low, high):
                side.addresses.insert(0, Address("127.0.0.1", 1))
            await join(low, high)
            told = [await one.events.wait(PeerConnected) for one in (low, high)]
            assert [(one.mode, one.addr.startswith("[::1]")) for one in told] == [
                ("direct", True)
            ] * 2
            await messages_pass(low, high)

    asyncio.run(run())


def test_both_dialling_at_once_leaves_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "grace", lambda **_: 0.0)

    async def run() -> None:
        for _ in range(10):
            async with a_relay() as (_, url, _), sides(url) as (low, high):
                await join(low, high)
                for one in (low, high):
                    await one.events.wait(PeerConnected)
                await messages_pass(low, high)
                for one in (low, high):
                    assert len(one.events.of(PeerConnected)) == 1
                    assert not one.events.of(PeerDisconnected)
                    assert not one.events.of(ConnectFailed)

    asyncio.run(run())


def test_goodbye_is_told_and_the_other_waits_for_it_to_come_back() -> None:
    async def run() -> None:
        async with a_relay() as (_, url, _):
            low, high = Side(LOW, url), Side(HIGH, url)
            await join(low, high)
            for one in (low, high):
                await one.events.wait(PeerConnected)
            await low.stop()
            assert (await high.events.wait(PeerDisconnected)).reason == "goodbye"
            again = Side(LOW, url)
            again.join(HIGH.fingerprint)
            await again.events.wait(PeerConnected)
            await high.events.wait(PeerConnected, 2)
            await messages_pass(again, high)
            assert not high.events.of(Reconnecting)
            await again.stop()
            await high.stop()

    asyncio.run(run())


def test_a_cut_connection_comes_back_by_itself() -> None:
    async def run() -> None:
        async with a_relay() as (_, url, _), sides(url) as (low, high):
            await join(low, high)
            for one in (low, high):
                await one.events.wait(PeerConnected)
            assert low.pairing is not None
            channel = low.pairing.line.channel
            assert channel is not None
            channel._connection.shutdown(socket.SHUT_RDWR)
            for one in (low, high):
                assert (await one.events.wait(PeerDisconnected)).reason == "connection-lost"
                await one.events.wait(PeerConnected, 2)
            await messages_pass(low, high)
            assert [one.health for one in low.events.of(HealthChanged)] == [
                "healthy", "disconnected", "healthy",
            ]  # fmt: skip

    asyncio.run(run())


def test_the_bridge_carries_those_who_cannot_reach_each_other_and_direct_takes_over() -> None:
    async def run() -> None:
        async with a_relay() as (_, url, relay), sides(url, hidden=True) as (low, high):
            await join(low, high)
            for one in (low, high):
                assert (await one.events.wait(PeerConnected)).mode == "bridge"
            await relay.wait(BridgeOpened)
            await messages_pass(low, high)
            for one in (low, high):  # now they can be reached
                one.addresses[:] = [one.address]
                assert one.pairing is not None
                one.pairing._rendezvous.register_anew()
                await one.pairing._rendezvous.register_if_due()
            for one in (low, high):
                await one.events.wait(ConnectionMode, mode="direct")
            await messages_pass(low, high)
            assert (await relay.wait(BridgeClosed)).bytes > 3000
            for one in (low, high):
                assert not one.events.of(PeerDisconnected)
                assert len(one.events.of(PeerConnected)) == 1

    asyncio.run(run())


def test_without_a_way_it_gives_up_and_the_other_can_still_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "grace", lambda **_: 0.0)
    monkeypatch.setattr(schedule, "pause_before", lambda attempt: 0.01)

    async def run() -> None:
        async with a_relay(bridge=False) as (_, url, _), sides(url) as (low, high):
            low.addresses[:] = high.addresses[:] = []
            low.addresses.append(high.address._replace(port=1))
            high.addresses.append(high.address._replace(port=1))
            await join(low, high)
            gave_up = await low.events.wait(GaveUp)
            assert gave_up.code == "unreachable"
            assert gave_up.attempts == len(low.events.of(Reconnecting)) == 10
            await high.events.wait(GaveUp)
            low.addresses[:] = [low.address]
            assert low.pairing is not None
            assert high.pairing is not None
            low.pairing._rendezvous.register_anew()
            await low.pairing._rendezvous.register_if_due()
            assert await high.pairing._try_all(again=False) is None
            await low.events.wait(PeerConnected)

    asyncio.run(run())


def test_a_stranger_gets_no_connection_and_is_reported() -> None:
    eve = keys_of(bytes([3]) * 96)

    async def run() -> None:
        async with a_relay() as (_, url, _), sides(url) as (low, high):
            await join(low, high)
            await low.events.wait(PeerConnected)
            reader, writer = await asyncio.open_connection("127.0.0.1", low.address.port)
            handshake = Handshake("dialling", eve, LOW.public)
            writer.write(handshake.hello)
            secured = handshake.finish(await reader.readexactly(len(handshake.hello)))
            head = (17 + 16).to_bytes(4, "big")
            writer.write(head + secured.sending.seal(b"\1" + bytes(16), head))
            assert await reader.read() == b""
            writer.close()
            failed = await low.events.wait(ConnectFailed)
            assert failed.code == "handshake-failed"
            assert len(low.events.of(PeerConnected)) == 1
            await messages_pass(low, high)

    asyncio.run(run())


def test_to_hurry_tries_at_once_and_counts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "grace", lambda **_: 0.0)
    monkeypatch.setattr(schedule, "pause_before", lambda attempt: 0.0 if attempt < 10 else 1000.0)

    async def run() -> None:
        async with a_relay(bridge=False) as (_, url, _), sides(url, hidden=True) as (low, high):
            low.join(HIGH.fingerprint)
            high.join(LOW.fingerprint)
            await low.events.wait(Reconnecting, attempt=10)
            assert low.pairing is not None
            low.pairing.hurry()
            await low.events.wait(ConnectFailed, 11)
            await low.events.wait(Reconnecting, 2, attempt=1)

    asyncio.run(run())
