"""Whole control sessions between peers of one process: real sockets, real TLS."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from network import handshake
from network.address import Address
from peer_cli import messages
from peer_cli.network import connections as connections_module
from peer_cli.network import wire
from peer_cli.network.session import DeniedError
from tests.peer_cli.network.nodes import GAME, error_of, node
from tests.peer_cli.network.tls_pair import admit_all, make_party, run, tls_of


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


def test_nobody_is_taken_up_while_nobody_reads_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            ben.reader.open.clear()
            async with asyncio.TaskGroup() as group:
                group.create_task(ann.connections.connect(ben.address))
                await ben.reader.asked.wait()
                assert ben.events == []
                assert ben.peers.all() == []
                ben.reader.open.set()
            await ben.told(messages.PeerConnected)

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
            session._outbox.abort()
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


def test_a_listener_on_all_of_ipv6_knows_who_called_over_ipv4(tmp_path: Path) -> None:
    """Both sides of a session that an IPv6 socket tells as `::ffff:…` have IPv4 addresses."""

    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "all", listen="::") as everywhere:
            reached = Address("127.0.0.1", everywhere.address.port)
            session = await ann.connections.connect(reached)
            await everywhere.told(messages.RemoteLibraryChanged)
            (caller,) = everywhere.peers.all()
            assert caller.addr == ann.address
            assert caller.session.local_ip == "127.0.0.1"  # from where it would fetch
            assert session.local_ip == "127.0.0.1"

    run(scenario)


@pytest.mark.parametrize(
    "address", [Address("0.0.0.0", 4000), Address("::", 4000), Address("1.2.3.4", 0)]
)
def test_nobody_is_at_any_address(tmp_path: Path, address: Address) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann:
            error = await error_of(ann, address)
            assert error.code == "bad-address"

    run(scenario)


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


def test_a_peer_lost_before_its_library_came_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "LIBRARY_TIMEOUT_S", 1000.0)
    eve = make_party(tmp_path, "eve")

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handshake.accept_handshake(reader, writer, eve, admit_all)
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


def test_of_many_changes_at_once_the_last_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            await ben.connections.connect(ann.address)
            for number in range(200):
                ann.games = [msgspec.structs.replace(GAME, version=str(number))]
                ann.connections.broadcast_library()
                await asyncio.sleep(0)
            while ben.peers.all()[0].games.get("g") != ann.games[0]:
                await ben.told(messages.RemoteLibraryChanged, len(ben.events))
            assert len(ben.of(messages.RemoteLibraryChanged)) < 20

    run(scenario)


def test_large_answers_have_places_by_address(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with node(tmp_path, "ann") as ann, node(tmp_path, "ben") as ben:
            session = await ann.connections.connect(ben.address)
            with contextlib.ExitStack() as taken:
                for _ in range(connections_module.MAX_LARGE_PER_ADDRESS):
                    taken.enter_context(ann.connections.large_answer(session))
                with pytest.raises(DeniedError) as caught, ann.connections.large_answer(session):
                    pass
                assert caught.value.code == "busy"
            with ann.connections.large_answer(session):
                pass

    run(scenario)
