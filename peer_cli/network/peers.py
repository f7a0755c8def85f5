"""The table of known peers: one entry per peer id, whatever its addresses and sessions.

A peer is known while it has a session. Both sides may connect at once, and a restarted peer may
connect before its old connection is found dead. So an entry may hold several sessions, and the
newest one represents the peer.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from headless.envelope import Event
from network.address import Address
from peer_cli import messages
from peer_cli.catalog import Catalog
from peer_cli.network import wire
from peer_cli.network.session import EndReason, Session

MAX_LIBRARY_BYTES = 32 << 20
MAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 20
_GAME_BYTES = 200  # of memory, per game besides its texts


@dataclass(slots=True)
class KnownPeer:
    """A peer with its newest library; `sessions` has the oldest first and is never empty."""

    peer_id: str
    name: str
    sessions: list[Session] = field(default_factory=list)
    games: dict[str, wire.Game] = field(default_factory=dict)
    library_bytes: int = 0  # of memory, estimated

    @property
    def session(self) -> Session:
        """The newest session, which represents the peer."""
        return self.sessions[-1]

    @property
    def addr(self) -> Address:
        """Where the peer listens, according to the newest session."""
        return self.session.addr


def is_source(game: wire.Game | None, catalog: Catalog) -> bool:
    """Tell whether a peer's game is eligible: `Ready` at exactly the catalog's version."""
    if game is None or game.id not in catalog:
        return False
    return game.availability == "Ready" and game.version == catalog[game.id].version


def _total_bytes(peers: list[KnownPeer]) -> int:
    return sum(peer.library_bytes for peer in peers)


def _bytes_of(games: list[wire.Game]) -> int:
    return sum(
        _GAME_BYTES + sum(map(sys.getsizeof, (game.id, game.version, game.availability)))
        for game in games
    )


class KnownPeers:
    """The table of known peers. Emits one event per change, in order."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._peers: dict[str, KnownPeer] = {}
        self._watchers: set[Callable[[], None]] = set()

    def __len__(self) -> int:
        return len(self._peers)

    def all(self) -> list[KnownPeer]:
        """Return the known peers in order of their addresses."""
        return sorted(self._peers.values(), key=lambda peer: peer.addr.sort_key())

    def get(self, peer_id: str) -> KnownPeer | None:
        """Return the entry of an id, None if it is unknown."""
        return self._peers.get(peer_id)

    def sources(self, game_id: str, catalog: Catalog) -> list[KnownPeer]:
        """Return the eligible sources of a game in ascending order of (IP, port)."""
        return [peer for peer in self.all() if is_source(peer.games.get(game_id), catalog)]

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` after each change; returns a function that ends this."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def add(self, session: Session) -> None:
        """Add a session whose handshake is complete."""
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
        for old in superseded:  # no event: the peer has a newer session
            old.abort("connection-lost")
        self._changed()

    def remove(self, session: Session, reason: EndReason) -> None:
        """Remove an ended session, and the peer with its last session.

        A goodbye comes from the peer, not the session, so it ends all sessions.
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

    def update_library(self, session: Session, games: list[wire.Game]) -> list[KnownPeer]:
        """Replace a peer's library; emits an event only if it changed.

        Returns the peers that must be dropped because all libraries together are now too large.
        """
        peer = self._peers.get(session.peer_id)
        if peer is None or session not in peer.sessions:
            return []
        library = {game.id: game for game in games}
        if library == peer.games and session.library_known.is_set():
            return []
        peer.games = library
        peer.library_bytes = _bytes_of(games)
        self._emit(messages.RemoteLibraryChanged(peer_id=peer.peer_id, game_count=len(peer.games)))
        self._changed()
        return self._over_limit(peer)

    def _over_limit(self, newest: KnownPeer) -> list[KnownPeer]:
        """Return the peers to drop after the newest change, by the memory of their libraries.

        If an address has too much, that is the peer that changed. If all together have too much, it
        is the peer with the largest library, of the address that has the most.
        """
        crowds: dict[str, list[KnownPeer]] = {}
        for peer in self._peers.values():
            crowds.setdefault(peer.addr.ip, []).append(peer)
        own = crowds[newest.addr.ip]
        leaving: list[KnownPeer] = []
        if _total_bytes(own) > MAX_LIBRARY_BYTES_PER_ADDRESS:
            own.remove(newest)
            leaving.append(newest)
        while sum(map(_total_bytes, crowds.values())) > MAX_LIBRARY_BYTES:
            crowd = max(crowds.values(), key=_total_bytes)
            leaving.append(max(crowd, key=lambda peer: peer.library_bytes))
            crowd.remove(leaving[-1])
        return leaving

    def _changed(self) -> None:
        for watcher in list(self._watchers):
            watcher()
