"""The content index: the hashes of every file's blocks, worked out once per version of the file.

The index is a cache. Losing it costs time, never correctness, and so no trouble with its database
is ever an error: it starts over, or does without.
"""

import errno
import os
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from blake3 import blake3

BLOCK_SIZE = 4 * 1024 * 1024
"""Bytes that one hash stands for; the last block of a file is shorter."""

_HASH_SIZE = 32
_ATTEMPTS = 3

# Stamps of a file system are as coarse as 2 s (FAT). A second write within the same tick as the
# last one leaves no trace in them.
_COARSEST_TICK_NS = 2_000_000_000

_SCHEMA_VERSION = 1
_TABLE = (
    "CREATE TABLE IF NOT EXISTS files("
    "path BLOB PRIMARY KEY, blocks BLOB NOT NULL, seal BLOB NOT NULL)"
)
# The last is an error in SQL, which a table that is not ours makes of right statements.
_BROKEN_FILE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class FileChanged(OSError):  # noqa: N818 - reads as what it is where it is raised and caught
    """The file changed again and again while it was being hashed; try later."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What tells one version of a file from another.

    The change time is there because a program can put the modification time back (and many that
    copy or repair files do), but not the change time.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "_Stamp":
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def encoded(self) -> bytes:
        return f"{self.size} {self.mtime_ns} {self.ctime_ns} {self.inode}".encode()

    def settled_before(self, now_ns: int) -> bool:
        """Tell whether a write at `now_ns` or later must give the file another stamp.

        A modification time in the future is one that a program set, and the next write changes it.
        """
        age = now_ns - self.mtime_ns
        return not 0 <= age < _COARSEST_TICK_NS and now_ns - self.ctime_ns >= _COARSEST_TICK_NS


class ContentIndex:
    """Block hashes of files, kept in an SQLite database. Threads may share one index."""

    def __init__(self, database: Path, *, wall_clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Open the database, or make it; one that is broken is replaced, with a line on stderr."""
        self._path = database
        self._wall_clock_ns = wall_clock_ns
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[bytes, threading.Lock] = WeakValueDictionary()
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _open(database)
        except sqlite3.Error as error:
            self._start_over(error)

    def close(self) -> None:
        """Close the database. Calls that are still hashing return their result all the same."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def file_blocks(
        self, path: Path, *, on_progress: Callable[[int], None] | None = None
    ) -> tuple[bytes, ...]:
        """Return the BLAKE3 hash, 32 bytes, of each block of a file; () for an empty one.

        `on_progress` gets the bytes hashed since it was last called; a file that is in the index,
        unchanged, is not read at all. Of several callers of one file one hashes, the others wait
        for it. A file written within the last 2 seconds is hashed for every caller, because one
        more write could leave no trace.

        Raises FileChanged when the file does not hold still, OSError when it cannot be read, is no
        regular file or is a link: pass real paths (see `peer_cli.names.resolve_served`).
        """
        path = path.absolute()
        key = os.fsencode(path)
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            return self._file_blocks(path, key, on_progress)

    def forget_missing(self, games_dir: Path) -> None:
        """Drop what is known of files below `games_dir` that are gone.

        Nothing is dropped while the folder itself is not there: a drive may come back.
        """
        if not games_dir.is_dir():
            return
        prefix = os.fsencode(games_dir.absolute()) + b"/"
        # "0" is the character after "/": the range holds exactly what begins with the prefix.
        bounds = (prefix, prefix[:-1] + b"0")
        rows = self._execute("SELECT path FROM files WHERE path >= ? AND path < ?", [bounds])
        gone = [(key,) for (key,) in rows if isinstance(key, bytes) and not os.path.lexists(key)]
        if gone:
            self._execute("DELETE FROM files WHERE path = ?", gone)

    def _file_blocks(
        self, path: Path, key: bytes, on_progress: Callable[[int], None] | None
    ) -> tuple[bytes, ...]:
        for _ in range(_ATTEMPTS):
            # O_NONBLOCK: to open a pipe must not wait for someone to write to it.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                stamp = _regular_file_stamp(descriptor, path)
                known = self._lookup(key, stamp)
                if known is not None:
                    return known
                started_ns = self._wall_clock_ns()
                blocks = _hash_blocks(descriptor, stamp.size, on_progress)
            finally:
                os.close(descriptor)
            # By its path, for another file may have taken its place.
            if blocks is not None and _Stamp.of(path.lstat()) == stamp:
                # A younger file could be written to, after it was read, within one tick of the
                # clock of its stamp. It is hashed again the next time it is asked for.
                if stamp.settled_before(started_ns):
                    self._remember(key, stamp, blocks)
                return blocks
        raise FileChanged(errno.EBUSY, "The file changes while it is read; try again later", path)

    def _lookup(self, key: bytes, stamp: _Stamp) -> tuple[bytes, ...] | None:
        rows = self._execute("SELECT blocks, seal FROM files WHERE path = ?", [(key,)])
        if not rows:
            return None
        joined, seal = rows[0]
        if not isinstance(joined, bytes) or seal != _seal(key, stamp, joined):
            return None
        return tuple(
            joined[start : start + _HASH_SIZE] for start in range(0, len(joined), _HASH_SIZE)
        )

    def _remember(self, key: bytes, stamp: _Stamp, blocks: tuple[bytes, ...]) -> None:
        joined = b"".join(blocks)
        row = (key, joined, _seal(key, stamp, joined))
        self._execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", [row])

    def _execute(
        self, statement: str, rows: Sequence[tuple[bytes, ...]]
    ) -> list[tuple[object, ...]]:
        """Run a statement for every row, in one transaction; no result where that fails."""
        with self._lock:
            if self._database is None:
                return []
            try:
                with self._database:
                    found: list[tuple[object, ...]] = []
                    for row in rows:
                        found += self._database.execute(statement, row).fetchall()
                    return found
            except sqlite3.Error as error:
                self._start_over(error)
                return []

    def _start_over(self, error: sqlite3.Error) -> None:
        """Replace a broken database file; without one that can be used, remember in memory."""
        if self._database is not None:
            self._database.close()
            self._database = None
        try:
            # Only a file that is no database is deleted; a full disk or a lock is no reason to.
            if getattr(error, "sqlite_errorcode", None) not in _BROKEN_FILE:
                raise error
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._database = _open(self._path)
            outcome = "made a new one; files will be hashed again"
        except (sqlite3.Error, OSError):
            self._database = _open(":memory:")
            outcome = "hashes are kept in memory until the peer ends"
        print(f"The content index {self._path} failed ({error}): {outcome}.", file=sys.stderr)


def _open(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A crash may lose the last entries, which are then worked out again.
        database.execute("PRAGMA synchronous = NORMAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        with database:
            if version != _SCHEMA_VERSION:
                database.execute("DROP TABLE IF EXISTS files")
                database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _regular_file_stamp(descriptor: int, path: Path) -> _Stamp:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "This is not a regular file", path)
    return _Stamp.of(status)


def _hash_blocks(
    descriptor: int, size: int, on_progress: Callable[[int], None] | None
) -> tuple[bytes, ...] | None:
    """Return the hash of each block, or None when the file is not `size` bytes long."""
    buffer = memoryview(bytearray(min(size, BLOCK_SIZE)))
    blocks = []
    left = size
    while left:
        block = buffer[: min(left, BLOCK_SIZE)]
        filled = 0
        while filled < len(block):
            count = os.readv(descriptor, [block[filled:]])
            if count == 0:
                return None
            filled += count
        blocks.append(blake3(block).digest())
        left -= len(block)
        if on_progress is not None:
            on_progress(len(block))
    return tuple(blocks)


def _seal(key: bytes, stamp: _Stamp, joined: bytes) -> bytes:
    """Return what ties hashes to one version of one file; a flipped bit in them breaks it too."""
    return blake3(b"\0".join((key, stamp.encoded(), joined))).digest(16)
