"""What a peer's own games folder begins with."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import fixtures
from fixtures.catalog import catalog_entries
from scenarios.lan_spread.version_watch import VERSION_FILE

# CONTRACT section 3: what is never served, and so not compared.
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
    """Something that is put into a games folder before its peer starts."""

    def put_into(self, games: Path) -> None:
        """Make it; parents come first, whoever makes them."""


@dataclass(frozen=True, slots=True)
class Game:
    """A game copied from a fixture, or made up from a seed. ``size`` is that of the archive."""

    game_id: str
    version: str
    fixture: str = ""
    size: int = 0
    seed: str = ""

    def put_into(self, games: Path) -> None:
        """Copy or make the game."""
        root = games / self.game_id
        if self.fixture:
            # No hard links: a peer that writes into its copy must not reach the fixture.
            original = fixtures.games_dir(self.fixture) / self.game_id
            shutil.copytree(original, root, copy_function=shutil.copyfile)
            if self.version != catalog_version(self.game_id):
                (root / VERSION_FILE).write_text(self.version + "\n", encoding="utf-8")
        else:
            fixtures.make_game(games, self.game_id, self.version, self.size, self.seed)


@dataclass(frozen=True, slots=True)
class File:
    """A file, below the games folder."""

    path: str
    content: bytes

    def put_into(self, games: Path) -> None:
        """Write it."""
        file = games / self.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, below the games folder."""

    path: str
    target: str

    def put_into(self, games: Path) -> None:
        """Make it."""
        (games / self.path).symlink_to(self.target)


@dataclass(frozen=True, slots=True)
class Without:
    """A file of the things before it is taken away again."""

    path: str

    def put_into(self, games: Path) -> None:
        """Remove it."""
        (games / self.path).unlink()


def game(game_id: str, fixture: str, *, version: str | None = None) -> Game:
    """Return a game of a fixture, at the catalog's version or another one."""
    return Game(game_id, version or catalog_version(game_id), fixture)


def made_game(game_id: str, size: int, seed: str, *, version: str | None = None) -> Game:
    """Return a game whose one archive has ``size`` bytes that only this seed gives."""
    return Game(game_id, version or catalog_version(game_id), size=size, seed=seed)


def catalog_version(game_id: str) -> str:
    """Return a game's version in the catalog of the fixtures; raises KeyError."""
    return {entry.game_id: entry.version for entry in catalog_entries()}[game_id]


def fill(games: Path, things: Iterable[Thing]) -> None:
    """Put things into a games folder, in their order."""
    for thing in things:
        thing.put_into(games)


def not_served(path: PurePosixPath) -> bool:
    """Whether a path in a game's root is left out of comparisons (an ``ignore`` of trees.tree)."""
    return path.parts[0] in RESERVED_NAMES


def served_size(root: Path) -> int:
    """Return the bytes of the served files of a game's root that has no links."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return sum(
        path.stat().st_size
        for path in files
        if not not_served(PurePosixPath(path.relative_to(root).as_posix()))
    )
