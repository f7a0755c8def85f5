"""A channel over a socket pair: messages, blocks, heartbeats, and what ends it."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pair_cli.channel import SecureChannel
from pair_cli.handshake import Secured
from pair_cli.interfaces import MAX_MESSAGE, ChannelClosed
from pair_cli.sealing import SECRET_BYTES, Sealing
from pair_cli.wire import BLOCK, BULK, BULK_BYTES, HEAD, MAX_FRAME, Kind

ONE, OTHER = bytes(SECRET_BYTES), bytes([1]) * SECRET_BYTES


def secured() -> tuple[Secured, Secured]:
    return Secured(Sealing(ONE), Sealing(OTHER)), Secured(Sealing(OTHER), Sealing(ONE))


def open_channel(connection: socket.socket, keys: Secured, heartbeat_s: float) -> SecureChannel:
    return SecureChannel(connection, keys, "peer", "direct", "", heartbeat_s, lambda: None)


async def end(*channels: SecureChannel) -> None:
    for channel in channels:
        channel.close("left")
        await channel.wait_ended()


@asynccontextmanager
async def pair_of(heartbeat_s: float = 5.0) -> AsyncIterator[tuple[SecureChannel, SecureChannel]]:
    """Give two channels that are connected."""
    ends, keys = socket.socketpair(), secured()
    both = [open_channel(*one, heartbeat_s) for one in zip(ends, keys, strict=True)]
    try:
        yield both[0], both[1]
    finally:
        await end(*both)


class Raw:
    """The far end of a channel, that says what the test likes."""

    def __init__(self, connection: socket.socket, keys: Secured) -> None:
        self._connection, self._keys = connection, keys

    async def frame(self, body: bytes, bulk: int = 0) -> None:
        head = HEAD.pack(len(body) + 16 | bulk)
        await self.bytes(head + self._keys.sending.seal(body, head))

    async def bytes(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._connection, data)


def against_raw(work: Callable[[SecureChannel, Raw], Awaitable[None]]) -> SecureChannel:
    """Run a channel whose far end is the test's own."""

    async def run() -> SecureChannel:
        (near, far), (own, theirs) = socket.socketpair(), secured()
        far.setblocking(False)
        channel = open_channel(near, own, 5.0)
        await work(channel, Raw(far, theirs))
        await end(channel)
        far.close()
        return channel

    return asyncio.run(run())


def test_messages_arrive_whole_and_in_order_both_ways() -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            sent = [b"%d" % number * (number % 50 + 1) for number in range(2000)]
            sent.append(os.urandom(MAX_MESSAGE))
            for sender, receiver in ((one, other), (other, one)):
                for message in sent:
                    await sender.room()
                    sender.send(message)
                assert [await receiver.receive() for _ in sent] == sent
            for wrong in (b"", bytes(MAX_MESSAGE + 1)):
                with pytest.raises(ValueError, match="a message has"):
                    one.send(wrong)

    asyncio.run(run())


@pytest.mark.parametrize("length", [0, 1, BULK_BYTES, BULK_BYTES + 1, (1 << 20) + 7])
def test_a_block_arrives_in_the_buffer_that_waits_for_it(length: int) -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            data, into, done = os.urandom(length), bytearray(length), threading.Event()
            other.expect_block(7, memoryview(into), done.set)
            await asyncio.to_thread(one.send_block, 7, memoryview(data))
            assert await asyncio.to_thread(done.wait, 10)
            assert into == data

    asyncio.run(run())


def test_a_message_overtakes_a_block() -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            data, done = os.urandom(64 << 20), threading.Event()
            other.expect_block(1, memoryview(bytearray(len(data))), done.set)
            sending = asyncio.create_task(asyncio.to_thread(one.send_block, 1, memoryview(data)))
            one.send(b"quick")
            assert await other.receive() == b"quick"
            assert not sending.done()
            await sending
            assert await asyncio.to_thread(done.wait, 30)

    asyncio.run(run())


def test_a_forgotten_block_is_thrown_away_and_the_next_one_comes() -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            into, next_into, done = bytearray(1 << 20), bytearray(4), threading.Event()
            other.expect_block(1, memoryview(into), done.set)
            other.forget_block(1)
            other.expect_block(2, memoryview(next_into), done.set)
            await asyncio.to_thread(one.send_block, 1, memoryview(b"x" * (1 << 20)))
            await asyncio.to_thread(one.send_block, 2, memoryview(b"next"))
            assert await asyncio.to_thread(done.wait, 10)
            assert (bytes(next_into), into) == (b"next", bytearray(1 << 20))

    asyncio.run(run())


def test_the_end_is_told_to_all_who_wait() -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            receiving = asyncio.create_task(other.receive())
            block = memoryview(bytes(64 << 20))  # more than the socket takes
            other.expect_block(1, memoryview(bytearray(len(block))), lambda: None)
            sending = asyncio.create_task(asyncio.to_thread(one.send_block, 1, block))
            await asyncio.sleep(0)
            one.close("left")
            for waiting in (receiving, sending):
                with pytest.raises(ChannelClosed):
                    await waiting
            with pytest.raises(ChannelClosed):
                one.send(b"late")
            await one.room()
            await other.wait_ended()
            assert other.reason == "connection-lost"

    asyncio.run(run())


def test_goodbye_is_told_even_while_bulk_is_under_way() -> None:
    async def run() -> None:
        async with pair_of() as (one, other):
            block = memoryview(bytes(64 << 20))
            one.expect_block(1, memoryview(bytearray(len(block))), lambda: None)
            sending = asyncio.create_task(asyncio.to_thread(other.send_block, 1, block))
            await one.leave()
            await other.wait_ended()
            assert (one.reason, other.reason) == ("left", "goodbye")
            await asyncio.wait([sending])
            sending.exception()

    asyncio.run(run())


def test_heartbeats_are_answered_and_silence_ends_a_channel() -> None:
    async def run() -> None:
        ends, keys, beaten = socket.socketpair(), secured(), asyncio.Event()
        one = SecureChannel(ends[0], keys[0], "peer", "direct", "", 0.1, beaten.set)
        other = open_channel(ends[1], keys[1], 0.1)
        async with asyncio.timeout(10):
            while one.answered < 3:
                beaten.clear()
                await beaten.wait()
        assert one.rtt_ms is not None
        assert not one.closed
        await end(one, other)

    asyncio.run(run())

    async def silence() -> None:
        (near, far), (own, _) = socket.socketpair(), secured()
        channel = open_channel(near, own, 0.1)
        await channel.wait_ended()
        assert channel.reason == "timeout"
        assert channel.health == "disconnected"
        far.close()

    asyncio.run(silence())


def test_a_channel_is_degraded_when_a_heartbeat_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        ends, keys = socket.socketpair(), secured()
        one, other = (open_channel(end, key, 60) for end, key in zip(ends, keys, strict=True))
        seen = [one.health]
        for silent_s in (89.0, 91.0):
            now = one.heard_at + silent_s
            with monkeypatch.context() as patch:
                patch.setattr("pair_cli.channel.time.monotonic", lambda now=now: now)
                seen.append(one.health)
        assert seen == ["healthy", "healthy", "degraded"]
        await end(one, other)

    asyncio.run(run())


def giant(raw: Raw) -> Awaitable[None]:
    return raw.bytes(HEAD.pack(MAX_FRAME + 1 | BULK))


def giant_message(raw: Raw) -> Awaitable[None]:
    return raw.bytes(HEAD.pack(MAX_MESSAGE + 18))


def empty(raw: Raw) -> Awaitable[None]:
    return raw.bytes(HEAD.pack(16) + bytes(16))


def altered(raw: Raw) -> Awaitable[None]:
    return raw.bytes(HEAD.pack(20) + bytes(20))


def no_kind(raw: Raw) -> Awaitable[None]:
    return raw.frame(b"\x63")


def confirmed_twice(raw: Raw) -> Awaitable[None]:
    return raw.frame(bytes((Kind.CONFIRM,)))


def bulk_alone(raw: Raw) -> Awaitable[None]:
    return raw.frame(b"bulk", BULK)


async def two_blocks_at_once(raw: Raw) -> None:
    for number in (1, 2):
        await raw.frame(bytes((Kind.BLOCK,)) + BLOCK.pack(number, 10))


async def too_much(raw: Raw) -> None:
    await raw.frame(bytes((Kind.BLOCK,)) + BLOCK.pack(1, 3))
    await raw.frame(b"four", BULK)


async def another_length(raw: Raw) -> None:
    await raw.frame(bytes((Kind.BLOCK,)) + BLOCK.pack(5, 9))


@pytest.mark.parametrize(
    "breach",
    [
        giant, giant_message, empty, altered, no_kind, confirmed_twice, bulk_alone,
        two_blocks_at_once, too_much, another_length,
    ],
)  # fmt: skip
def test_a_breach_of_the_protocol_ends_the_channel(
    breach: Callable[[Raw], Awaitable[None]],
) -> None:
    async def work(channel: SecureChannel, raw: Raw) -> None:
        channel.expect_block(5, memoryview(bytearray(8)), lambda: None)
        await breach(raw)
        await channel.wait_ended()

    assert "protocol" in against_raw(work).detail


def test_nothing_more_is_read_while_messages_wait() -> None:
    async def work(channel: SecureChannel, raw: Raw) -> None:
        message = bytes((Kind.MESSAGE,)) + bytes(100_000)

        async def flood() -> None:
            for _ in range(200):
                await raw.frame(message)

        flooding = asyncio.create_task(flood())
        _, pending = await asyncio.wait([flooding], timeout=0.5)
        assert pending
        for _ in range(200):
            await channel.receive()
        await flooding

    against_raw(work)
