"""A download on disk, and crashes of it at any step."""

from collections.abc import Callable
from pathlib import Path

import pytest

from peer_cli.transfer.manifest import Manifest
from peer_cli.transfer.recovery import recover
from peer_cli.transfer.staging import Staging, journal_of, staging_of
from tests.peer_cli.faults import CrashError, crashing
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    Files,
    content,
    manifest_of,
    read_files,
    write_files,
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
        self.folder = folder
        self.games_dir, self.state_dir = folder / "games", folder / "state"
        self.games_dir.mkdir(parents=True)
        self.state_dir.mkdir()
        self.root = self.games_dir / "g"
        self.reports: list[str] = []

    @property
    def journal(self) -> Path:
        found = journal_of(self.state_dir, self.root)
        assert found is not None
        return found.path

    def journals(self) -> list[Path]:
        return list((self.state_dir / "downloads").iterdir())

    def staging(self, files: Files = NEW, version: str = "2") -> Staging:
        return staging_of(self.games_dir, self.state_dir, manifest_of(files, version=version))

    def open(self, files: Files = NEW, version: str = "2") -> Staging:
        return opened(self, manifest_of(files, version=version))

    def staged(self, files: Files = NEW, version: str = "2") -> Staging:
        """A download of which every byte is here, ready to commit."""
        staging = self.open(files, version)
        staging.create_files()
        write_files(staging.new, files)
        return staging

    def use(self, games_dir: Path) -> None:
        """Go on in another games folder."""
        self.games_dir, self.root = games_dir, games_dir / "g"

    def recover(self) -> None:
        recover(self.games_dir, self.state_dir, self.reports.append)

    def game(self) -> dict[str, bytes]:
        """What is in the root but for what is staged."""
        files = read_files(self.root).items()
        return {path: data for path, data in files if not path.startswith(".lanspread/")}

    def check_settled(self, files: Files) -> None:
        assert self.game() == files
        assert not (self.root / ".lanspread").exists()
        assert not self.journals()
        assert self.reports == []


BEFORE = {**OLD, **KEPT}
AFTER = {**NEW, **KEPT}


def crash_commit(place: Place, step: int, *, after: bool) -> None:
    write_files(place.root, BEFORE)
    staging = place.staged()
    with crashing(place.folder, step, after=after), pytest.raises(CrashError):
        staging.commit()


def crash_half_way(place: Place) -> None:
    """Crash a commit when the old version is aside and some of the new one is in place."""
    write_files(place.root, BEFORE)
    staging = place.staged()
    with (
        crashing(place.folder, len(OLD) + 3, after=True, calls=("rename",)),
        pytest.raises(CrashError),
    ):
        staging.commit()
    assert 0 < len(NEW.keys() & place.game().keys()) < len(NEW)


def calls_of(place: Place, work: Callable[[], None]) -> int:
    with crashing(place.folder, 0) as calls:
        work()
    return calls.count
