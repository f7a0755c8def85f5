"""What lies in the games folder. Nothing here is remembered: the disk is the truth."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from peer_cli.names import UnsafeName, check_game_id, check_served_path, resolve_served

VERSION_FILE = "version.ini"
"""The file whose presence says that a game is downloaded; its whole text is the version."""

LOCAL_FOLDER = "local"
"""The folder whose presence says that a game is installed."""

_MAX_VERSION_BYTES = 4096


class Availability(StrEnum):
    """What a game on this disk is to others."""

    READY = "Ready"
    LOCAL_ONLY = "LocalOnly"


@dataclass(frozen=True, slots=True)
class LocalGame:
    """One game on this disk.

    `version` is None when the game is not downloaded, or when its version.ini cannot be read, is
    empty, is no UTF-8 text or has over 4096 bytes. `size` is the bytes of all served files,
    version.ini included, and 0 when the game is not downloaded.
    """

    id: str
    version: str | None
    downloaded: bool
    installed: bool
    availability: Availability
    size: int


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that others may fetch: its path below the game's root, and its size in bytes."""

    relative_path: str
    size: int


def scan_library(games_dir: Path) -> dict[str, LocalGame]:
    """Return the games in `games_dir` by id; none where the folder cannot be listed.

    A game's root may be a link to a folder elsewhere: that is its owner's choice.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(games_dir))
    except OSError:
        return {}  # an unplugged drive: there is nothing to serve
    games = (scan_game(games_dir / name) for name in names)
    return {game.id: game for game in games if game is not None}


def scan_game(root: Path) -> LocalGame | None:
    """Return the game whose root is `root`; None when it is neither downloaded nor installed.

    A folder whose name cannot be a game's id is no game. `version.ini` and `local` count only when
    they are a regular file and a folder themselves, not links to one.
    """
    try:
        check_game_id(root.name)
    except UnsafeName:
        return None
    downloaded = stat.S_ISREG(_mode(root / VERSION_FILE))
    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))
    if not downloaded and not installed:
        return None
    return LocalGame(
        id=root.name,
        version=read_version(root) if downloaded else None,
        downloaded=downloaded,
        installed=installed,
        availability=Availability.READY if downloaded else Availability.LOCAL_ONLY,
        size=sum(file.size for file in served_files(root)) if downloaded else 0,
    )


def read_version(root: Path) -> str | None:
    """Return the text of the version.ini in `root`, stripped; None where there is no usable one."""
    try:
        # O_NONBLOCK: a pipe of that name must not block the scan.
        descriptor = os.open(
            root / VERSION_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = file.read(_MAX_VERSION_BYTES + 1)
        # Editors on Windows put a byte order mark in front.
        text = content.decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and len(content) <= _MAX_VERSION_BYTES else None


def served_files(root: Path) -> list[ServedFile]:
    """Return the files of a game that others may fetch, sorted by relative path.

    Left out: what lies under reserved names, names that other peers would refuse, devices, pipes
    and sockets, links that lead out of the root or under a reserved name, and links to folders
    (what these hold inside the root is listed where it really lies). A link to a file inside the
    root is a file of its own.
    """
    files = []
    for relative, entry in _entries(root):
        size = _served_size(root, relative, entry)
        if size is not None:
            files.append(ServedFile(relative, size))
    return sorted(files, key=lambda file: file.relative_path)


def served_folders(root: Path) -> list[Path]:
    """Return `root` and all folders below it that can hold served files."""
    entries = _entries(root)
    return [root, *(root / path for path, entry in entries if entry.is_dir(follow_symlinks=False))]


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all that can be served, folders before what is in them, by relative path."""
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            continue  # went away meanwhile, or is not ours to read: then not ours to serve
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            try:
                check_served_path(relative)
            except UnsafeName:
                continue
            yield relative, entry
            if entry.is_dir(follow_symlinks=False):
                pending.append(relative)


def _served_size(root: Path, relative: str, entry: os.DirEntry[str]) -> int | None:
    try:
        if entry.is_symlink():
            status = resolve_served(root, check_served_path(relative)).lstat()
        else:
            status = entry.stat(follow_symlinks=False)
    except (OSError, UnsafeName):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
