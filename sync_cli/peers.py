"""The peers that are known, and how far each is."""

from typing import NamedTuple

from sync_cli.database import Database


class PeerState(NamedTuple):
    """A known peer.

    `taken` is the last of its sequence numbers that was taken in here; `their_settled` the last of
    ours of which it said that it has everything; `seen_ns` when it was last met (unix ns).
    """

    number: int
    peer_id: str
    index_id: str
    taken: int
    their_settled: int
    seen_ns: int


class Known(NamedTuple):
    """A known peer: how much of its index is taken and in force here, and of ours there.

    `seen_ns` is when it was last heard of (unix ns).
    """

    peer_id: str
    index_id: str
    taken: int
    settled: int
    their_settled: int
    seen_ns: int


class Peers:
    """The table of known peers. Every method raises IndexTrouble."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[PeerState]:
        """Return all known peers."""
        return [
            PeerState(*row) for row in self._database.rows("SELECT * FROM peers ORDER BY number")
        ]

    def get(self, peer_id: str) -> PeerState | None:
        """Return what is known of a peer."""
        rows = self._database.rows("SELECT * FROM peers WHERE peer_id = ?", peer_id)
        return PeerState(*rows[0]) if rows else None

    def put(
        self, peer_id: str, index_id: str, taken: int, their_settled: int, seen_ns: int
    ) -> None:
        """Set what is known of a peer."""
        self._database.rows(
            "INSERT INTO peers(peer_id, index_id, taken, their_settled, seen_ns) "
            "VALUES (?,?,?,?,?) ON CONFLICT(peer_id) DO UPDATE SET index_id=excluded.index_id, "
            "taken=excluded.taken, their_settled=excluded.their_settled, seen_ns=excluded.seen_ns",
            *(peer_id, index_id, taken, their_settled, seen_ns),
        )

    def forget(self, peer: int) -> None:
        """Forget a peer."""
        self._database.rows("DELETE FROM peers WHERE number = ?", peer)
