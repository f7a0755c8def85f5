"""The fixtures of this family: game folders, the catalog, and what their archives hold.

Nothing here imports their recipes (`fixtures/lan_spread/`), which use the peer's own writers; a
subprocess runs them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from scenarios.core.locks import exclusive
from scenarios.root import ROOT

SOURCE = ROOT / "fixtures" / "lan_spread"
CACHE = ROOT / ".cache" / "fixtures"
SMALLEST_ARCHIVE = 128  # bytes

_CACHE_LIMIT = 4 << 30  # bytes of archives cached for later runs
_MTIME = 1577836800  # of every cached archive; a different time means that someone wrote into it


@dataclass(frozen=True, slots=True)
class EntryDigest:
    """Size in bytes and BLAKE3 (lower-case hexadecimal) of an unpacked file."""

    size: int
    blake3: str


def games_dir(fixture: str) -> Path:
    """Return a folder with one folder per game of the fixture: version.ini and the archives.

    All scenarios share it: mount it read-only, or copy what a scenario changes. Raises ValueError
    for an unknown fixture.
    """
    _check_fixture(fixture)
    return _ready() / fixture


def catalog_path() -> Path:
    """Return the catalog of all fixtures, an SQLite file as `peer-cli --catalog-db` wants it."""
    return _ready() / "catalog.db"


@cache
def catalog_versions() -> Mapping[str, str]:
    """Return the version of each game in the catalog, by its id."""
    rows = json.loads((SOURCE / "catalog.json").read_text(encoding="utf-8"))
    return {row["game_id"]: row["version"] for row in rows}


def contents(fixture: str, game_id: str) -> Mapping[str, EntryDigest]:
    """Return the digests of the files in the game's archives, by path (with `/` as separator).

    Raises ValueError for an unknown fixture or game.
    """
    _check_fixture(fixture)
    games = _manifest()[fixture]
    if game_id not in games:
        raise ValueError(f"{fixture} has no game {game_id!r}; it has {', '.join(games)}.")
    return {name: EntryDigest(**row) for name, row in games[game_id].items()}


def make_game(folder: Path, game_id: str, version: str, size: int, seed: str) -> Path:
    """Make `folder/game_id/` with version.ini and `<game_id>.eti`; return that folder.

    The archive is a stored (uncompressed) RAR of exactly `size` bytes (at least 128). It is
    deterministic in game id, size and seed; another seed changes every position. It may be a hard
    link to a cached copy: replace it, but never write into it. Making 2 GiB takes a few seconds.

    Raises FileExistsError if the folder exists, ValueError if the size is too small.
    """
    if size < SMALLEST_ARCHIVE:
        raise ValueError(f"An archive of {size} bytes is too small; ask for at least 128 bytes.")
    root = folder / game_id
    root.mkdir(parents=True)
    with exclusive(CACHE / "big-lock"):
        kept = _kept_archive(game_id, size, seed)
        try:
            (root / kept.name).hardlink_to(kept)
        except OSError:  # another file system, or no hard links
            shutil.copyfile(kept, root / kept.name)
    (root / "version.ini").write_text(version + "\n", encoding="utf-8")
    return root


@cache
def _ready() -> Path:
    """Return the folder with all fixtures and catalog.db; builds it if it is missing."""
    return Path(_recipe("build").strip())


def _recipe(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.lan_spread", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@cache
def _manifest() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]:
    """Return the digests by fixture, game id and path."""
    found: dict[str, dict[str, dict[str, Any]]]
    found = json.loads((SOURCE / "manifest.json").read_text(encoding="utf-8"))
    return found


def _check_fixture(fixture: str) -> None:
    if fixture not in _manifest():
        raise ValueError(f"There is no fixture {fixture!r}; there are {', '.join(_manifest())}.")


def _kept_archive(game_id: str, size: int, seed: str) -> Path:
    key = sha256(f"{game_id} {size} {seed}".encode()).hexdigest()[:16]
    archive = CACHE / "big" / key / f"{game_id}.eti"
    if not _is_as_made(archive, size):
        shutil.rmtree(archive.parent, ignore_errors=True)
        _make_room(archive.parent.parent, size)
        archive.parent.mkdir(parents=True)
        _write_archive(archive, size, f"{game_id}/{seed}")
    os.utime(archive.parent)  # marks its last use
    return archive


def _is_as_made(archive: Path, size: int) -> bool:
    if not archive.is_file():
        return False
    status = archive.stat()
    return (status.st_size, status.st_mtime_ns) == (size, _MTIME * 10**9)


def _make_room(kept: Path, size: int) -> None:
    """Delete the least recently used archives until `size` more bytes fit into the limit."""
    kept.mkdir(parents=True, exist_ok=True)
    room = _CACHE_LIMIT - size
    for folder in sorted(kept.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
        room -= sum(path.stat().st_size for path in folder.iterdir())
        if room < 0:
            shutil.rmtree(folder)


def _write_archive(archive: Path, size: int, seed: str) -> None:
    """Write to a temporary file and rename it: an interrupted run leaves no partial archive."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        aside = Path(scratch, archive.name)
        _recipe("archive", str(aside), str(size), seed)
        aside.chmod(0o444)
        os.utime(aside, (_MTIME, _MTIME))
        aside.rename(archive)
