"""Remembers the pulls that are not finished, across restarts."""

import sqlite3
import threading
from dataclasses import astuple, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PullRecord:
    """A pull of `path` to the file `to`, by way of `part`, of the content with this root.

    `active` ones go on by themselves; others wait for a new `pull` or a `discard`.
    """

    path: str
    to: str
    part: str
    root: bytes
    size: int
    overwrite: bool
    active: bool


class PullJournal:
    """The records, by path, in a small database. Thread-safe. Methods raise sqlite3.Error."""

    def __init__(self, database: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS pulls(path TEXT PRIMARY KEY, target TEXT, part TEXT, "
            "root BLOB, size INTEGER, overwrite INTEGER, active INTEGER)"
        )

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def put(self, record: PullRecord) -> None:
        """Store a record in place of the one of its path."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO pulls VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(record)
            )

    def delete(self, path: str) -> None:
        """Forget a pull."""
        with self._lock:
            self._database.execute("DELETE FROM pulls WHERE path = ?", (path,))

    def get(self, path: str) -> PullRecord | None:
        """Return the record of a path."""
        return next(iter(self._select("WHERE path = ?", path)), None)

    def all(self) -> list[PullRecord]:
        """Return all records."""
        return self._select("ORDER BY path")

    def _select(self, where: str, *values: str) -> list[PullRecord]:
        query = f"SELECT path, target, part, root, size, overwrite, active FROM pulls {where}"  # noqa: S608
        with self._lock:
            rows = self._database.execute(query, values).fetchall()
        return [
            PullRecord(path, to, part, root, size, bool(overwrite), bool(active))
            for path, to, part, root, size, overwrite, active in rows
        ]
