"""Scans the games folder. Keeps no state: the disk is the truth."""

import codecs
import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from peer_cli.names import check_game_id, check_served_path, is_reserved, resolve_served
from store.names import UnsafeName

VERSION_FILE = "version.ini"
"""The file whose presence means that a game is downloaded; its whole text is the version."""

LOCAL_FOLDER = "local"
"""The folder whose presence means that a game is installed."""

MAX_VERSION_BYTES = 4096
_SHOWN_CHARACTERS = 80

# Errors that mean that something vanished during the scan. Every other error is a problem to
# report.
_GONE = (FileNotFoundError, NotADirectoryError)

# Created by ext file systems at their top, readable by root only: not a game and not worth a
# report.
_LOST_AND_FOUND = "lost+found"


class Availability(StrEnum):
    """What other peers can get of a game."""

    READY = "Ready"
    LOCAL_ONLY = "LocalOnly"


@dataclass(frozen=True, slots=True)
class LocalGame:
    """One game on this disk.

    `version` is None when the game is not downloaded, or when its version.ini has none. `size` is
    the bytes of all served files including version.ini, and 0 when the game is not downloaded.
    `problem` says in a sentence what cannot be read or named. Such a game is incomplete for other
    peers, and so not `Ready`.
    """

    id: str
    version: str | None
    downloaded: bool
    installed: bool
    availability: Availability
    size: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that other peers may fetch: its path below the game's root, and its size in bytes.

    `executable` is the owner's bit. `mtime_ns` is in nanoseconds since 1970; earlier times are 0.
    `place` is where it is on this disk.
    """

    relative_path: str
    size: int
    executable: bool
    mtime_ns: int
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Content:
    """What a game's root offers other peers.

    `folders` are the readable folders, including the root. `problems` are sentences on what cannot
    be read or named, in path order; if there are any, `files` is incomplete.
    """

    files: list[ServedFile]
    folders: list[Path]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Scan:
    """The games by id, and a sentence on each thing that could not be scanned or shared."""

    games: dict[str, LocalGame]
    problems: list[str]


def scan_library(games_dir: Path) -> Scan:
    """Return what is in `games_dir`; no games if it cannot be listed.

    A game's root may be a link to a folder elsewhere: that is the owner's choice.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(games_dir))
    except _GONE:
        return Scan({}, [])  # an unplugged drive: there is nothing to serve
    except OSError as error:
        return Scan({}, [f"The games folder {games_dir} cannot be read: {error.strerror}."])
    games: dict[str, LocalGame] = {}
    problems = []
    for name in names:
        try:
            check_game_id(name)
        except UnsafeName as error:
            if not name.startswith(".") and _looks_like_a_game(games_dir / name):
                problems.append(f"A game in {games_dir} cannot be shared: {error}")
            continue
        game = scan_game(games_dir / name)
        if game is not None:
            games[name] = game
    return Scan(games, problems)


def scan_game(root: Path) -> LocalGame | None:
    """Return the game whose root is `root`; None if it is neither downloaded nor installed.

    A folder whose name cannot be a game's id is not a game. `version.ini` and `local` count only if
    they are a regular file and a folder themselves, not links. An unreadable root may be a game, so
    it is returned with that problem.
    """
    try:
        check_game_id(root.name)
    except UnsafeName:
        return None
    try:
        return _scan_game(root)
    except OSError as error:
        if root.name == _LOST_AND_FOUND:
            return None
        problem = f"The folder cannot be read: {error.strerror}."
        return LocalGame(root.name, None, False, False, Availability.LOCAL_ONLY, 0, problem)


def _scan_game(root: Path) -> LocalGame | None:
    downloaded = stat.S_ISREG(_mode(root / VERSION_FILE))
    installed = stat.S_ISDIR(_mode(root / LOCAL_FOLDER))
    if not downloaded and not installed:
        return None
    version, content = None, Content([], [], [])
    if downloaded:
        content = look_through(root)
        try:
            version = read_version(root)
        except _GONE:
            pass  # it was just removed; the watcher will notice
        except OSError as error:
            if not content.problems:  # otherwise it may be among them
                content.problems.append(_unreadable("file", VERSION_FILE, error))
        except ValueError as error:
            content.problems.append(f"{VERSION_FILE} {error}.")
    ready = downloaded and not content.problems
    return LocalGame(
        id=root.name,
        version=version,
        downloaded=downloaded,
        installed=installed,
        availability=Availability.READY if ready else Availability.LOCAL_ONLY,
        size=sum(file.size for file in content.files),
        problem=summary(content.problems),
    )


def summary(problems: list[str]) -> str | None:
    """Return the first of the problems and how many more there are; None if there are none."""
    if len(problems) < 2:
        return problems[0] if problems else None
    return f"{problems[0]} ({len(problems) - 1} more)"


def read_version(root: Path) -> str:
    """Return the text of the version.ini in `root`, stripped.

    The text is UTF-8, or UTF-16 with a byte order mark, as Windows editors write it. Raises OSError
    when it cannot be read, and ValueError (a text that follows the file's name) when it is not a
    regular file, not such text, empty or over 4096 bytes.
    """
    # O_NONBLOCK: a named pipe of that name must not block the scan.
    descriptor = os.open(
        root / VERSION_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    )
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        content = file.read(MAX_VERSION_BYTES + 1)
    if len(content) > MAX_VERSION_BYTES:
        raise ValueError(f"is longer than {MAX_VERSION_BYTES} bytes")
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8; save it as UTF-8") from None
    if "\0" in text:  # UTF-16 without the mark also decodes as UTF-8
        raise ValueError("has a NUL character; save it as UTF-8")
    if not text:
        raise ValueError("is empty; it must hold the game's version")
    return text


def look_through(root: Path) -> Content:
    """Return the files that other peers may fetch, sorted by relative path, and the problems.

    Skips everything under reserved names, devices, pipes and sockets, links that lead out of the
    root or under a reserved name, and links to folders (their content is listed at its real place
    if that is inside the root). A link to a file inside the root counts as a file. Unreadable
    things and names that other peers would refuse are problems.
    """
    files: list[ServedFile] = []
    folders: list[Path] = []
    problems: dict[str, str] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(root / folder))
        except _GONE:
            continue
        except OSError as error:
            problems[folder] = _unreadable("folder", folder or ".", error)
            continue
        folders.append(root / folder)
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if not folder and is_reserved(entry.name):
                continue
            try:
                check_served_path(relative)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(relative)
                    continue
                path = _served_place(root, relative, entry)
                if path is not None and stat.S_ISREG((status := os.lstat(path)).st_mode):
                    files.append(_served_file(relative, status, str(path)))
                    _check_readable(path)
            except UnsafeName as error:
                problems[relative] = f"{error} Rename it."
            except _GONE:
                pass
            except OSError as error:
                problems[relative] = _unreadable("file", relative, error)
    return Content(
        sorted(files, key=lambda file: file.relative_path),
        folders,
        [problems[relative] for relative in sorted(problems)],
    )


def _served_file(relative: str, status: os.stat_result, place: str) -> ServedFile:
    executable = bool(status.st_mode & stat.S_IXUSR)
    return ServedFile(relative, status.st_size, executable, max(status.st_mtime_ns, 0), place)


def _served_place(root: Path, relative: str, entry: os.DirEntry[str]) -> str | Path | None:
    """Return the real path of an entry that is not a folder; None for a link that is not served."""
    if not entry.is_symlink():
        return entry.path
    try:
        return resolve_served(root, check_served_path(relative))
    except UnsafeName:
        return None


def _check_readable(path: str | Path) -> None:
    """Raise OSError if a file cannot be opened, in the usual case without opening it."""
    if not os.access(path, os.R_OK):
        os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))


def _unreadable(what: str, relative: str, error: OSError) -> str:
    shown = relative if len(relative) <= _SHOWN_CHARACTERS else f"{relative[:_SHOWN_CHARACTERS]}…"
    return f"The {what} {shown!a} cannot be read: {error.strerror}."


def _looks_like_a_game(root: Path) -> bool:
    try:
        return bool(_mode(root / VERSION_FILE) or _mode(root / LOCAL_FOLDER))
    except OSError:
        return True


def _mode(path: Path) -> int:
    """Return the mode of a path, 0 if nothing is there. Raises OSError."""
    try:
        return path.lstat().st_mode
    except _GONE:
        return 0
