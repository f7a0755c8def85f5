import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from network import acceptor
from network.address import Address
from network.port import bind
from peer_cli.network import listener as listener_module
from peer_cli.network import wire
from peer_cli.network.listener import Listener
from tests.network.exhausted import exhaust
from tests.peer_cli.network.tls_pair import run

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


def test_the_oldest_stranger_makes_room_and_who_spoke_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptor, "MAX_STRANGERS_PER_ADDRESS", 3)

    async def scenario() -> None:
        async with listening() as server:
            silent = [await server.connect() for _ in range(3)]
            for _ in range(5):  # these speak, and so leave their places again
                _, writer = await server.connect()
                writer.write(b"LSD1" + TICKET)
                connection, _, _ = await server.data.get()
                connection.close()
            assert await until_closed(silent[0][0]) == b""
            await server.connect()
            await server.connect()
            assert await until_closed(silent[1][0]) == b""
            assert not silent[2][0].at_eof()

    run(scenario)


def test_strangers_of_one_address_do_not_push_out_those_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptor, "MAX_STRANGERS", 4)

    async def scenario() -> None:
        async with listening() as server:
            first, slow = await asyncio.open_connection(
                *server.address, local_addr=("127.0.0.2", 0)
            )
            slow.write(b"LSD1")
            crowd = [await server.connect() for _ in range(20)]
            for reader, _ in crowd[:-3]:
                assert await until_closed(reader) == b""
            slow.write(TICKET)
            _, origin, _ = await server.data.get()
            assert origin.ip == "127.0.0.2"
            assert not first.at_eof()

    run(scenario)


def test_a_connection_that_is_pushed_out_at_once_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody has looked at it."""
    monkeypatch.setattr(acceptor, "MAX_STRANGERS", 1)

    async def scenario() -> None:
        async with listening() as server:
            with contextlib.ExitStack() as stack:
                callers = [
                    stack.enter_context(socket.create_connection(server.address)) for _ in range(9)
                ]
                for caller in callers[:-1]:
                    caller.setblocking(False)
                    with contextlib.suppress(ConnectionError):
                        assert await asyncio.get_running_loop().sock_recv(caller, 1) == b""

    run(scenario)


def test_without_descriptors_it_pauses_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with listening() as server:
            exhaust(monkeypatch)
            for _ in range(3):  # one before the pause, and two after it
                _, writer = await server.connect()
                writer.write(b"LSD1" + TICKET)
                await server.data.get()

    run(scenario)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "no connection can be accepted for now: Too many open files" in told[0]
    assert "accepted again" in told[1]


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
