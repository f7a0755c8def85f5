"""Takes in what other peers say they have, and keeps account of how far each is."""

from collections.abc import Sequence
from typing import NamedTuple

from sync_cli.decide import Verdict, judge, offered
from sync_cli.model import Entry, includes
from sync_cli.peers import PeerState
from sync_cli.site import Site


class IndexRenewedError(Exception):
    """This index lost what it had told a peer, and goes on under a new id: say hello again."""


class Met(NamedTuple):
    """Where to go on: with their changes after `theirs`, and with ours after `ours`."""

    theirs: int
    ours: int


class Exchange:
    """What is known of other peers and of what they have. Applies nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def meet(self, peer_id: str, index_id: str, taken_of_ours: tuple[str, int]) -> Met:
        """Take in a peer's hello: its index, and how much of ours it has taken.

        Raises IndexRenewedError when it has taken more than we have.
        """
        site = self._site
        with site.lock, site.database.transaction():
            known = site.peers.get(peer_id)
            of_ours, taken_by_them = taken_of_ours
            if of_ours != site.database.index_id:
                taken_by_them = 0
            taken, settled = (known.taken, known.their_settled) if known else (0, 0)
            if known is not None and known.index_id != index_id:
                site.wants.forget(known.number)
                taken = 0
            settled = min(settled, taken_by_them)
            site.peers.put(peer_id, index_id, taken, settled, site.now_ns())
            renewed = taken_by_them > site.database.sequence
            if renewed:
                site.database.renew()
        if renewed:
            raise IndexRenewedError
        return Met(taken, taken_by_them)

    def take(self, peer_id: str, entries: Sequence[tuple[int, Entry]], upto: int) -> None:
        """Take in a part of a peer's changes; all up to number `upto` is taken when it returns.

        Raises KeyError for a peer that has not been met.
        """
        site = self._site
        with site.lock, site.database.transaction(durable=False):
            peer = site.peers.get(peer_id)
            if peer is None:
                raise KeyError(peer_id)
            for sequence, entry in entries:
                self._take(peer, sequence, entry)
            taken = max(peer.taken, upto)
            site.peers.put(peer_id, peer.index_id, taken, peer.their_settled, site.now_ns())
        site.changed()

    def settled(self, peer_id: str) -> int:
        """Return the peer's number up to which everything of it is in force here."""
        peer = self._site.peers.get(peer_id)
        if peer is None:
            return 0
        first = self._site.wants.first(peer.number)
        return peer.taken if first is None else min(first - 1, peer.taken)

    def peer_settled(self, peer_id: str, sequence: int) -> None:
        """Note that a peer has everything of ours up to a number."""
        site = self._site
        with site.lock:
            peer = site.peers.get(peer_id)
            if peer is not None and sequence != peer.their_settled:
                site.peers.put(peer_id, peer.index_id, peer.taken, sequence, site.now_ns())
                site.changed()

    def expire(self, connected: frozenset[str]) -> None:
        """Forget peers that were away too long, and deletions that everybody else knows of."""
        site = self._site
        with site.lock, site.database.transaction():
            site.note_time()
            horizon = site.now_ns() - site.options.tombstone_ns
            known = []
            for peer in site.peers.all():
                if peer.peer_id in connected:
                    site.peers.put(*peer[1:5], seen_ns=site.now_ns())
                    known.append(peer)
                elif peer.seen_ns < horizon:
                    site.wants.forget(peer.number)
                    site.peers.forget(peer.number)
                else:
                    known.append(peer)
            acknowledged = min(
                (peer.their_settled for peer in known), default=site.database.sequence
            )
            for row in site.index.tombstones(acknowledged):
                if row.entry.edited_ns < horizon:
                    site.index.drop(row.entry.path)
            site.history.forget(horizon)

    def in_step(self) -> bool:
        """Tell whether all of every known peer is in force here, and ours there."""
        site = self._site
        with site.lock:
            sequence = site.database.sequence
            return not site.wants.exist() and all(
                peer.their_settled >= sequence for peer in site.peers.all()
            )

    def _take(self, peer: PeerState, sequence: int, entry: Entry) -> None:
        site = self._site
        row = site.index.row(entry.path)
        ours = row.entry if row else None
        if ours is None and not entry.alive and self._is_expired(entry):
            site.wants.remove(peer.number, entry.path)
        elif judge(ours, entry) is not Verdict.KEEP:
            ignored = site.covers(entry.path, entry.kind)
            theirs = offered(ours, entry)
            site.wants.add(peer.number, sequence, theirs, ignored=ignored)
        else:
            site.wants.remove(peer.number, entry.path)
            if row is None or row.sequence > peer.their_settled:
                return
            if not includes(entry.version, row.entry.version):
                # It had this once and has forgotten it, so it has to hear of it again.
                site.index.renumber(entry.path, site.database.next_sequence())

    def _is_expired(self, tombstone: Entry) -> bool:
        age = self._site.now_ns() - tombstone.edited_ns
        return age > self._site.options.tombstone_ns
