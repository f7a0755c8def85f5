"""What a user does in a folder, and what is in it."""

import hashlib
import os
import random
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

OWN = ".sync"  # the program's own folder, at the top
SCRATCH = ".being-written-by-the-scenario"
DIFFERENCES_SHOWN = 20
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True)
class Made:
    """A file of ``size`` bytes that the seed determines, with an mtime if one is given."""

    size: int
    seed: str = ""
    mtime: float | None = None  # Unix seconds


@dataclass(frozen=True, slots=True)
class Sparse:
    """A file of ``size`` bytes that are all holes but for these, by offset."""

    size: int
    islands: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A small file with an x bit or an mtime of its own."""

    content: bytes
    executable: bool = False
    mtime: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder."""


FOLDER = Folder()
Thing: TypeAlias = str | bytes | Text | Made | Sparse | Link | Folder
Things: TypeAlias = Mapping[str, Thing]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a name. ``content`` is a file's SHA-256 or a link's target."""

    kind: str  # file, folder, link, other
    size: int = 0
    content: str = ""
    executable: bool = False
    mtime_ns: int = 0  # of a file

    def __str__(self) -> str:
        if self.kind != "file":
            return f"{self.kind} {self.content}".strip()
        mode = ", executable" if self.executable else ""
        return f"file of {self.size} bytes, {self.content[:12]}{mode}, mtime {self.mtime_ns / 1e9}"


State: TypeAlias = dict[str, Entry]


def put(root: Path, name: str, thing: Thing) -> None:
    """Write something under a name, with the folders above; a file is written in place."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    match thing:
        case Folder():
            path.mkdir(exist_ok=True)
        case Link(target):
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        case Text(content, executable, mtime):
            path.write_bytes(content)
            path.chmod(0o755 if executable else 0o644)
            _stamp(path, mtime)
        case Made(size, seed, mtime):
            with path.open("wb") as file:
                write_made(file.fileno(), size, seed or name)
            _stamp(path, mtime)
        case Sparse(size, islands):
            with path.open("wb") as file:
                file.truncate(size)
                for offset, data in islands:
                    os.pwrite(file.fileno(), data, offset)
        case str():
            path.write_text(thing, encoding="utf-8")
        case bytes():
            path.write_bytes(thing)


def put_at_once(root: Path, name: str, thing: Thing) -> None:
    """Write beside the folder and rename, as careful editors do: nobody sees a part of it."""
    scratch = root.parent / SCRATCH
    put(root.parent, SCRATCH, thing)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(root / name)


def fill(root: Path, things: Things) -> None:
    """Put all of these."""
    for name, thing in things.items():
        put(root, name, thing)


def write_made(descriptor: int, size: int, seed: str) -> None:
    """Write so many bytes that the seed determines."""
    source = random.Random(os.fsencode(seed))  # noqa: S311 - content, not a secret
    for begin in range(0, size, _PIECE):
        os.write(descriptor, source.randbytes(min(_PIECE, size - begin)))


def sha256_of(data: bytes) -> str:
    """Return what an entry with this content has as ``content``."""
    return hashlib.sha256(data).hexdigest()


def state(root: Path) -> State:
    """Return all that is in a folder, by name; links are not followed.

    Names that are no UTF-8 have surrogates, as `os.fsdecode` gives them. What goes away meanwhile
    is left out. Raises FileNotFoundError if the folder itself does not exist.
    """
    found: State = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            children = [child.name for child in (root / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            if not folder:
                raise
            del found[folder]
            continue
        for child in children:
            name = f"{folder}/{child}" if folder else child
            if name == OWN:
                continue
            with suppress(FileNotFoundError):
                found[name] = _entry(root / name)
                if found[name].kind == "folder":
                    folders.append(name)
    return dict(sorted(found.items()))


def shape(root: Path) -> State:
    """Return a folder's state without the content of files, which is quick."""
    found = {}
    for parent, folders, files in os.walk(root):
        relative = Path(parent).relative_to(root)
        if str(relative) == "." and OWN in folders:
            folders.remove(OWN)
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                status = (Path(parent) / name).lstat()
                kind = "folder" if stat.S_ISDIR(status.st_mode) else "file"
                size = 0 if kind == "folder" else status.st_size
                found[str(relative / name)] = Entry(kind, size)
    return found


def without_times(of: State) -> State:
    """Return a state in which mtimes do not count."""
    return {name: replace(entry, mtime_ns=0) for name, entry in of.items()}


def files_of(of: State) -> dict[str, str]:
    """Return the content of the files alone, by name."""
    return {name: entry.content for name, entry in of.items() if entry.kind == "file"}


def differences(got: State, want: State) -> list[str]:
    """Return one sentence for each difference."""
    found = []
    for name in sorted(got.keys() | want.keys()):
        mine, theirs = got.get(name), want.get(name)
        if mine == theirs:
            continue
        # Only ASCII: names may be no text at all.
        shown = ascii(name)
        if mine is None:
            found.append(f"{shown} is missing (wanted: {theirs})")
        elif theirs is None:
            found.append(f"{shown} should not be there (it is a {mine})")
        else:
            found.append(f"{shown} is a {mine}, wanted: {theirs}")
    more = len(found) - DIFFERENCES_SHOWN
    return [*found[:DIFFERENCES_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _entry(path: Path) -> Entry:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Entry("file", status.st_size, digest, executable, status.st_mtime_ns)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", content=ascii(os.fspath(path.readlink())))
    return Entry("folder" if stat.S_ISDIR(status.st_mode) else "other")


def _stamp(path: Path, mtime: float | None) -> None:
    if mtime is not None:
        os.utime(path, (mtime, mtime))
