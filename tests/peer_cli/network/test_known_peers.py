import asyncio
from dataclasses import dataclass, field
from typing import cast

from headless.envelope import Event
from network.address import Address
from network.handshake import RemoteParty
from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.network import wire
from peer_cli.network.peers import KnownPeer, KnownPeers, is_source
from peer_cli.network.session import EndReason, Session

CATALOG = {"g": CatalogEntry("g", "2"), "h": CatalogEntry("h", "1")}


def game(game_id: str = "g", version: str | None = "2", availability: str = "Ready") -> wire.Game:
    return wire.Game(
        id=game_id,
        version=version,
        availability=availability,
        downloaded=True,
        installed=False,
        size=5,
    )


@dataclass(eq=False)
class FakeSession:
    """What the table asks of a session."""

    remote: RemoteParty
    addr: Address
    outbound: bool
    library_known: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: list[EndReason] = field(default_factory=list)

    @property
    def peer_id(self) -> str:
        return self.remote.peer_id

    def abort(self, reason: EndReason) -> None:
        self.aborted.append(reason)


def a_session(
    peer_id: str = "p", port: int = 1, *, name: str = "P", ip: str = "1.1.1.1", out: bool = True
) -> FakeSession:
    return FakeSession(RemoteParty(peer_id, name, port), Address(ip, port), out)


class Table:
    """A table and the events it told since they were last looked at."""

    def __init__(self) -> None:
        self._told: list[Event] = []
        self.peers = KnownPeers(self._told.append)

    def add(self, session: FakeSession) -> None:
        self.peers.add(cast("Session", session))

    def remove(self, session: FakeSession, reason: EndReason = "connection-lost") -> None:
        self.peers.remove(cast("Session", session), reason)

    def library(self, session: FakeSession, *games: wire.Game) -> list[KnownPeer]:
        leaving = self.peers.update_library(cast("Session", session), list(games))
        session.library_known.set()
        return leaving

    def told(self) -> list[Event]:
        told, self._told[:] = list(self._told), []
        return told


def connected(
    session: FakeSession, name: str = "P", port: int | None = None
) -> messages.PeerConnected:
    return messages.PeerConnected(peer_id=session.peer_id, name=name, addr=str(session.addr))


def gone(session: FakeSession, reason: EndReason) -> messages.PeerDisconnected:
    return messages.PeerDisconnected(
        peer_id=session.peer_id, name="P", addr=str(session.addr), reason=reason
    )


def test_a_peer_comes_and_goes() -> None:
    table = Table()
    one = a_session()
    table.add(one)
    assert table.told() == [connected(one)]
    assert [peer.peer_id for peer in table.peers.all()] == ["p"]
    table.remove(one, "timeout")
    assert table.told() == [gone(one, "timeout")]
    assert len(table.peers) == 0
    assert table.peers.get("p") is None


def test_removing_twice_or_a_stranger_is_nothing() -> None:
    table = Table()
    one = a_session()
    table.add(one)
    table.remove(one)
    table.told()
    table.remove(one)
    table.remove(a_session("stranger"))
    assert table.told() == []


def test_two_sessions_of_one_peer_are_one_peer() -> None:
    """Both sides have connected at once: neither session is cut, the peer stays until both end."""
    table = Table()
    ours, theirs = a_session(out=True), a_session(out=False)
    table.add(ours)
    table.add(theirs)
    assert table.told() == [connected(ours)]
    assert len(table.peers) == 1
    assert ours.aborted == theirs.aborted == []
    table.remove(ours)
    assert table.told() == []
    assert len(table.peers) == 1
    table.remove(theirs)
    assert table.told() == [gone(theirs, "connection-lost")]


def test_a_goodbye_ends_all_sessions() -> None:
    table = Table()
    ours, theirs = a_session(out=True), a_session(out=False)
    table.add(ours)
    table.add(theirs)
    table.told()
    table.remove(ours, "goodbye")
    assert table.told() == [gone(ours, "goodbye")]
    assert theirs.aborted == ["goodbye"]
    table.remove(theirs, "goodbye")  # its end comes too
    assert table.told() == []


def test_a_newer_session_of_the_same_direction_takes_over() -> None:
    """The peer came back before its old connection was found dead: that is no loss."""
    table = Table()
    old, new = a_session(), a_session()
    table.add(old)
    table.library(old, game())
    table.told()
    table.add(new)
    assert old.aborted == ["connection-lost"]
    table.remove(old)
    assert table.told() == []
    peer = table.peers.get("p")
    assert peer is not None
    assert peer.session is cast("Session", new)
    assert peer.games == {"g": game()}


def test_a_new_address_is_told_and_is_the_one_that_counts() -> None:
    table = Table()
    old, new = a_session(port=1), a_session(port=2, name="Q")
    table.add(old)
    table.add(new)
    assert table.told() == [connected(old), connected(new, name="Q")]
    peer = table.peers.get("p")
    assert peer is not None
    assert (peer.addr, peer.name) == (Address("1.1.1.1", 2), "Q")
    table.remove(old)
    assert table.told() == []


def test_libraries_are_told_when_they_differ() -> None:
    table = Table()
    one = a_session()
    table.add(one)
    table.told()
    changed = messages.RemoteLibraryChanged
    table.library(one)
    assert table.told() == [changed(peer_id="p", game_count=0)]  # the first one, though empty
    table.library(one, game())
    assert table.told() == [changed(peer_id="p", game_count=1)]
    table.library(one, game())
    assert table.told() == []
    table.library(one, game(version="3"))
    assert table.told() == [changed(peer_id="p", game_count=1)]
    table.library(one)
    assert table.told() == [changed(peer_id="p", game_count=0)]


def test_a_session_that_is_over_changes_no_library() -> None:
    table = Table()
    one, other = a_session(), a_session("q")
    table.add(one)
    table.add(other)
    table.remove(one)
    table.told()
    table.library(one, game())
    assert table.told() == []
    assert table.peers.sources("g", CATALOG) == []


def test_peers_are_in_order_of_their_addresses_as_numbers() -> None:
    table = Table()
    addresses = [("10.0.0.10", 5), ("10.0.0.9", 80), ("10.0.0.9", 9), ("9.0.0.200", 1), ("::1", 1)]
    for number, (ip, port) in enumerate(addresses):
        table.add(a_session(str(number), port, ip=ip))
    assert [peer.addr for peer in table.peers.all()] == [
        ("9.0.0.200", 1), ("10.0.0.9", 9), ("10.0.0.9", 80), ("10.0.0.10", 5), ("::1", 1),
    ]  # fmt: skip


def test_the_rule_of_the_catalog() -> None:
    assert is_source(game(), CATALOG)
    assert not is_source(None, CATALOG)
    assert not is_source(game(version="1"), CATALOG)
    assert not is_source(game(version="2 "), CATALOG)
    assert not is_source(game(version=None), CATALOG)
    assert not is_source(game(availability="LocalOnly"), CATALOG)
    assert not is_source(game(availability="ready"), CATALOG)
    assert not is_source(game("unknown"), CATALOG)


def test_only_eligible_peers_are_sources_in_order() -> None:
    table = Table()
    offers = {"a": game(version="1"), "b": game(), "c": game("h", "1"), "d": game()}
    for number, (peer_id, offer) in enumerate(offers.items()):
        session = a_session(peer_id, 10 - number)
        table.add(session)
        table.library(session, offer)
    assert [peer.peer_id for peer in table.peers.sources("g", CATALOG)] == ["d", "b"]
    assert [peer.peer_id for peer in table.peers.sources("h", CATALOG)] == ["c"]
    assert table.peers.sources("unknown", CATALOG) == []


def test_watchers_are_called_at_each_change_until_they_stop() -> None:
    table = Table()
    counts: list[int] = []
    stop = table.peers.watch(lambda: counts.append(len(table.peers)))
    one = a_session()
    table.add(one)
    table.library(one, game())
    table.remove(one)
    assert counts == [1, 1, 0]
    stop()
    stop()
    table.add(a_session())
    assert counts == [1, 1, 0]


def test_a_watcher_may_stop_itself_while_it_is_called() -> None:
    table = Table()
    calls: list[int] = []

    def stop_all() -> None:
        calls.append(len(table.peers))
        for stop in stops:
            stop()

    stops = [table.peers.watch(stop_all)]
    table.add(a_session())
    table.add(a_session("q"))
    assert calls == [1]


def crowd(table: Table, ip: str, count: int, size: int) -> list[str]:
    """Let peers of one address tell libraries of about so many bytes; return who has to leave."""
    leaving: list[str] = []
    for number in range(count):
        one = a_session(f"{ip}-{number}", number + 1, ip=ip)
        table.add(one)
        told = [game(f"g{n}", version="v" * 800) for n in range(size // 1000)]
        for peer in table.library(one, *told):
            leaving.append(peer.peer_id)
            table.peers.remove(peer.session, "connection-lost")
    return leaving


def test_the_libraries_of_one_address_are_bounded() -> None:
    table = Table()
    assert crowd(table, "1.1.1.1", 9, 1_000_000) == ["1.1.1.1-7", "1.1.1.1-8"]
    assert crowd(table, "2.2.2.2", 1, 1_000_000) == []


def test_of_all_libraries_the_largest_of_the_largest_crowd_goes() -> None:
    table = Table()
    for last in range(1, 5):
        assert crowd(table, f"1.1.1.{last}", 7, 1_000_000) == []
    for number in range(3):
        (leaving,) = crowd(table, f"2.2.2.{number}", 1, 1_900_000)[:1]
        assert leaving.startswith("1.1.1.")
    assert {peer.addr.ip for peer in table.peers.all()} >= {"2.2.2.0", "2.2.2.1", "2.2.2.2"}
