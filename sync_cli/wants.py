"""What others have that should be here."""

from typing import NamedTuple

import msgspec

from sync_cli.database import Database, join, split
from sync_cli.model import Entry

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Wanted(NamedTuple):
    """A version that a peer has and that should be here. `why` tells what is in its way."""

    entry: Entry
    peer: int
    ignored: bool
    why: str | None


class Wants:
    """The table of what should be here. Every method raises IndexTrouble.

    A row is there for each peer whose version of a path supersedes or beats the one here, so the
    table is empty when all is in step. What is to be done at a path depends on all of its rows, so
    whenever one comes, changes or goes, `settle` looks at the path again, whatever was in its way.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, peer: int, sequence: int, entry: Entry, *, ignored: bool) -> None:
        """Note that a peer has what should be here, and look at the path again."""
        self.look_again(entry.path)
        self._database.rows(
            "INSERT OR REPLACE INTO needs VALUES (?,?,?,?,?,?,?,1,?,NULL,?)",
            *split(entry.path),
            peer,
            sequence,
            entry.kind,
            entry.hash,
            entry.size,
            ignored,
            _encode(entry),
        )

    def remove(self, peer: int, path: bytes) -> None:
        """Note that a peer has nothing at a path that should be here."""
        rows = (*split(path), peer)
        self._database.rows("DELETE FROM needs WHERE folder = ? AND name = ? AND peer = ?", *rows)
        self.look_again(path)

    def of(self, path: bytes) -> list[Wanted]:
        """Return what peers have at a path and should be here."""
        rows = self._database.rows(
            "SELECT entry, peer, ignored, why FROM needs WHERE folder = ? AND name = ?",
            *split(path),
        )
        return [
            Wanted(_decode(blob), peer, bool(ignored), why) for blob, peer, ignored, why in rows
        ]

    def ready(self) -> list[bytes]:
        """Return the paths that nobody has looked at since they became wanted.

        Files whose bytes must come from others are not among them.
        """
        self._database.rows(
            "UPDATE needs SET ready = 0 WHERE ready = 1 AND kind = 1 AND size > 0 AND NOT EXISTS "
            "(SELECT 1 FROM files WHERE files.hash = needs.hash AND files.kind = 1)"
        )
        rows = self._database.rows(
            "SELECT DISTINCT folder, name FROM needs WHERE ready = 1 AND ignored = 0"
        )
        return [join(*row) for row in rows]

    def fetchable(self, after: bytes, limit: int) -> list[bytes]:
        """Return paths of files whose bytes must come from others, in order, after a path."""
        rows = self._database.rows(
            "SELECT DISTINCT folder, name FROM needs WHERE (folder, name) > (?, ?) "
            "AND ready = 0 AND ignored = 0 AND why IS NULL AND kind = 1 "
            "ORDER BY folder, name LIMIT ?",
            *split(after),
            limit,
        )
        return [join(*row) for row in rows]

    def all(self, after: bytes, limit: int) -> list[bytes]:
        """Return all paths at which something should be here, in order, after a path."""
        rows = self._database.rows(
            "SELECT DISTINCT folder, name FROM needs WHERE (folder, name) > (?, ?) "
            "ORDER BY folder, name LIMIT ?",
            *split(after),
            limit,
        )
        return [join(*row) for row in rows]

    def amount_to(self, peer: int, entry: Entry) -> None:
        """Note what a peer's version of a path amounts to by now."""
        self._database.rows(
            "UPDATE needs SET kind = ?, hash = ?, size = ?, entry = ? "
            "WHERE folder = ? AND name = ? AND peer = ?",
            entry.kind,
            entry.hash,
            entry.size,
            _encode(entry),
            *split(entry.path),
            peer,
        )
        self.look_again(entry.path)

    def look_again(self, path: bytes) -> None:
        """Note that `settle` has to look at a path, whatever was in its way."""
        self._database.rows(
            "UPDATE needs SET ready = 1, why = NULL WHERE folder = ? AND name = ?", *split(path)
        )

    def leave_to_fetch(self, path: bytes) -> None:
        """Note that the bytes of the file that should be at a path must come from others."""
        self._database.rows(
            "UPDATE needs SET ready = 0, why = NULL WHERE folder = ? AND name = ?", *split(path)
        )

    def put_off(self, path: bytes, why: str) -> None:
        """Note what is in the way of a path, until `retry` or a change of its rows."""
        self._database.rows(
            "UPDATE needs SET ready = 0, why = ? WHERE folder = ? AND name = ?", why, *split(path)
        )

    def wait_for_room(self, path: bytes, why: str) -> None:
        """Note that the disk is full: a file is fetched when there is room, the rest put off."""
        self._database.rows(
            "UPDATE needs SET ready = 0, why = CASE kind WHEN 1 THEN NULL ELSE ? END "
            "WHERE folder = ? AND name = ?",
            why,
            *split(path),
        )

    def retry(self, *why: str) -> None:
        """Look again at every path that had one of these in its way."""
        marks = ",".join("?" * len(why))
        self._database.rows(
            f"UPDATE needs SET ready = 1, why = NULL WHERE why IN ({marks})",  # noqa: S608
            *why,
        )

    def retry_all(self) -> None:
        """Look again at every path that had anything in its way."""
        self._database.rows("UPDATE needs SET ready = 1, why = NULL WHERE why IS NOT NULL")

    def set_ignored(self, path: bytes, *, ignored: bool) -> None:
        """Set whether a path is ignored here."""
        self._database.rows(
            "UPDATE needs SET ready = 1, ignored = ? WHERE folder = ? AND name = ?",
            ignored,
            *split(path),
        )

    def exist(self) -> bool:
        """Tell whether anything should be here that is not."""
        return bool(self._database.rows("SELECT 1 FROM needs WHERE ignored = 0 LIMIT 1"))

    def first(self, peer: int) -> int | None:
        """Return the lowest sequence number among what a peer has and should be here."""
        rows = self._database.rows(
            "SELECT MIN(sequence) FROM needs WHERE peer = ? AND ignored = 0", peer
        )
        number: int | None = rows[0][0]
        return number

    def forget(self, peer: int) -> None:
        """Forget what a peer has."""
        paths = self._database.rows("SELECT folder, name FROM needs WHERE peer = ?", peer)
        self._database.rows("DELETE FROM needs WHERE peer = ?", peer)
        for path in paths:
            self.look_again(join(*path))
