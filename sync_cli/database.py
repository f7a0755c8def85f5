"""The database of the content side. Unlike a cache, it cannot be computed again.

It holds the version vectors. A lost or restored one therefore begins under a new id, so that its
versions are nobody's old ones.
"""

import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE files(
    folder BLOB NOT NULL, name BLOB NOT NULL, sequence INTEGER NOT NULL, kind INTEGER NOT NULL,
    size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER,
    hash BLOB NOT NULL, entry BLOB NOT NULL, UNIQUE(folder, name));
CREATE UNIQUE INDEX files_sequence ON files(sequence);
CREATE INDEX files_hash ON files(hash, size) WHERE kind = 1;
CREATE TABLE needs(
    folder BLOB NOT NULL, name BLOB NOT NULL, peer INTEGER NOT NULL, sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL, hash BLOB NOT NULL, size INTEGER NOT NULL,
    ready INTEGER NOT NULL, ignored INTEGER NOT NULL, why TEXT, entry BLOB NOT NULL,
    UNIQUE(folder, name, peer));
CREATE INDEX needs_ready ON needs(ready) WHERE ready = 1;
CREATE INDEX needs_sequence ON needs(peer, sequence);
CREATE TABLE peers(
    number INTEGER PRIMARY KEY, peer_id TEXT NOT NULL UNIQUE, index_id TEXT NOT NULL,
    taken INTEGER NOT NULL, their_settled INTEGER NOT NULL, seen_ns INTEGER NOT NULL);
CREATE TABLE history(
    at_ns INTEGER NOT NULL, path BLOB NOT NULL, what TEXT NOT NULL, note TEXT NOT NULL,
    entry BLOB NOT NULL);
CREATE INDEX history_path ON history(path, at_ns);
CREATE INDEX history_at ON history(at_ns);
"""
# SQLITE_ERROR means an error in the SQL. Ours is correct, so the tables are not ours.
_BROKEN_FILE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class IndexTrouble(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The database cannot be used; the message is one clear line."""


class Database:
    """The connection. Thread-safe. Every method raises IndexTrouble when it cannot be used.

    `index_id` is the id of this index, and `sequence` the last number that it gave to a version.
    """

    def __init__(self, path: Path) -> None:
        """Open or create it. A broken one is moved aside, with a line on stderr."""
        self._lock = threading.RLock()
        try:
            try:
                self._connection = _open(path)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN_FILE:
                    raise
                _set_aside(path, error)
                self._connection = _open(path)
        except (sqlite3.Error, OSError) as error:
            raise IndexTrouble(f"The index {path} cannot be used: {error}.") from error
        self.index_id = str(self._meta("index_id", secrets.token_hex(6)))
        self.sequence = int(str(self._meta("sequence", "0")))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise IndexTrouble(f"The index cannot be used: {error}.") from error

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """Commit what is done within, or nothing of it; part of a larger one if there is one.

        What is not `durable`, as single statements are not, may be lost in a power cut, together
        with all that came after it. A number given to a version is always durable: others act on
        what they are told.
        """
        with self._lock, _told():
            if self._connection.in_transaction:
                yield
                return
            before = self.sequence
            if durable:
                self._connection.execute("PRAGMA synchronous = FULL")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                if self.sequence != before:
                    self.set_meta("sequence", str(self.sequence))
                self._connection.execute("COMMIT")
            except BaseException:
                self.sequence = before
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")
            if not durable and self.sequence != before:
                with self.transaction():  # which makes durable all that was committed before it
                    self.set_meta("sequence", str(self.sequence))

    def next_sequence(self) -> int:
        """Return a number that no version of this index has had; call it in a transaction."""
        self.sequence += 1
        return self.sequence

    def renew(self) -> None:
        """Go on under a new id: others know things of this index that it has lost."""
        with self.transaction():
            self.index_id = secrets.token_hex(6)
            self.set_meta("index_id", self.index_id)
            self.rows("UPDATE peers SET their_settled = 0")

    def set_meta(self, key: str, value: str) -> None:
        """Keep a text under a name."""
        self.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    def meta(self, key: str) -> str | None:
        """Return the text under a name."""
        rows = self.rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def _meta(self, key: str, first: str) -> str:
        with self._lock:
            self.rows("INSERT OR IGNORE INTO meta VALUES (?, ?)", key, first)
            return self.meta(key) or first


def split(path: bytes) -> tuple[bytes, bytes]:
    """Return the folder and the name of a path, as the tables have them."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def join(folder: bytes, name: bytes) -> bytes:
    """Return the path of a name in a folder."""
    return folder + b"/" + name if folder else name


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # see `transaction`
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT")
        elif version != _SCHEMA_VERSION:
            raise sqlite3.OperationalError(f"it is of another version ({version})")
        database.execute("SELECT 1 FROM files, needs, peers, history, meta LIMIT 1")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        one = path.with_name(path.name + suffix)
        if one.exists():
            one.rename(aside.with_name(aside.name + suffix))
    print(
        f"The index {path} is damaged ({error}): it is kept as {aside}, and a new one begins. "
        "Nothing is deleted for that; versions that differ become conflict copies.",
        file=sys.stderr,
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise IndexTrouble(f"The index cannot be used: {error}.") from error
