"""The shared tree: what every path is, who holds it, and what the other has not heard yet.

Both peers keep the same tree. Each path is a register of which the newest change holds (see
wire.Change), so both come to the same tree in whatever order they hear of changes. This side's own
changes are numbered; together they are its journal. The tree is an SQLite database in the state
folder, and every change is one transaction.
"""

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pair_cli.files.blocks import Hashed
from pair_cli.files.wire import BATCH_BYTES, Change, size_of

_PAGE = 1000
TREE = "tree.db"
"""The database's name in the state folder."""
UNANNOUNCED = 0
"""The number of an entry that is being written and was never announced."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries(
    path TEXT PRIMARY KEY, live INTEGER NOT NULL, folder INTEGER NOT NULL, mine INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL, root BLOB NOT NULL,
    clock INTEGER NOT NULL, moved TEXT NOT NULL, number INTEGER, disk TEXT NOT NULL,
    stamp BLOB NOT NULL, dirty INTEGER NOT NULL, hashes BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS live_paths ON entries(path) WHERE live;
CREATE INDEX IF NOT EXISTS numbers ON entries(number) WHERE number > 0;
CREATE INDEX IF NOT EXISTS disks ON entries(disk) WHERE disk != '';
CREATE INDEX IF NOT EXISTS roots ON entries(root) WHERE live AND mine;
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS moves(source TEXT, target TEXT, inode INTEGER);
"""
_COLUMNS = (
    "path, live, folder, mine, size, mtime_ns, mode, root, clock, moved, number, disk, stamp, dirty"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path is. `mine`: this side holds the content, at `disk` below its folder.

    `number` is that of this side's journal, UNANNOUNCED, or None if the other made the entry.
    `stamp` is that of the file that was hashed; `dirty` says it was written to since.
    """

    path: str
    live: bool = True
    folder: bool = False
    mine: bool = True
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0o644
    root: bytes = b""
    clock: int = 0
    moved: str = ""
    number: int | None = None
    disk: str = ""
    stamp: bytes = b""
    dirty: bool = False

    @property
    def is_unannounced(self) -> bool:
        """Whether the other has never heard of this entry, which is being written."""
        return self.number == UNANNOUNCED

    def with_content(self, hashed: Hashed) -> "Entry":
        """Return the entry with the content of this side's file."""
        return replace(
            self,
            live=True,
            folder=False,
            mine=True,
            size=hashed.size,
            mtime_ns=hashed.mtime_ns,
            mode=hashed.mode,
            root=hashed.root,
            stamp=hashed.stamp,
            dirty=False,
            moved="",
        )


def check_database(database: Path) -> None:
    """Raise sqlite3.Error if there is a database that cannot be used."""
    if database.exists():
        connection = sqlite3.connect(database)
        try:
            connection.executescript(_SCHEMA)
        finally:
            connection.close()


class Tree:
    """The tree in its database. Thread-safe."""

    def __init__(self, database: Path, on_publish: Callable[[], None]) -> None:
        """Open or create the database. `on_publish` is called in whichever thread publishes.

        Raises sqlite3.Error when it cannot be used: the tree is not guessed.
        """
        self.lock = threading.RLock()
        self._on_publish = on_publish
        self._database = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last changes; `agree` notices, and tells the other everything.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self.journal = self._fact("journal", b"") or self._new_journal()
        self.last = int(self._fact("last", b"0"))
        self.clock = int(self._fact("clock", b"0"))

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self._database.close()

    # --- reading ------------------------------------------------------------------------------

    def register(self, path: str) -> Entry | None:
        """Return what is known of a path, also if it is gone."""
        return next(iter(self._select("path = ?", path)), None)

    def get(self, path: str) -> Entry | None:
        """Return the entry at a path; None where nothing is, or a folder only by what is in it."""
        entry = self.register(path)
        return entry if entry is not None and entry.live else None

    def is_folder(self, path: str) -> bool:
        """Tell whether a path is a folder: the root, one that was made, or above an entry."""
        entry = self.get(path)
        if entry is not None:
            return entry.folder
        return path == "" or bool(self._between(*_inside(path), limit=1))

    def below(self, path: str) -> Iterator[Entry]:
        """Return the entries below a folder, in order of path ("" for all)."""
        after, end = _inside(path)
        while page := self._between(after, end, limit=_PAGE):
            yield from page
            after = page[-1].path

    def children(self, path: str) -> dict[str, Entry | None]:
        """Return what is directly in a folder, by name; None for a folder by what is in it."""
        start, end = _inside(path)
        after = start
        found: dict[str, Entry | None] = {}
        while page := self._between(after, end, limit=_PAGE):
            for entry in page:
                name, deeper, _ = entry.path[len(start) :].partition("/")
                if deeper:
                    found.setdefault(name, None)
                    after = f"{start}{name}0"  # past all that is in it
                    break
                found[name] = entry
                after = entry.path
        return found

    def hashes(self, root: bytes) -> bytes | None:
        """Return the block hashes of content that this side holds, or None."""
        with self.lock:
            row = self._database.execute(
                "SELECT hashes FROM entries WHERE root = ? AND live AND mine", (root,)
            ).fetchone()
        return None if row is None else row[0]

    def holding(self, path: str, root: bytes) -> Entry | None:
        """Return an entry of this side with this content: that of the path, or any other."""
        held = self._select("root = ? AND live AND mine AND NOT folder AND NOT dirty", root)
        return next((entry for entry in held if entry.path == path), held[0] if held else None)

    def at_disk(self, disk: str) -> Entry | None:
        """Return the entry whose content is at this place of the folder."""
        return next(iter(self._select("disk = ? AND live AND mine", disk)), None)

    def unfinished(self) -> list[Entry]:
        """Return this side's entries that were being written."""
        return self._select("dirty AND live AND mine")

    # --- this side's changes ------------------------------------------------------------------

    def publish(self, entries: Iterable[Entry], hashes: bytes | None = None) -> None:
        """Store changes of this side, to be announced in this order.

        `hashes` are those of the only entry if it has new content.
        """
        with self.transaction():
            for entry in entries:
                self.last += 1
                self.clock += 1
                self.store(replace(entry, number=self.last, clock=self.clock), hashes)
        self._on_publish()

    def begin(self, entry: Entry) -> None:
        """Store an entry that is being written and that the other is not to hear of yet."""
        with self.transaction():
            self.clock += 1
            self.store(replace(entry, number=UNANNOUNCED, clock=self.clock, dirty=True))

    def mark_dirty(self, path: str) -> None:
        """Remember that this side's file is being written."""
        with self.transaction():
            self._database.execute(
                "UPDATE entries SET dirty = 1 WHERE path = ? AND live AND mine", (path,)
            )

    def store(self, entry: Entry, hashes: bytes | None = None) -> None:
        """Store an entry, within a transaction. Without new hashes, it keeps those it had."""
        with self.lock:
            kept = hashes
            if kept is None:
                kept = (entry.mine and entry.live and self.hashes(entry.root)) or b""
            self._database.execute(
                f"INSERT OR REPLACE INTO entries({_COLUMNS}, hashes) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.path, entry.live, entry.folder, entry.mine, entry.size, entry.mtime_ns,
                    entry.mode, entry.root, entry.clock, entry.moved, entry.number, entry.disk,
                    entry.stamp, entry.dirty, kept,
                ),
            )  # fmt: skip

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes of the block together, or none; blocks may be nested."""
        with self.lock:
            if self._database.in_transaction:
                yield
                return
            before = self.last, self.clock, self.journal
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._set_fact("last", b"%d" % self.last)
                self._set_fact("clock", b"%d" % self.clock)
                self._database.execute("COMMIT")
            except BaseException:
                self.last, self.clock, self.journal = before
                self._database.execute("ROLLBACK")
                raise

    # --- renames on disk that a crash must not lose ---------------------------------------------

    def plan_move(self, source: str, target: str, inode: int) -> None:
        """Remember a rename on disk, within the transaction that renames the entry."""
        self._database.execute("INSERT INTO moves VALUES (?, ?, ?)", (source, target, inode))

    def planned_moves(self) -> list[tuple[str, str, int]]:
        """Return the renames on disk that may not have been made."""
        with self.lock:
            return self._database.execute("SELECT source, target, inode FROM moves").fetchall()

    def forget_moves(self) -> None:
        """All planned renames are made."""
        with self.transaction():
            self._database.execute("DELETE FROM moves")

    # --- what the other has -------------------------------------------------------------------

    def unheard(self, after: int) -> tuple[int, list[Change]]:
        """Return the next changes of this side's journal after a number, and the last's number."""
        with self.lock:
            rows = self._select("number > ? ORDER BY number LIMIT ?", max(after, 0), _PAGE)
            last = self.last
        changes: list[Change] = []
        total = 0
        for entry in rows:
            assert entry.number is not None
            change = _change(entry)
            total += size_of(change)
            if changes and total > BATCH_BYTES:
                return after, changes
            changes.append(change)
            after = entry.number
        return (after if len(rows) == _PAGE else max(after, last)), changes

    def heard(self) -> tuple[bytes, int]:
        """Return the other's journal as far as this side has it."""
        with self.lock:
            return self._fact("other_journal", b""), int(self._fact("other_upto", b"0"))

    def set_heard(self, journal: bytes, upto: int) -> None:
        """Remember how much of the other's journal this side has, within a transaction."""
        self._set_fact("other_journal", journal)
        self._set_fact("other_upto", b"%d" % upto)

    def set_heard_now(self, journal: bytes, upto: int) -> None:
        """Like `set_heard`, in a transaction of its own."""
        with self.transaction():
            self.set_heard(journal, upto)

    def count_of_other(self) -> int:
        """Return how many registers the other has made."""
        with self.lock:
            query = "SELECT count(*) FROM entries WHERE number IS NULL"
            return int(self._database.execute(query).fetchone()[0])

    def other(self) -> str:
        """Return the fingerprint of the peer that this tree is shared with; "" before the first."""
        with self.lock:
            return self._fact("other", b"").decode()

    def start_with(self, other: str) -> None:
        """Begin to share with another peer: keep what this side holds, forget the rest."""
        with self.transaction():
            self._database.execute("DELETE FROM entries WHERE NOT (live AND mine)")
            self._set_fact("other", other.encode())
            self.set_heard(b"", 0)
            self.renumber()

    def renumber(self) -> None:
        """Start a new journal with everything that this side holds or has said."""
        with self.transaction():
            self._new_journal()
            paths = self._database.execute(
                "SELECT path FROM entries WHERE number > 0 OR (number IS NULL AND live AND mine) "
                "ORDER BY coalesce(number, 0), path"
            ).fetchall()
            self.last = len(paths)
            self._database.executemany(
                "UPDATE entries SET number = ? WHERE path = ?",
                [(number, path) for number, (path,) in enumerate(paths, 1)],
            )

    def forget_others(self) -> list[Entry]:
        """Forget what the other held and made, which it no longer knows; return what it held.

        What it changed of this side's files becomes this side's own change.
        """
        with self.transaction():
            gone = self._select("live AND NOT mine")
            self._database.execute("DELETE FROM entries WHERE live AND NOT mine")
            self.publish(self._select("number IS NULL AND live"))
            self._database.execute("DELETE FROM entries WHERE number IS NULL")
        return gone

    def _new_journal(self) -> bytes:
        self.journal = secrets.token_bytes(16)
        self._set_fact("journal", self.journal)
        return self.journal

    def _fact(self, name: str, default: bytes) -> bytes:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def _set_fact(self, name: str, value: bytes) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _between(self, after: str, end: str, *, limit: int) -> list[Entry]:
        return self._select(
            "live AND path > ? AND path < ? ORDER BY path LIMIT ?", after, end, limit
        )

    def _select(self, where: str, *values: str | int | bytes) -> list[Entry]:
        query = f"SELECT {_COLUMNS} FROM entries WHERE {where}"  # noqa: S608 - constants only
        with self.lock:
            return [_entry(row) for row in self._database.execute(query, values)]


def _inside(path: str) -> tuple[str, str]:
    """Return the bounds, both exclusive, of all paths below a folder."""
    # "0" is the character after "/", and U+10FFFF the last of all.
    return (f"{path}/", f"{path}0") if path else ("", 2 * "\U0010ffff")


def _entry(row: tuple[Any, ...]) -> Entry:
    path, live, folder, mine, size, mtime_ns, mode, root, clock, moved, number, disk, *rest = row
    stamp, dirty = rest
    return Entry(
        path, bool(live), bool(folder), bool(mine), size, mtime_ns, mode, root, clock, moved,
        number, disk, stamp, bool(dirty),
    )  # fmt: skip


def _change(entry: Entry) -> Change:
    return Change(
        path=entry.path,
        live=entry.live,
        folder=entry.folder,
        yours=not entry.mine,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        mode=entry.mode,
        root=entry.root,
        clock=entry.clock,
        moved=entry.moved,
    )
