"""Strangers, rule breakers and crowds: who is refused or cut off."""

import asyncio
import contextlib
import socket
from pathlib import Path

import msgspec
import pytest

from network import handshake
from network import streams as streams_module
from network.address import Address
from network.certificate import client_tls
from peer_cli import messages
from peer_cli.network import connections as connections_module
from peer_cli.network import peers as peers_module
from peer_cli.network import wire
from tests.peer_cli.network.nodes import GAME, error_of, node
from tests.peer_cli.network.tls_pair import make_party, run, tls_of


def test_another_swarm_is_refused_and_stays_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            node(tmp_path, "ann", swarm_key=b"a") as ann,
            node(tmp_path, "ben", swarm_key=b"b") as ben,
        ):
            error = await error_of(ann, ben.address)
            assert error.code == "wrong-swarm"
            assert str(ben.address) in str(error)
            assert len(ann.peers) == len(ben.peers) == 0

    run(scenario)


def test_no_answer_names_address_and_cause(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = Address(*closed.getsockname())

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            error = await error_of(ann, address)
            assert error.code == "unreachable"
            assert str(error) == f"cannot connect to {address}: Connection refused"

    run(scenario)


def test_somebody_who_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "CONNECT_TIMEOUT_S", 0.05)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # TCP, and no TLS
            async with node(tmp_path, "ann") as ann:
                error = await error_of(ann, Address(*silent.getsockname()))
                assert error.code == "unreachable"
                assert "no answer for 0.05 s" in str(error)

    run(scenario)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_somebody_who_speaks_no_tls_is_no_peer(tmp_path: Path, answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        async with node(tmp_path, "ann") as ann:
            error = await error_of(ann, Address(*server.sockets[0].getsockname()))
            assert error.code == "unreachable"
        server.close()

    run(scenario)


@pytest.mark.parametrize("says", [None, b"garbage, garbage", b""])
def test_tls_without_a_handshake_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bytes | None
) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_TIMEOUT_S", 0.1)

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if says is None:
            await reader.read()  # until the other side has had enough
        else:
            writer.write(says)
        writer.close()

    async def scenario() -> None:
        tls = tls_of(make_party(tmp_path, "eve"))
        server = await asyncio.start_server(reply, "127.0.0.1", 0, ssl=tls)
        async with node(tmp_path, "ann") as ann:
            address = Address(*server.sockets[0].getsockname())
            error = await error_of(ann, address)
            assert error.code == "handshake-failed"
            assert f"cannot connect to {address}: " in str(error)
            assert len(ann.peers) == 0
        server.close()

    run(scenario)


@pytest.mark.parametrize("says", [None, b"garbage, garbage"])
def test_a_stranger_within_tls_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bytes | None
) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_TIMEOUT_S", 0.1)

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            reader, writer = await asyncio.open_connection(*ann.address, ssl=client_tls())
            if says is not None:
                writer.write(says)
            assert await reader.read() == b""
            assert len(ann.peers) == 0
            writer.close()
            monkeypatch.undo()
            async with node(tmp_path, "ben") as ben:  # and nobody else has noticed
                await ben.connections.connect(ann.address)

    run(scenario)


def test_a_stranger_who_begins_tls_and_stops_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_TIMEOUT_S", 0.1)

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            reader, writer = await asyncio.open_connection(*ann.address)
            writer.write(b"\x16\x03\x01")
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(scenario)


def test_callers_of_one_address_are_bounded_and_old_friends_are_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "MAX_CALLERS_PER_ADDRESS", 2)

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            ann, *callers = [
                await stack.enter_async_context(node(tmp_path, name))
                for name in ("ann", "ben", "cat", "dan")
            ]
            for caller in (*callers[:2], callers[0]):
                await caller.connections.connect(ann.address)
            error = await error_of(callers[2], ann.address)
            assert error.code == "busy"
            assert "2 from 127.0.0.1 are already here" in str(error)
            assert {peer.name for peer in ann.peers.all()} == {"ben", "cat"}
            await callers[0].connections.close()
            await ann.told(messages.PeerDisconnected)
            await callers[2].connections.connect(ann.address)

    run(scenario)


def test_a_crowd_makes_room_for_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "MAX_CALLERS", 2)

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            ann, ben, cat = [
                await stack.enter_async_context(node(tmp_path, name))
                for name in ("ann", "ben", "cat")
            ]
            dan = await stack.enter_async_context(node(tmp_path, "dan", listen="127.0.0.2"))
            await ben.connections.connect(ann.address)
            await cat.connections.connect(ann.address)
            await dan.connections.connect(ann.address)
            await cat.told(messages.PeerDisconnected)
            assert {peer.name for peer in ann.peers.all()} == {"ben", "dan"}

    run(scenario)


STRANGE_HELLO = wire.Hello(
    protocol=99, public_key=bytes(32), nonce=bytes(32), name="new", port=4000
)


@pytest.mark.parametrize(
    ("said", "patience_s"),
    [(b"\0\0\0\1\xc1", 1000.0), (wire.encode_frame(STRANGE_HELLO), 0.1)],
    ids=["cut at once", "told why, and then cut"],
)
def test_who_breaks_the_rules_and_stays_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, patience_s: float
) -> None:
    """Not only TLS is ended, in good order: the connection itself is gone."""
    monkeypatch.setattr(streams_module, "CLOSE_TIMEOUT_S", patience_s)

    def stay(address: Address) -> None:
        tls = client_tls().wrap_socket(socket.create_connection(address))
        tls.sendall(said)
        with contextlib.suppress(OSError):
            while tls.recv(100):
                pass
        raw = socket.socket(fileno=tls.detach())
        with raw, contextlib.suppress(ConnectionError):
            raw.settimeout(5)
            assert raw.recv(1) == b""

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            await asyncio.to_thread(stay, ann.address)

    run(scenario)


def test_a_library_that_does_not_come_whole_ends_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "LIBRARY_TIMEOUT_S", 0.3)
    frame = wire.encode_frame(wire.Library(games=[GAME] * 1000))

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            session = await ben.connections.connect(ann.address)

            async def drip() -> None:  # never silent
                for start in range(0, len(frame), 10):
                    session._outbox._writer.write(frame[start : start + 10])
                    await asyncio.sleep(0.01)

            dripping = asyncio.create_task(drip())
            await ann.told(messages.PeerDisconnected)
            dripping.cancel()

    run(scenario)


def test_who_advertises_too_much_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers_module, "MAX_LIBRARY_BYTES_PER_ADDRESS", 1000)

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            await ben.connections.connect(ann.address)
            ben.games = [msgspec.structs.replace(GAME, id=f"g{number}") for number in range(10)]
            ben.connections.broadcast_library()
            await ben.told(messages.PeerDisconnected)
            await ann.told(messages.PeerDisconnected)

    run(scenario)
    told = capsys.readouterr().err
    assert "is ended: The libraries of all peers are too large together." in told
    assert "ended the session: The libraries of all peers are too large together." in told


def test_all_sessions_of_one_address_share_a_rate_of_messages(tmp_path: Path) -> None:
    """Otherwise as many sessions as somebody opens would take so much more."""

    async def scenario() -> None:
        async with (
            node(tmp_path, "ann") as ann,
            node(tmp_path, "ben") as ben,
            node(tmp_path, "cat") as cat,
            node(tmp_path, "dan", listen="127.0.0.2") as dan,
        ):
            for other in (ben, cat, dan):
                await other.connections.connect(ann.address)
            await ann.told(messages.PeerConnected, 3)
            here, too, elsewhere = (peer.session for peer in ann.peers.all())
            assert (here.addr.ip, too.addr.ip, elsewhere.addr.ip) == (
                "127.0.0.1", "127.0.0.1", "127.0.0.2",
            )  # fmt: skip
            assert here._rate is too._rate
            assert here._rate is not elsewhere._rate

    run(scenario)
