"""What happened to each path."""

from typing import NamedTuple

import msgspec

from sync_cli.database import Database
from sync_cli.model import Entry

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class HistoryRow(NamedTuple):
    """One thing that happened to a path, at unix ns."""

    at_ns: int
    path: bytes
    what: str
    note: str
    entry: Entry


class History:
    """The table of what happened. Every method raises IndexTrouble."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, at_ns: int, what: str, entry: Entry, note: str = "") -> None:
        """Enter something into the history."""
        row = (at_ns, entry.path, what, note, _encode(entry))
        self._database.rows("INSERT INTO history VALUES (?,?,?,?,?)", *row)

    def of(self, path: bytes) -> list[HistoryRow]:
        """Return what happened to a path, oldest first."""
        rows = self._database.rows(
            "SELECT at_ns, path, what, note, entry FROM history WHERE path = ? "
            "ORDER BY at_ns, rowid",
            path,
        )
        return [HistoryRow(at, of, what, note, _decode(blob)) for at, of, what, note, blob in rows]

    def forget(self, before_ns: int) -> None:
        """Forget what happened before a time."""
        self._database.rows("DELETE FROM history WHERE at_ns < ?", before_ns)
