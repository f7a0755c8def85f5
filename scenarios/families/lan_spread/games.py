"""The initial content of a peer's own games folder."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.version_watch import VERSION_FILE

# docs/contract.md section 3: never served, and so not compared.
RESERVED_NAMES = frozenset(
    {
        "local",
        ".local.installing",
        ".local.backup",
        ".version.ini.tmp",
        ".lanspread",
        ".lanspread.json",
    }
)


class Thing(Protocol):
    """Something placed into a games folder before its peer starts."""

    def put_into(self, games: Path) -> None:
        """Create it, and its parent folders if they are missing."""


@dataclass(frozen=True, slots=True)
class Game:
    """A game copied from a fixture, or generated with an archive of ``size`` bytes from a seed."""

    game_id: str
    version: str
    fixture: str = ""
    size: int = 0
    seed: str = ""

    def put_into(self, games: Path) -> None:
        """Copy or generate the game."""
        root = games / self.game_id
        if self.fixture:
            # No hard links: a peer that writes into its copy must not change the fixture.
            original = fixtures.games_dir(self.fixture) / self.game_id
            shutil.copytree(original, root, copy_function=shutil.copyfile)
            if self.version != catalog_version(self.game_id):
                (root / VERSION_FILE).write_text(self.version + "\n", encoding="utf-8")
        else:
            fixtures.make_game(games, self.game_id, self.version, self.size, self.seed)


@dataclass(frozen=True, slots=True)
class File:
    """A file below the games folder. ``modified`` is in nanoseconds since 1970; 0 means now."""

    path: str
    content: bytes
    executable: bool = False
    modified: int = 0

    def put_into(self, games: Path) -> None:
        """Write it."""
        file = games / self.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)
        if self.executable:
            file.chmod(0o755)
        if self.modified:
            os.utime(file, ns=(self.modified, self.modified))


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link below the games folder."""

    path: str
    target: str

    def put_into(self, games: Path) -> None:
        """Make it."""
        (games / self.path).symlink_to(self.target)


@dataclass(frozen=True, slots=True)
class Without:
    """Deletes a file that an earlier thing placed."""

    path: str

    def put_into(self, games: Path) -> None:
        """Remove it."""
        (games / self.path).unlink()


def game(game_id: str, fixture: str, *, version: str | None = None) -> Game:
    """Return a game of a fixture, at the catalog's version unless another is given."""
    return Game(game_id, version or catalog_version(game_id), fixture)


def made_game(game_id: str, size: int, seed: str, *, version: str | None = None) -> Game:
    """Return a game with one archive of ``size`` bytes, generated from the seed."""
    return Game(game_id, version or catalog_version(game_id), size=size, seed=seed)


def catalog_version(game_id: str) -> str:
    """Return a game's version in the catalog of the fixtures. Raises KeyError."""
    return fixtures.catalog_versions()[game_id]


def fill(games: Path, things: Iterable[Thing]) -> None:
    """Place things into a games folder, in order."""
    for thing in things:
        thing.put_into(games)


def not_served(path: PurePosixPath) -> bool:
    """Whether comparisons skip a path in a game's root (an ``ignore`` for trees.tree)."""
    return path.parts[0] in RESERVED_NAMES


def served_size(root: Path) -> int:
    """Return the total size of the served files in a game's root, which must have no links."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return sum(
        path.stat().st_size
        for path in files
        if not not_served(PurePosixPath(path.relative_to(root).as_posix()))
    )
