"""A download on disk, and crashes of it at any step."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from game_files import (
    BLOCK,
    Files,
    content,
    manifest_of,
    read_files,
    write_files,
)

from peer_cli.transfer.manifest import Manifest
from peer_cli.transfer.staging import (
    Staging,
    recover,
    staging_of,
)

OLD = {
    "version.ini": b"1\n",
    "same.bin": content("same", 100),
    "changed.bin": content("old", 9000),
    "gone.bin": b"gone",
    "gone/too.bin": b"gone",
    "file": b"becomes a folder",
    "folder/inner": b"becomes a file",
}
NEW = {
    "version.ini": b"2\n",
    "same.bin": content("same", 100),
    "changed.bin": content("new", 9 * BLOCK + 5),
    "empty.bin": b"",
    "deep/er/added.bin": content("added", BLOCK),
    "file/inner": b"became a folder",
    "folder": b"became a file",
}
KEPT = {"local/save.dat": b"mine", "local/version.ini": b"not the game's"}


def opened(place: "Place", manifest: Manifest) -> Staging:
    staging = staging_of(place.games_dir, place.state_dir, manifest)
    staging.open()
    return staging


class Place:
    """A games folder, a state folder, and one game in them."""

    def __init__(self, folder: Path) -> None:
        self.games_dir, self.state_dir = folder / "games", folder / "state"
        self.games_dir.mkdir(parents=True)
        self.state_dir.mkdir()
        self.root = self.games_dir / "g"
        self.reports: list[str] = []

    @property
    def journal(self) -> Path:
        return self.state_dir / "downloads" / "g.journal"

    def open(self, files: Files = NEW, version: str = "2") -> Staging:
        return opened(self, manifest_of(files, version=version))

    def staged(self, files: Files = NEW, version: str = "2") -> Staging:
        """A download of which every byte is here, ready to commit."""
        staging = self.open(files, version)
        staging.create_files()
        write_files(staging.folder, files)
        return staging

    def recover(self) -> None:
        recover(self.games_dir, self.state_dir, self.reports.append)

    def game(self) -> dict[str, bytes]:
        """What is in the root but for what is staged."""
        files = read_files(self.root).items()
        return {path: data for path, data in files if not path.startswith(".lanspread/")}

    def check_settled(self, files: Files) -> None:
        assert self.game() == files
        assert not (self.root / ".lanspread").exists()
        assert not list((self.state_dir / "downloads").iterdir())
        assert self.reports == []


class CrashError(BaseException):
    """The peer is gone, at this very moment."""


@contextmanager
def crashing_at(step: int, *, after: bool) -> Iterator[Callable[[], int]]:
    """Crash just before or after the `step`th change to the disk; yields the number of steps."""
    steps = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == step and not after:
                raise CrashError
            result = original(*arguments, **options)
            if steps == step and after:
                raise CrashError
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in [
            (Path, "unlink"), (Path, "rename"), (Path, "replace"), (os, "fsync"),
            (shutil, "rmtree"), (os, "ftruncate"),
        ]:  # fmt: skip
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield lambda: steps


def steps_of(work: Callable[[], None]) -> int:
    with crashing_at(0, after=False) as count:
        work()
    return count()


BEFORE = {**OLD, **KEPT}
AFTER = {**NEW, **KEPT}


def crash_commit(place: Place, step: int, *, after: bool) -> None:
    write_files(place.root, BEFORE)
    staging = place.staged()
    with crashing_at(step, after=after), pytest.raises(CrashError):
        staging.commit()
