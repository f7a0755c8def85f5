"""A download on disk: staged files, the journal that survives a crash, and the commit.

Files are fetched into `<root>/.lanspread/` and moved into place once every byte is verified, so
that an older version stays whole until then. The journal in the state directory names the
manifest and the phase: a crash while downloading leaves a download that can go on where it was, a
crash while committing is finished at the next start. `version.ini` is the commit mark: the old one
goes first, the new one comes last, by rename.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from blake3 import blake3

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.library.scan import served_files
from peer_cli.network import wire
from peer_cli.transfer.dataplane import read_block
from peer_cli.transfer.manifest import VERSION_FILE, Chunk, Manifest

STAGING_NAME = ".lanspread"


class _Journal(msgspec.Struct, frozen=True):
    """What the state directory remembers of a download."""

    phase: Literal["downloading", "committing"]
    root: str
    game_id: str
    version: str
    made_root: bool
    files: list[wire.File]


@dataclass(frozen=True, slots=True)
class Staging:
    """The place of one download. All methods block; OSError tells of disk trouble."""

    root: Path
    manifest: Manifest
    journal: Path
    made_root: bool

    def open(self) -> None:
        """Prepare the folder, keeping what an interrupted download of the same has left."""
        earlier = _read_journal(self.journal)
        if earlier is None or _manifest_of(earlier).digest() != self.manifest.digest():
            shutil.rmtree(self.folder, ignore_errors=True)
        # Also over an older journal: what it said of a commit does not hold for what comes now.
        self._write_journal("downloading")
        self.folder.mkdir(parents=True, exist_ok=True)

    def lacking_space(self, needed: int) -> int:
        """Return how many bytes the disk lacks for `needed` more; 0 when they fit."""
        disk = os.statvfs(self.folder)
        return max(0, needed - disk.f_bavail * disk.f_frsize)

    @property
    def folder(self) -> Path:
        """Where the files are staged."""
        return self.root / STAGING_NAME

    def path(self, relative: str) -> Path:
        """Return where a file of the manifest is staged. Its name was checked with the manifest."""
        return self.folder / relative

    def held(self, chunks: list[Chunk]) -> dict[int, list[tuple[int, int]]]:
        """Hash what is staged already; return the verified (offset, length) per chunk index.

        Nothing is trusted that an earlier life wrote down: hashing is faster than the network.
        """
        held: dict[int, list[tuple[int, int]]] = {}
        buffer = memoryview(bytearray(BLOCK_SIZE))
        for chunk in chunks:
            file = self.manifest.files[chunk.file]
            try:
                staged = os.open(self.path(file.path), os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                for offset in range(chunk.offset, chunk.offset + chunk.length, BLOCK_SIZE):
                    block = buffer[: min(BLOCK_SIZE, file.size - offset)]
                    expected = file.blocks[offset // BLOCK_SIZE]
                    if read_block(staged, offset, block) and blake3(block).digest() == expected:
                        held.setdefault(chunk.index, []).append((offset, len(block)))
            finally:
                os.close(staged)
        return held

    def create_files(self) -> None:
        """Make all files at their full size, so that blocks may arrive in any order."""
        for file in self.manifest.files:
            path = self.path(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            staged = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                os.ftruncate(staged, file.size)
            finally:
                os.close(staged)

    def commit(self) -> None:
        """Move everything into place; `version.ini` last."""
        for file in self.manifest.files:
            _sync_file(self.path(file.path))
        self._write_journal("committing")
        self.finish_commit()

    def finish_commit(self) -> None:
        """Carry out the commit, or what a crash has left of it. May be repeated."""
        version_file = self.root / VERSION_FILE
        if self.path(VERSION_FILE).exists():
            version_file.unlink(missing_ok=True)
            wanted = {file.path for file in self.manifest.files}
            for old in served_files(self.root):
                if old.relative_path not in wanted:
                    (self.root / old.relative_path).unlink()
            for file in self.manifest.files:
                if file.path != VERSION_FILE:
                    self._move_into_place(file.path)
            _sync_folder(self.root)
            self.path(VERSION_FILE).rename(version_file)
            _sync_folder(self.root)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.journal.unlink(missing_ok=True)

    def roll_back(self) -> None:
        """Remove every trace of the download; what was in the root before stays."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.made_root:
            with contextlib.suppress(OSError):  # not empty: somebody else uses it by now
                self.root.rmdir()
        self.journal.unlink(missing_ok=True)

    def _move_into_place(self, relative: str) -> None:
        staged = self.path(relative)
        if not staged.exists():
            return  # moved before a crash
        *folders, name = relative.split("/")
        place = self.root
        for folder in folders:
            place /= folder
            if place.is_symlink() or not place.is_dir():
                # A link of the older version is replaced, not followed.
                place.unlink(missing_ok=True)
                place.mkdir()
        target = place / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)  # a folder of the older version, emptied above
        staged.replace(target)

    def _write_journal(self, phase: Literal["downloading", "committing"]) -> None:
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        entry = _Journal(
            phase,
            str(self.root),
            self.manifest.game_id,
            self.manifest.version,
            self.made_root,
            list(self.manifest.files),
        )
        aside = self.journal.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(msgspec.msgpack.encode(entry))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.journal)
        _sync_folder(self.journal.parent)


def staging_of(games_dir: Path, state_dir: Path, manifest: Manifest) -> Staging:
    """Return the place of a download."""
    root = games_dir / manifest.game_id
    journal = _journal_path(state_dir, manifest.game_id)
    earlier = _read_journal(journal)
    made_root = not root.exists()
    if earlier is not None and earlier.root == str(root):
        made_root = earlier.made_root
    return Staging(root, manifest, journal, made_root)


def recover(games_dir: Path, state_dir: Path, report: Callable[[str], None]) -> None:
    """At start: finish commits that a crash interrupted, drop staging nobody knows of.

    A download that was interrupted before its commit stays staged, so that downloading the game
    again goes on from there. What cannot be finished now is reported and tried at the next start.
    """
    known: set[str] = set()
    for journal in sorted((state_dir / "downloads").glob("*.journal")):
        entry = _read_journal(journal)
        if entry is None:
            report(f"The download journal {journal} is damaged; that download starts afresh.")
            journal.unlink()
            continue
        if Path(entry.root).parent != games_dir:
            continue  # of another library
        known.add(entry.game_id)
        if entry.phase == "committing":
            try:
                _staging_of_journal(journal, entry).finish_commit()
            except OSError as error:
                report(f"The download of {entry.game_id} cannot be finished: {error}.")
    for folder in games_dir.glob(f"*/{STAGING_NAME}"):
        if folder.parent.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def interrupted(games_dir: Path, state_dir: Path, game_id: str) -> Staging | None:
    """Return the place of an interrupted download of the game that waits to go on, if any."""
    journal = _journal_path(state_dir, game_id)
    entry = _read_journal(journal)
    if entry is None or entry.root != str(games_dir / game_id):
        return None
    return _staging_of_journal(journal, entry)


def _staging_of_journal(journal: Path, entry: _Journal) -> Staging:
    return Staging(Path(entry.root), _manifest_of(entry), journal, entry.made_root)


def _manifest_of(entry: _Journal) -> Manifest:
    return Manifest(entry.game_id, entry.version, tuple(entry.files))


def _journal_path(state_dir: Path, game_id: str) -> Path:
    return state_dir / "downloads" / f"{game_id}.journal"


def _read_journal(path: Path) -> _Journal | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=_Journal)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sync_file(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    _sync_file(path)
