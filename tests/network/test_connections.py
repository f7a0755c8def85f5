"""Whole control sessions between peers of one process: real sockets, real TLS."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from tls_pair import make_party, run, tls_of

from peer_cli import messages
from peer_cli.network import connections as connections_module
from peer_cli.network import handshake, wire
from peer_cli.network.address import Address
from peer_cli.network.certificate import client_tls
from peer_cli.network.connections import ConnectError, Connections
from peer_cli.network.handshake import LocalParty
from peer_cli.network.listener import Listener
from peer_cli.network.peers import KnownPeers
from peer_cli.network.port import bind
from peer_cli.network.session import DeniedError, Question, Session

GAME = wire.Game(
    id="g", version="1", availability="Ready", downloaded=True, installed=False, size=5
)

_E = TypeVar("_E", bound=messages.Event)


class Node:
    """A peer without a library: a listener, its sessions and the table of who is known."""

    def __init__(self, party: LocalParty, listening: socket.socket) -> None:
        self.events: list[messages.Event] = []
        self.games: list[wire.Game] = []
        self.peers = KnownPeers(self._emit)
        self.address = Address(*listening.getsockname())
        self.connections = Connections(
            party,
            self.address,
            self.peers,
            tls_of(party),
            advertised=self._advertised,
            answer=self._answer,
        )
        self.listener = Listener(listening, self.connections.accept, self._no_data)
        self._more = asyncio.Event()

    def _emit(self, event: messages.Event) -> None:
        self.events.append(event)
        self._more.set()

    async def _advertised(self) -> list[wire.Game]:
        return list(self.games)

    async def _answer(self, session: Session, question: Question) -> wire.Answer:
        raise DeniedError("busy", "Nothing is served here.")

    async def _no_data(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        connection.close()

    def of(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def told(self, kind: type[messages.Event], count: int = 1) -> None:
        """Wait until so many events of a kind were told."""
        while len(self.of(kind)) < count:
            self._more.clear()
            await self._more.wait()


@contextlib.asynccontextmanager
async def node(folder: Path, name: str, *, swarm_key: bytes = b"") -> AsyncIterator[Node]:
    listening = bind(Address("127.0.0.1", 0))
    party = make_party(folder, name, listening.getsockname()[1], swarm_key)
    made = Node(party, listening)
    running = asyncio.create_task(made.listener.run())
    try:
        yield made
    finally:
        await made.connections.close()
        running.cancel()
        await asyncio.wait([running])


def test_after_one_connect_both_know_each_other_and_each_others_library(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            ben.games = [GAME]
            session = await ann.connections.connect(ben.address)
            assert session.addr == ben.address
            (known,) = ann.peers.all()
            assert (known.name, known.games) == ("ben", {"g": GAME})
            assert known.peer_id == session.peer_id
            await ben.told(messages.RemoteLibraryChanged)
            (known,) = ben.peers.all()
            assert (known.name, known.addr, known.games) == ("ann", ann.address, {})
            assert [type(event) for event in ann.events] == [
                messages.PeerConnected,
                messages.RemoteLibraryChanged,
            ]

    run(scenario)


def test_a_changed_library_reaches_everyone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            node(tmp_path, "ann") as ann,
            node(tmp_path, "ben") as ben,
            node(tmp_path, "cat") as cat,
        ):
            await ben.connections.connect(ann.address)
            await cat.connections.connect(ann.address)
            ann.games = [GAME]
            ann.connections.broadcast_library()
            for other in (ben, cat):
                await other.told(messages.RemoteLibraryChanged, 2)
                assert other.peers.all()[0].games == {"g": GAME}

    run(scenario)


def test_questions_reach_the_other_side_over_either_direction(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            session = await ann.connections.connect(ben.address)
            await ben.told(messages.PeerConnected)
            for asking in (session, ben.peers.all()[0].session):
                with pytest.raises(DeniedError, match="Nothing is served here"):
                    await asking.ask(lambda n: wire.GetManifest(request=n, game_id="g"), 5.0)

    run(scenario)


def test_connecting_again_or_from_both_sides_keeps_one_entry(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            await ann.connections.connect(ben.address)
            await ann.connections.connect(ben.address)
            await ben.connections.connect(ann.address)
            for each in (ann, ben):
                await each.told(messages.RemoteLibraryChanged)
                assert len(each.of(messages.PeerConnected)) == 1
                assert each.of(messages.PeerDisconnected) == []
                assert len(each.peers) == 1

    run(scenario)


def test_leaving_is_a_goodbye(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            async with node(tmp_path, "ben") as ben:
                await ann.connections.connect(ben.address)
            await ann.told(messages.PeerDisconnected)
            assert [event.reason for event in ann.of(messages.PeerDisconnected)] == ["goodbye"]
            assert len(ann.peers) == 0

    run(scenario)


def test_a_cut_connection_is_a_lost_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            session = await ann.connections.connect(ben.address)
            session._writer.transport.abort()
            for each in (ann, ben):
                await each.told(messages.PeerDisconnected)
                (lost,) = each.of(messages.PeerDisconnected)
                assert lost.reason == "connection-lost"

    run(scenario)


def test_a_peer_that_comes_back_elsewhere_keeps_its_id(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            async with node(tmp_path, "ben") as ben:
                first = await ann.connections.connect(ben.address)
            async with node(tmp_path, "ben") as ben:
                second = await ann.connections.connect(ben.address)
                assert second.peer_id == first.peer_id
                assert second.addr != first.addr
                assert len(ann.peers) == 1

    run(scenario)


def test_a_peer_at_a_new_address_before_the_old_session_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            node(tmp_path, "ann") as ann,
            node(tmp_path, "ben") as old,
            node(tmp_path, "ben") as new,
        ):
            await old.connections.connect(ann.address)
            await new.connections.connect(ann.address)
            await ann.told(messages.PeerConnected, 2)
            told = [event.addr for event in ann.of(messages.PeerConnected)]
            assert told == [str(old.address), str(new.address)]
            assert [peer.addr for peer in ann.peers.all()] == [new.address]
            await old.told(messages.PeerDisconnected)
            assert ann.of(messages.PeerDisconnected) == []

    run(scenario)


async def error_of(node: Node, address: Address) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await node.connections.connect(address)
    assert "\n" not in str(caught.value)
    return caught.value


def test_nobody_connects_to_himself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ann") as same_key:
            for address in (ann.address, same_key.address):  # by address, and by the key it shows
                error = await error_of(ann, address)
                assert error.code == "self-connect"
                assert "cannot connect peer to itself" in str(error)
            assert len(ann.peers) == 0
        # By its address alone: nobody listens there any more.
        assert (await error_of(ann, ann.address)).code == "self-connect"

    run(scenario)


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


def test_a_peer_lost_before_its_library_came_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "LIBRARY_TIMEOUT_S", 1000.0)
    eve = make_party(tmp_path, "eve")

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handshake.accept_handshake(reader, writer, eve)
        writer.close()

    async def scenario() -> None:
        tls = tls_of(eve)
        server = await asyncio.start_server(reply, "127.0.0.1", 0, ssl=tls)
        async with node(tmp_path, "ann") as ann:
            error = await error_of(ann, Address(*server.sockets[0].getsockname()))
            assert error.code == "handshake-failed"
        server.close()

    run(scenario)


def test_after_closing_nobody_is_taken_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            await ann.connections.close()
            reader, writer = await asyncio.open_connection(*ann.address)
            writer.write(b"\x16\x03\x01")
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(scenario)
