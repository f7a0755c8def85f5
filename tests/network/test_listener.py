import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from tls_pair import run

from peer_cli.network import listener as listener_module
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.listener import Listener
from peer_cli.network.port import bind

TICKET = bytes(range(32))


class Listening:
    """A running listener, and what it handed over."""

    def __init__(self) -> None:
        self._socket = bind(Address("127.0.0.1", 0))
        self.address = Address(*self._socket.getsockname())
        self.controls: asyncio.Queue[tuple[socket.socket, Address]] = asyncio.Queue()
        self.data: asyncio.Queue[tuple[socket.socket, Address, bytes]] = asyncio.Queue()
        self.listener = Listener(self._socket, self._on_control, self._on_data)

    async def _on_control(self, connection: socket.socket, origin: Address) -> None:
        self.controls.put_nowait((connection, origin))

    async def _on_data(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        self.data.put_nowait((connection, origin, ticket))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is closed must be closed for a reason, not because its time is up."""
    monkeypatch.setattr(listener_module, "FIRST_BYTES_TIMEOUT_S", 1000.0)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    made = Listening()
    running = asyncio.create_task(made.listener.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait([running])


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """What was answered until the connection was closed, orderly or not."""
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"\x15\x03\x01",
        b"L",
        b"LSD2" + TICKET,
        b"LSX",
        b"lsd1" + TICKET,
        b"\xff" * 100,
    ],
)
def test_garbage_is_closed_without_an_answer(first: bytes) -> None:
    async def scenario() -> None:
        async with listening() as server:
            reader, writer = await server.connect()
            writer.write(first)
            if first == b"L":  # not wrong yet: the end is what makes it so
                writer.write_eof()
            assert await until_closed(reader) == b""
            assert server.controls.empty()
            assert server.data.empty()
            writer.close()

    run(scenario)


def test_who_leaves_at_once_costs_nothing() -> None:
    async def scenario() -> None:
        async with listening() as server:
            for _ in range(20):
                _, writer = await server.connect()
                writer.transport.abort()
            _, writer = await server.connect()
            writer.write(b"LSD1" + TICKET)
            connection, _, _ = await server.data.get()
            connection.close()
            writer.close()

    run(scenario)


def test_a_tls_hello_is_handed_over_with_its_first_byte() -> None:
    async def scenario() -> None:
        async with listening() as server:
            _, writer = await server.connect()
            writer.write(b"\x16\x03\x01")
            connection, origin = await server.controls.get()
            assert origin == Address(*writer.get_extra_info("sockname"))
            assert connection.recv(10) == b"\x16\x03\x01"
            connection.close()
            writer.close()

    run(scenario)


@pytest.mark.parametrize("fragment", [1, 3, 5, 36])
def test_a_ticket_is_read_in_any_fragments_and_no_byte_more(fragment: int) -> None:
    async def scenario() -> None:
        async with listening() as server:
            _, writer = await server.connect()
            opening = wire.DATA_MAGIC + TICKET
            for begin in range(0, len(opening), fragment):
                writer.write(opening[begin : begin + fragment])
                await writer.drain()
            writer.write(b"more")
            connection, origin, ticket = await server.data.get()
            assert ticket == TICKET
            assert origin == Address(*writer.get_extra_info("sockname"))
            connection.setblocking(True)
            assert connection.recv(4, socket.MSG_WAITALL) == b"more"
            connection.close()
            writer.close()

    run(scenario)


@pytest.mark.parametrize("first", [b"", b"LSD1", b"LSD1" + TICKET[:-1]])
def test_silence_is_closed(monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(listener_module, "FIRST_BYTES_TIMEOUT_S", 0.05)

    async def scenario() -> None:
        async with listening() as server:
            reader, writer = await server.connect()
            writer.write(first)
            assert await until_closed(reader) == b""
            assert server.data.empty()
            writer.close()

    run(scenario)


def test_strangers_are_limited_and_who_spoke_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "MAX_STRANGERS", 3)

    async def scenario() -> None:
        async with listening() as server:
            for _ in range(5):  # these speak, and so leave their places again
                _, writer = await server.connect()
                writer.write(b"LSD1" + TICKET)
                await server.data.get()
            silent = [await server.connect() for _ in range(3)]
            reader, writer = await server.connect()
            assert await until_closed(reader) == b""
            silent[0][1].write(b"garbage")
            assert await until_closed(silent[0][0]) == b""
            _, writer = await server.connect()
            writer.write(b"LSD1" + TICKET)
            await server.data.get()

    run(scenario)


def test_ending_closes_the_port_and_the_strangers() -> None:
    async def scenario() -> None:
        async with listening() as server:
            reader, writer = await server.connect()
            writer.write(b"LSD")
            _, other = await server.connect()
            other.write(b"LSD1" + TICKET)
            await server.data.get()  # so the first one was accepted
        assert await until_closed(reader) == b""
        with pytest.raises(ConnectionRefusedError):
            await server.connect()

    run(scenario)


def test_an_address_in_use_is_an_error_and_leaks_nothing() -> None:
    taken = bind(Address("127.0.0.1", 0))
    with pytest.raises(OSError, match="in use"):
        bind(Address(*taken.getsockname()))
    taken.close()
