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
from peer_cli.names import check_served_path, resolve_inside
from peer_cli.network import wire
from peer_cli.transfer.dataplane import read_block
from peer_cli.transfer.manifest import VERSION_FILE, Chunk, Manifest

STAGING_NAME = ".lanspread"


class _Journal(msgspec.Struct, frozen=True):
    """What the state directory remembers of a download."""

    phase: Literal["downloading", "committing"]
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
        target = resolve_inside(self.root, check_served_path(relative))
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)  # a folder of the older version, emptied above
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    def _write_journal(self, phase: Literal["downloading", "committing"]) -> None:
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        entry = _Journal(
            phase,
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


def open_staging(games_dir: Path, state_dir: Path, manifest: Manifest) -> Staging:
    """Prepare the place of a download, taking up what an interrupted one of the same left."""
    root = games_dir / manifest.game_id
    journal = _journal_path(state_dir, manifest.game_id)
    earlier = _read_journal(journal)
    if (
        earlier is not None
        and Manifest(earlier.game_id, earlier.version, tuple(earlier.files)).digest()
        == manifest.digest()
    ):
        staging = Staging(root, manifest, journal, earlier.made_root)
    else:
        made_root = earlier.made_root if earlier is not None else not root.exists()
        staging = Staging(root, manifest, journal, made_root)
        shutil.rmtree(staging.folder, ignore_errors=True)
        staging._write_journal("downloading")
    staging.folder.mkdir(parents=True, exist_ok=True)
    return staging


def missing_space(staging: Staging, needed: int) -> int:
    """Return how many bytes the disk lacks for `needed` more; 0 when they fit."""
    disk = os.statvfs(staging.folder)
    return max(0, needed - disk.f_bavail * disk.f_frsize)


def recover(games_dir: Path, state_dir: Path, report: Callable[[str], None]) -> None:
    """At start: finish commits that a crash interrupted, drop staging nobody knows of.

    A download that was interrupted before its commit stays staged, so that downloading the game
    again goes on from there.
    """
    known: set[str] = set()
    for journal in sorted((state_dir / "downloads").glob("*.journal")):
        entry = _read_journal(journal)
        if entry is None:
            report(f"The download journal {journal} is damaged; that download starts afresh.")
            journal.unlink()
            continue
        known.add(entry.game_id)
        if entry.phase == "committing":
            manifest = Manifest(entry.game_id, entry.version, tuple(entry.files))
            Staging(games_dir / entry.game_id, manifest, journal, entry.made_root).finish_commit()
    for folder in games_dir.glob(f"*/{STAGING_NAME}"):
        if folder.parent.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def discard(games_dir: Path, state_dir: Path, game_id: str) -> None:
    """Drop what an interrupted download of a game has left, if anything."""
    journal = _journal_path(state_dir, game_id)
    entry = _read_journal(journal)
    if entry is not None:
        manifest = Manifest(entry.game_id, entry.version, tuple(entry.files))
        Staging(games_dir / game_id, manifest, journal, entry.made_root).roll_back()


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
