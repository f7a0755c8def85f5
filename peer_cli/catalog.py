"""The catalog: which games there are, and at which version peers exchange them.

An SQLite file with one table, `games`, one row per game.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from peer_cli.names import UnsafeName, check_game_id

DIGEST_SIZE = 32
"""Bytes of a content digest (BLAKE3)."""

_TABLE = (
    "CREATE TABLE games("
    "game_id TEXT PRIMARY KEY, version TEXT NOT NULL, title TEXT, content_digest BLOB)"
)
_COLUMNS = "game_id, version, title, content_digest"


class CatalogError(Exception):
    """The catalog cannot be used; the message is one line that says why."""


class CatalogEntry(NamedTuple):
    """One game. `version` is what its version.ini must hold; the digest is 32 bytes or None."""

    game_id: str
    version: str
    title: str | None = None
    content_digest: bytes | None = None


Catalog: TypeAlias = Mapping[str, CatalogEntry]


def load_catalog(path: Path) -> Catalog:
    """Read the catalog at `path`, which is not written to. Raises CatalogError."""
    try:
        with path.open("rb"):
            pass  # SQLite says "unable to open database file" for every cause; this names it
        uri = path.absolute().as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            rows = database.execute(f"SELECT {_COLUMNS} FROM games").fetchall()  # noqa: S608 - constant
    except OSError as error:
        raise CatalogError(f"Cannot read the catalog {path}: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise CatalogError(
            f"The catalog {path} is not an SQLite file with a table `games` of the columns "
            f"{_COLUMNS}: {error}."
        ) from error
    entries = [_entry(path, *row) for row in rows]
    return {entry.game_id: entry for entry in entries}


def write_catalog(path: Path, entries: Iterable[CatalogEntry]) -> None:
    """Write a catalog of `entries`, whole or not at all, replacing a file at `path`.

    Raises CatalogError for two entries of one game, OSError when `path` cannot be written.
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
        raise CatalogError(f"The catalog {path} would have a game twice: {error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _entry(
    path: Path, game_id: object, version: object, title: object, digest: object
) -> CatalogEntry:
    # SQLite keeps any type in any column, so the types are checked here.
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
