"""The content index: block hashes of every file, computed once per version of the file.

The index is a cache. Losing it costs time, never correctness, so trouble with its database is never
an error: the index starts over, or does without.
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
"""Bytes per hash; the last block of a file may be shorter."""

_HASH_SIZE = 32
_ATTEMPTS = 3

# File systems have timestamps as coarse as 2 s (FAT). A second write within one tick leaves them
# unchanged.
_COARSEST_TICK_NS = 2_000_000_000

_SCHEMA_VERSION = 1
_TABLE = (
    "CREATE TABLE IF NOT EXISTS files("
    "path BLOB PRIMARY KEY, blocks BLOB NOT NULL, seal BLOB NOT NULL)"
)
_LOOKUP = "SELECT path, blocks, seal FROM files WHERE path = ?"
_Row = tuple[object, ...]

# SQLITE_ERROR means an error in the SQL. Ours is correct, so the table is not ours.
_BROKEN_FILE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class FileChanged(OSError):  # noqa: N818 - reads well where it is raised and caught
    """The file kept changing while it was hashed; try again later."""


class UnreadableBlock(OSError):  # noqa: N818 - as above
    """The disk cannot read the `length` bytes at `offset` of the file at `path`."""

    def __init__(self, error: OSError, path: Path, offset: int, length: int = BLOCK_SIZE) -> None:
        super().__init__(error.errno, error.strerror, str(path))
        self.path = path
        self.offset = offset
        self.length = length


def try_block(error: UnreadableBlock) -> bool:
    """Tell whether the bytes have become readable, or no longer exist."""
    try:
        descriptor = os.open(error.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for offset in range(error.offset, error.offset + error.length, BLOCK_SIZE):
                os.pread(descriptor, BLOCK_SIZE, offset)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Identifies one version of a file.

    It includes the change time because programs can set the modification time back (many that copy
    or repair files do), but not the change time.
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
        """Tell whether a write at `now_ns` or later changes the stamp.

        Only a program can set a modification time in the future, and the next write replaces it.
        """
        age = now_ns - self.mtime_ns
        return not 0 <= age < _COARSEST_TICK_NS and now_ns - self.ctime_ns >= _COARSEST_TICK_NS


class ContentIndex:
    """Block hashes of files in an SQLite database. Thread-safe."""

    def __init__(self, database: Path, *, wall_clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Open or create the database; replace a broken one, with a line on stderr."""
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
        """Close the database. Calls that are still hashing nevertheless return their result."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def known(self, paths: Sequence[str]) -> list[tuple[bytes, ...] | None]:
        """Return the hashes of each file that is in the index and unchanged, for others None.

        Like `file_blocks`, for many files at once, none of which is opened.
        """
        keys = [os.fsencode(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - many
        rows = self._execute(_LOOKUP, [(key,) for key in keys])
        found = {row[0]: row for row in rows}
        return [_unchanged(found.get(key), key) for key in keys]

    def file_blocks(
        self, path: Path, *, on_progress: Callable[[int], None] | None = None
    ) -> tuple[bytes, ...]:
        """Return the BLAKE3 hash (32 bytes) of each block of a file; () for an empty file.

        `on_progress` gets the bytes hashed since its last call. A file that is in the index and
        unchanged is not read. If several callers ask for one file, one of them hashes it and the
        others wait. A file written within the last 2 seconds is hashed for every caller, because
        one more write could leave no trace.

        Raises FileChanged when the file keeps changing, UnreadableBlock when the disk fails, and
        OSError when the file cannot be opened, is not a regular file or is a link: pass real paths
        (see `peer_cli.names.resolve_served`).
        """
        path = path.absolute()
        key = os.fsencode(path)
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            return self._file_blocks(path, key, on_progress)

    def forget_missing(self, games_dir: Path) -> None:
        """Forget files below `games_dir` that are gone.

        Forgets nothing while the folder itself is missing: a drive may come back.
        """
        if not os.path.isdir(games_dir):  # noqa: PTH112 - Path.is_dir raises in Python 3.11
            return
        prefix = os.fsencode(games_dir.absolute()) + b"/"
        # "0" is the character after "/", so this range is exactly the paths with the prefix.
        bounds = (prefix, prefix[:-1] + b"0")
        rows = self._execute("SELECT path FROM files WHERE path >= ? AND path < ?", [bounds])
        gone = [(key,) for (key,) in rows if isinstance(key, bytes) and _is_gone(key)]
        if gone:
            self._execute("DELETE FROM files WHERE path = ?", gone)

    def _file_blocks(
        self, path: Path, key: bytes, on_progress: Callable[[int], None] | None
    ) -> tuple[bytes, ...]:
        for _ in range(_ATTEMPTS):
            # O_NONBLOCK: opening a named pipe must not wait for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                stamp = _regular_file_stamp(descriptor, path)
                known = self._lookup(key, stamp)
                if known is not None:
                    return known
                started_ns = self._wall_clock_ns()
                blocks = _hash_blocks(descriptor, path, stamp.size, on_progress)
            finally:
                os.close(descriptor)
            # By path, because another file may have replaced it.
            if blocks is not None and _Stamp.of(path.lstat()) == stamp:
                # A more recent file could be written to after it was read but within one clock
                # tick, so it is hashed again the next time.
                if stamp.settled_before(started_ns):
                    self._remember(key, stamp, blocks)
                return blocks
        raise FileChanged(errno.EBUSY, "The file changes while it is read; try again later", path)

    def _lookup(self, key: bytes, stamp: _Stamp) -> tuple[bytes, ...] | None:
        rows = self._execute(_LOOKUP, [(key,)])
        return _blocks_of(rows[0], key, stamp) if rows else None

    def _remember(self, key: bytes, stamp: _Stamp, blocks: tuple[bytes, ...]) -> None:
        joined = b"".join(blocks)
        row = (key, joined, _seal(key, stamp, joined))
        self._execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", [row])

    def _execute(self, statement: str, rows: Sequence[tuple[bytes, ...]]) -> list[_Row]:
        """Run a statement for every row in one transaction; return no rows on failure."""
        with self._lock:
            if self._database is None:
                return []
            try:
                with self._database:
                    found: list[_Row] = []
                    for row in rows:
                        found += self._database.execute(statement, row).fetchall()
                    return found
            except sqlite3.Error as error:
                self._start_over(error)
                return []

    def _start_over(self, error: sqlite3.Error) -> None:
        """Replace a broken database file; if there is no usable one, keep the index in memory."""
        if self._database is not None:
            self._database.close()
            self._database = None
        try:
            # Delete only what is not a valid database; a full disk or a lock is no reason to.
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
        # A crash may lose the last entries, which are then computed again.
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


def _unchanged(row: _Row | None, key: bytes) -> tuple[bytes, ...] | None:
    if row is None:
        return None
    try:
        status = os.lstat(key)
    except OSError:
        return None
    return _blocks_of(row, key, _Stamp.of(status)) if stat.S_ISREG(status.st_mode) else None


def _blocks_of(row: _Row, key: bytes, stamp: _Stamp) -> tuple[bytes, ...] | None:
    """Return the hashes in a row of the index, None if they are of another version or damaged."""
    _, joined, seal = row
    if not isinstance(joined, bytes) or seal != _seal(key, stamp, joined):
        return None
    return tuple(joined[start : start + _HASH_SIZE] for start in range(0, len(joined), _HASH_SIZE))


def _is_gone(path: bytes) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # unknown, because it cannot be examined
    return False


def _regular_file_stamp(descriptor: int, path: Path) -> _Stamp:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "This is not a regular file", path)
    return _Stamp.of(status)


def _hash_blocks(
    descriptor: int, path: Path, size: int, on_progress: Callable[[int], None] | None
) -> tuple[bytes, ...] | None:
    """Return the hash of each block, or None when the file is not `size` bytes long."""
    buffer = memoryview(bytearray(min(size, BLOCK_SIZE)))
    blocks = []
    left = size
    while left:
        block = buffer[: min(left, BLOCK_SIZE)]
        filled = 0
        while filled < len(block):
            try:
                count = os.readv(descriptor, [block[filled:]])
            except OSError as error:
                raise UnreadableBlock(error, path, size - left) from error
            if count == 0:
                return None
            filled += count
        blocks.append(blake3(block).digest())
        left -= len(block)
        if on_progress is not None:
            on_progress(len(block))
    return tuple(blocks)


def _seal(key: bytes, stamp: _Stamp, joined: bytes) -> bytes:
    """Return a checksum that ties hashes to one version of one file, and detects damaged hashes."""
    return blake3(b"\0".join((key, stamp.encoded(), joined))).digest(16)
