"""The catalog: which games exist, and which version of each the peers exchange.

An SQLite file with one table, `games`, one row per game.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from peer_cli.names import check_game_id
from store.names import UnsafeName

DIGEST_SIZE = 32
"""Bytes of a content digest (BLAKE3)."""

_TABLE = (
    "CREATE TABLE games("
    "game_id TEXT PRIMARY KEY, version TEXT NOT NULL, title TEXT, content_digest BLOB)"
)
_COLUMNS = "game_id, version, title, content_digest"
_UPDATE = "UPDATE games SET version = ?, title = ?, content_digest = ? WHERE game_id = ?"
_INSERT = "INSERT INTO games(version, title, content_digest, game_id) VALUES (?, ?, ?, ?)"
_HEADER_BYTES = 100


class CatalogError(Exception):
    """The catalog is unusable; the message is one line that says why."""


class CatalogEntry(NamedTuple):
    """One game. `version` is the text of its version.ini; the digest is 32 bytes or None."""

    game_id: str
    version: str
    title: str | None = None
    content_digest: bytes | None = None


Catalog: TypeAlias = Mapping[str, CatalogEntry]


def load_catalog(path: Path) -> Catalog:
    """Read the catalog at `path` without writing to it. Raises CatalogError."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)  # gives a better error than SQLite
        try:
            rows = _rows(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if not _lacks_its_companions(header, error):
                raise
            rows = _rows_without_companions(path)
    except OSError as error:
        raise CatalogError(f"Cannot read the catalog {path}: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    entries = [_entry(path, *row) for row in rows]
    return {entry.game_id: entry for entry in entries}


def unusable(path: Path, error: sqlite3.Error) -> CatalogError:
    """Return the error that explains to the user what SQLite raised."""
    code = _primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CatalogError(
            f"The catalog {path} is locked by another program that is writing to it. "
            "Close that one, or try again when it is done."
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR):
        return CatalogError(
            f"The catalog {path} is not an SQLite file with a table `games` of the columns "
            f"{_COLUMNS}: {error}."
        )
    return CatalogError(f"Cannot use the catalog {path}: {error}.")


def _rows(path: Path, options: str) -> list[tuple[object, ...]]:
    uri = f"{path.absolute().as_uri()}?{options}"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        return database.execute(f"SELECT {_COLUMNS} FROM games").fetchall()  # noqa: S608 - constant


def _lacks_its_companions(header: bytes, error: sqlite3.Error) -> bool:
    """Tell whether the file is in WAL mode, and the extra files of that mode cannot be created.

    The header has the modes at offsets 18 and 19 (https://sqlite.org/fileformat.html).
    """
    codes = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    return header[18:20] == b"\2\2" and _primary_code(error) in codes


def _rows_without_companions(path: Path) -> list[tuple[object, ...]]:
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise CatalogError(
            f"The catalog {path} has changes in {wal.name} that cannot be read in a folder that "
            "cannot be written. Where it can be, run: "
            f"sqlite3 {path.name} 'PRAGMA journal_mode = DELETE'"
        )
    return _rows(path, "immutable=1")  # everything is in the main file, and nobody writes to it


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


@contextlib.contextmanager
def edit_catalog(path: Path) -> Iterator["CatalogEditor"]:
    """Change the catalog at `path`, atomically; other tables and columns stay as they are.

    Raises CatalogError, also for a catalog that `load_catalog` refuses.
    """
    catalog = load_catalog(path)
    try:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            yield CatalogEditor(path, catalog, database)
    except sqlite3.Error as error:
        raise unusable(path, error) from error


class CatalogEditor:
    """The editor of `edit_catalog`. Every method raises CatalogError and sqlite3.Error."""

    def __init__(self, path: Path, catalog: Catalog, database: sqlite3.Connection) -> None:
        self.catalog = catalog
        self._path = path
        self._database = database

    def put(self, entry: CatalogEntry) -> None:
        """Add a game, or replace its entry."""
        entry = _entry(self._path, *entry)
        values = (entry.version, entry.title, entry.content_digest, entry.game_id)
        known = entry.game_id in self.catalog
        self._database.execute(_UPDATE if known else _INSERT, values)

    def remove(self, game_id: str) -> None:
        """Remove a game that the catalog has."""
        self._database.execute("DELETE FROM games WHERE game_id = ?", (game_id,))


def write_catalog(path: Path, entries: Iterable[CatalogEntry]) -> None:
    """Write a catalog of `entries` atomically, replacing any file at `path`.

    Raises CatalogError for two entries for one game, OSError when `path` cannot be written.
    """
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    unfinished.touch()
    rows = sorted(
        (entry.game_id, entry.version, entry.title, entry.content_digest) for entry in entries
    )
    try:
        with contextlib.closing(sqlite3.connect(unfinished)) as database, database:
            database.execute(_TABLE)
            database.executemany("INSERT INTO games VALUES (?, ?, ?, ?)", rows)
        unfinished.replace(path)
    except sqlite3.IntegrityError as error:
        raise CatalogError(f"The catalog {path} would list a game twice: {error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _entry(
    path: Path, game_id: object, version: object, title: object, digest: object
) -> CatalogEntry:
    # SQLite stores any type in any column, so check the types here.
    if not isinstance(game_id, str):
        raise CatalogError(f"The catalog {path} has a game id that is not text: {game_id!r}.")
    try:
        check_game_id(game_id)
    except UnsafeName as error:
        raise CatalogError(f"The catalog {path} has an unusable game id: {error}") from error
    if not isinstance(version, str) or not version.strip():
        raise CatalogError(f"The catalog {path} has no version, as text, for {game_id}.")
    if title is not None and not isinstance(title, str):
        raise CatalogError(f"The catalog {path} has a title that is not text for {game_id}.")
    if digest is not None and not (isinstance(digest, bytes) and len(digest) == DIGEST_SIZE):
        raise CatalogError(
            f"The catalog {path} has a digest for {game_id} that is not {DIGEST_SIZE} bytes."
        )
    return CatalogEntry(game_id, version.strip(), title, digest)
