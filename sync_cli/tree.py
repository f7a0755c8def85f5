"""Reaches paths of the folder by descriptors, so that no link on the way is ever followed."""

import ctypes
import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from sync_cli.model import OWN_FOLDER, Kind

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

TEMPORARY = OWN_FOLDER + b"/tmp"
KEPT = OWN_FOLDER + b"/kept"
MARKER = OWN_FOLDER + b"/marker"


class Stamp(NamedTuple):
    """Identifies one version of a file or link on this disk.

    It includes the change time because programs can set the modification time back (many that copy
    or restore files do), but not the change time.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Return the stamp of what has this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Seen(NamedTuple):
    """What a look at a path has shown. Only a file is executable."""

    kind: Kind
    stamp: Stamp
    executable: bool


NOTHING = Seen(Kind.GONE, Stamp(0, 0, 0, 0), executable=False)


def seen(status: os.stat_result) -> Seen | None:
    """Return what has this status; None for what is never synchronised, such as a socket."""
    stamp = Stamp.of(status)
    if stat.S_ISREG(status.st_mode):
        return Seen(Kind.FILE, stamp, bool(status.st_mode & stat.S_IXUSR))
    if stat.S_ISLNK(status.st_mode):
        return Seen(Kind.LINK, stamp, executable=False)
    if stat.S_ISDIR(status.st_mode):
        return Seen(Kind.FOLDER, stamp, executable=False)
    return None


def is_absence(error: OSError) -> bool:
    """Tell whether an error means that there is nothing at the path, or not through folders."""
    return error.errno in _ABSENT


class Paths(ABC):
    """What can be done at a path, by way of the folder that it is in.

    Every method raises OSError; one that `is_absence` has found nothing there.
    """

    @abstractmethod
    def parent(self, path: bytes) -> AbstractContextManager[tuple[int, bytes]]:
        """Open the folder that a path is in; gives its descriptor and the name in it."""

    def status(self, path: bytes) -> os.stat_result:
        """Return the status of what is at a path; of a link itself."""
        with self.parent(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def look(self, path: bytes) -> Seen | None:
        """Return what is at a path, NOTHING included; None for what is never synchronised."""
        try:
            return seen(self.status(path))
        except OSError as error:
            if is_absence(error):
                return NOTHING
            raise

    def open_file(self, path: bytes) -> int:
        """Open a file to read it."""
        with self.parent(path) as (folder, name):
            return os.open(name, _FILE, dir_fd=folder)

    def link_target(self, path: bytes) -> bytes:
        """Return where a link leads."""
        with self.parent(path) as (folder, name):
            return os.readlink(name, dir_fd=folder)


class Tree(Paths):
    """The folder. Every method raises OSError, as those of `Paths` do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._root)

    def is_in_place(self) -> bool:
        """Tell whether the folder is still what its path leads to. Raises OSError if unknown."""
        try:
            return os.path.samestat(os.fstat(self._root), self.root.stat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def open_folder(self, path: bytes, *, make: bool = False) -> int:
        """Open a folder (b"" is the root); `make` creates what is missing on the way."""
        folder = os.dup(self._root)
        for part in path.split(b"/") if path else ():
            try:
                try:
                    inner = os.open(part, _FOLDER, dir_fd=folder)
                except FileNotFoundError:
                    if not make:
                        raise
                    os.mkdir(part, dir_fd=folder)
                    inner = os.open(part, _FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    @contextmanager
    def parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:  # noqa: D102 - see Paths
        folder, _, name = path.rpartition(b"/")
        descriptor = self.open_folder(folder)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    def holds_name(self, path: bytes) -> bool:
        """Tell whether a folder lists exactly this name, not only one that the disk equates."""
        with self.parent(path) as (folder, name), os.scandir(folder) as entries:
            return any(os.fsencode(entry.name) == name for entry in entries)


class Folders(Paths):
    """The folders of paths, the last one kept open: neighbours mostly come one after another.

    For one piece of work only: what is moved meanwhile is still reached where it was.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._open: tuple[bytes, int] | None = None

    def __enter__(self) -> "Folders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def of(self, path: bytes, *, make: bool = False) -> tuple[int, bytes]:
        """Return the descriptor of the folder that a path is in, and the name in it."""
        folder, _, name = path.rpartition(b"/")
        if self._open is None or self._open[0] != folder:
            self.close()
            self._open = folder, self._tree.open_folder(folder, make=make)
        return self._open[1], name

    @contextmanager
    def parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:  # noqa: D102 - see Paths
        yield self.of(path)


def sync_all(folder: int) -> None:
    """Make durable what was written to the disk that holds an open folder. Raises OSError."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:  # only Linux has it
        os.sync()
        return
    if syncfs(folder):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
