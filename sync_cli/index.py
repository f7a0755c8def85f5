"""The index: what is at each path here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from sync_cli.database import Database, join, split
from sync_cli.model import Entry, Kind
from sync_cli.tree import Stamp

_ROW = "SELECT sequence, entry, size, mtime_ns, ctime_ns, inode FROM files "

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Row(NamedTuple):
    """What is at a path here: `stamp` identifies the version on disk, if there is one."""

    entry: Entry
    sequence: int
    stamp: Stamp | None


class Index:
    """The table of what is here. Every method raises IndexTrouble."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def row(self, path: bytes) -> Row | None:
        """Return what is known of a path here."""
        rows = self._database.rows(_ROW + "WHERE folder = ? AND name = ?", *split(path))
        return _row(rows[0]) if rows else None

    def put(self, entry: Entry, stamp: Stamp | None, sequence: int) -> None:
        """Set what is at a path, and drop what others have of it and is now no better."""
        self._database.rows(
            "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,?,?)",
            *split(entry.path),
            sequence,
            entry.kind,
            *(stamp or (None,) * 4),
            entry.hash,
            _encode(entry),
        )

    def restamp(self, path: bytes, stamp: Stamp) -> None:
        """Note that the disk's own numbers of a path changed, but not its content."""
        self._database.rows(
            "UPDATE files SET size=?, mtime_ns=?, ctime_ns=?, inode=? WHERE folder=? AND name=?",
            *stamp,
            *split(path),
        )

    def drop(self, path: bytes) -> None:
        """Forget a path altogether."""
        self._database.rows("DELETE FROM files WHERE folder = ? AND name = ?", *split(path))

    def children(self, folder: bytes) -> dict[bytes, tuple[Kind, Stamp | None]]:
        """Return what should be in a folder, by name."""
        rows = self._database.rows(
            "SELECT name, kind, size, mtime_ns, ctime_ns, inode FROM files "
            "WHERE folder = ? AND kind != 0",
            folder,
        )
        return {name: (Kind(kind), _stamp(stamp)) for name, kind, *stamp in rows}

    def alive_below(self, folder: bytes) -> list[tuple[bytes, Kind]]:
        """Return everything that should be below a folder."""
        rows = self._database.rows(
            "SELECT folder, name, kind FROM files "
            "WHERE (folder = ? OR (folder > ? AND folder < ?)) AND kind != 0",
            folder,
            folder + b"/",
            folder + b"0",  # the character after "/"
        )
        return [(join(inside, name), Kind(kind)) for inside, name, kind in rows]

    def holding(self, content: bytes) -> list[Row]:
        """Return a few of the files that have this hash."""
        return list(
            map(_row, self._database.rows(_ROW + "WHERE hash = ? AND kind = 1 LIMIT 8", content))
        )

    def since(self, sequence: int, limit: int) -> list[tuple[int, Entry]]:
        """Return what changed after a sequence number, in that order."""
        rows = self._database.rows(
            "SELECT sequence, entry FROM files WHERE sequence > ? ORDER BY sequence LIMIT ?",
            sequence,
            limit,
        )
        return [(number, _decode(blob)) for number, blob in rows]

    def after(self, path: bytes, limit: int) -> list[Row]:
        """Return what is alive here, in the order of folder and name, after a path."""
        rows = self._database.rows(
            _ROW + "WHERE (folder, name) > (?, ?) AND kind != 0 ORDER BY folder, name LIMIT ?",
            *split(path),
            limit,
        )
        return list(map(_row, rows))

    def totals(self) -> tuple[int, int]:
        """Return how many files are here and how many bytes they have."""
        files, size = self._database.rows("SELECT COUNT(*), TOTAL(size) FROM files WHERE kind = 1")[
            0
        ]
        return files, int(size)

    def tombstones(self, up_to: int) -> list[Row]:
        """Return deletions with a sequence number of at most `up_to`."""
        rows = self._database.rows(_ROW + "WHERE kind = 0 AND sequence <= ?", up_to)
        return list(map(_row, rows))

    def renumber(self, path: bytes, sequence: int) -> None:
        """Give what is at a path a new sequence number, so that it is told again."""
        self._database.rows(
            "UPDATE files SET sequence = ? WHERE folder = ? AND name = ?", sequence, *split(path)
        )


def _row(values: Sequence[Any]) -> Row:
    sequence, blob, *stamp = values
    return Row(_decode(blob), sequence, _stamp(stamp))


def _stamp(values: Sequence[Any]) -> Stamp | None:
    return None if values[0] is None else Stamp(*values)
