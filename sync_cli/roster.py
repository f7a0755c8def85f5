"""What a tracker knows of the peers' files: entries without block hashes, by peer. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from sync_cli.model import Entry, includes

MAX_ENTRIES = 2_000_000  # of all peers together


class RosterFullError(Exception):
    """The peers have more files than a tracker can know."""


class Row(NamedTuple):
    """The newest entry of a path, and the ids of those who have it."""

    entry: Entry
    holders: list[str]


class Roster:
    """The entries of each connected peer."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[bytes, Entry]] = {}
        self._count = 0
        self._alive: Counter[bytes] = Counter()  # how many have anything at a path

    def take(self, peer_id: str, entries: Iterable[Entry]) -> None:
        """Enter what a peer has now. Raises RosterFullError."""
        known = self._entries.setdefault(peer_id, {})
        for entry in entries:
            older = known.get(entry.path)
            self._count += older is None
            if self._count > MAX_ENTRIES:
                self.forget(peer_id)
                raise RosterFullError(f"The peers have more than {MAX_ENTRIES} files together.")
            self._drop(older)
            if entry.alive:
                self._alive[entry.path] += 1
            known[entry.path] = msgspec.structs.replace(entry, blocks=b"")

    def forget(self, peer_id: str) -> None:
        """Remove what a peer has."""
        known = self._entries.pop(peer_id, {})
        self._count -= len(known)
        for entry in known.values():
            self._drop(entry)

    def of(self, peer_id: str) -> Iterable[Entry]:
        """Return what a peer has."""
        return self._entries.get(peer_id, {}).values()

    def count(self) -> int:
        """Return how many files, folders and links there are."""
        return len(self._alive)

    def rows(self, prefix: bytes) -> Iterator[Row]:
        """Yield the row of each path below a prefix at which anything is, sorted by path."""
        paths = {
            path for known in self._entries.values() for path in known if path.startswith(prefix)
        }
        for path in sorted(paths):
            row = self._row(path)
            if row.entry.alive:
                yield row

    def _drop(self, entry: Entry | None) -> None:
        if entry is not None and entry.alive:
            self._alive[entry.path] -= 1
            if not self._alive[entry.path]:
                del self._alive[entry.path]

    def _row(self, path: bytes) -> Row:
        found = [(one, known[path]) for one, known in self._entries.items() if path in known]
        newest = found[0][1]
        for _, entry in found:
            if includes(entry.version, newest.version):
                newest = entry
        return Row(newest, [one for one, entry in found if entry.version == newest.version])
