"""Who is known: one entry per peer id, whatever addresses and sessions it had.

A peer is known while it has a session. Both sides may have connected at once, and a peer that came
back may be here before its old connection is found dead; so an entry holds sessions, and the
newest speaks for the peer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from peer_cli import messages
from peer_cli.catalog import Catalog
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.session import EndReason, Session


@dataclass(slots=True)
class KnownPeer:
    """A peer with its newest library; `sessions` are in order of age and never empty."""

    peer_id: str
    name: str
    sessions: list[Session] = field(default_factory=list)
    games: dict[str, wire.Game] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        """The session that speaks for the peer."""
        return self.sessions[-1]

    @property
    def addr(self) -> Address:
        """Where the peer listens, as the newest session knows."""
        return self.session.addr


def is_source(game: wire.Game | None, catalog: Catalog) -> bool:
    """Apply the rule of the catalog: `Ready` at exactly the catalog's version."""
    if game is None or game.id not in catalog:
        return False
    return game.availability == "Ready" and game.version == catalog[game.id].version


class KnownPeers:
    """The table of known peers. Changes are told by events, in order, once each."""

    def __init__(self, emit: Callable[[messages.Event], None]) -> None:
        self._emit = emit
        self._peers: dict[str, KnownPeer] = {}
        self._watchers: set[Callable[[], None]] = set()

    def __len__(self) -> int:
        return len(self._peers)

    def all(self) -> list[KnownPeer]:
        """Return the known peers in order of their addresses."""
        return sorted(self._peers.values(), key=lambda peer: peer.addr.sort_key())

    def get(self, peer_id: str) -> KnownPeer | None:
        """Return the entry of an id, if it is known."""
        return self._peers.get(peer_id)

    def sources(self, game_id: str, catalog: Catalog) -> list[KnownPeer]:
        """Return the eligible sources of a game in ascending order of (IP, port)."""
        return [peer for peer in self.all() if is_source(peer.games.get(game_id), catalog)]

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` after each change; returns what ends that."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def add(self, session: Session) -> None:
        """Take up a session whose handshake is done."""
        peer = self._peers.get(session.peer_id)
        known_addr = peer.addr if peer is not None else None
        if peer is None:
            peer = self._peers[session.peer_id] = KnownPeer(session.peer_id, session.remote.name)
        superseded = [old for old in peer.sessions if old.outbound == session.outbound]
        peer.sessions.append(session)
        peer.name = session.remote.name
        if known_addr != session.addr:
            self._emit(
                messages.PeerConnected(peer_id=peer.peer_id, name=peer.name, addr=str(session.addr))
            )
        for old in superseded:  # its end is no loss: the peer has a newer one
            old.abort("connection-lost")
        self._changed()

    def remove(self, session: Session, reason: EndReason) -> None:
        """Drop an ended session, and the peer with its last one.

        A goodbye is the peer's, not the session's: it ends them all.
        """
        peer = self._peers.get(session.peer_id)
        if peer is None or session not in peer.sessions:
            return
        others = [other for other in peer.sessions if other is not session]
        if others and reason != "goodbye":
            peer.sessions = others
            return
        del self._peers[session.peer_id]
        for other in others:
            other.abort("goodbye")
        self._emit(
            messages.PeerDisconnected(
                peer_id=peer.peer_id, name=peer.name, addr=str(session.addr), reason=reason
            )
        )
        self._changed()

    def update_library(self, session: Session, games: list[wire.Game]) -> None:
        """Take what a peer advertises; told only when it differs from before."""
        peer = self._peers.get(session.peer_id)
        if peer is None or session not in peer.sessions:
            return
        library = {game.id: game for game in games}
        if library == peer.games and session.library_known.is_set():
            return
        peer.games = library
        self._emit(messages.RemoteLibraryChanged(peer_id=peer.peer_id, game_count=len(peer.games)))
        self._changed()

    def _changed(self) -> None:
        for watcher in list(self._watchers):
            watcher()
