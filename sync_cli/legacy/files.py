"""The files of a folder that the legacy wire exchanges, and how a fetched one takes its place."""

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import NamedTuple

from headless.errors import CodedError
from store.deletion import delete_tree
from store.durable import sync_folder
from sync_cli.legacy.wire import CODE_SUFFIXES, RESERVED_NAME, is_exchanged

_ASIDE = "legacy"
# Nothing is there, or a link or socket.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
_SECOND = 10**9
RESERVE_SHARE, RESERVE_BYTES = 0.01, 64 << 20


class LocalFiles(NamedTuple):
    """Name to mtime (whole Unix seconds) of what is announced, and names that cannot be."""

    files: dict[str, int]
    left_out: list[str]


class CannotStoreError(CodedError):
    """A fetched file cannot take its place; the text says why."""


def local_files(folder: Path) -> LocalFiles:
    """Return the regular files directly in a folder, by name. Raises OSError.

    Folders, links and code are left out; a name with a newline cannot be asked for.
    """
    files, left_out = {}, []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.name == RESERVED_NAME or entry.name.endswith(CODE_SUFFIXES):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted meanwhile
            if not stat.S_ISREG(status.st_mode):
                continue
            if is_exchanged(entry.name):
                files[entry.name] = status.st_mtime_ns // _SECOND
            else:
                left_out.append(entry.name)
    return LocalFiles(files, left_out)


def open_served(folder: Path, name: str) -> tuple[int, int] | None:
    """Open a file to serve it; return it with its size, or None if there is no such file.

    Raises OSError for a file that cannot be opened.
    """
    if not is_exchanged(name):
        return None
    try:
        # Opening a pipe would block, and a link could lead anywhere.
        file = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        return None
    return file, status.st_size


class Incoming:
    """A file that is being fetched: written aside, and put in place when it is complete.

    `length` bytes will be written. Raises CannotStoreError, also where the disk fails.
    """

    def __init__(self, folder: Path, name: str, length: int) -> None:
        self._folder = folder
        self._name = name
        self._length = length
        self._path = folder / RESERVED_NAME / _ASIDE / secrets.token_hex(8)
        self._seen: tuple[int, ...] | None = None
        self._file = -1

    def open(self) -> None:
        """Look at what it will replace, and make the file aside."""
        self._seen = _look(self._folder / self._name)
        _check_room(self._folder, self._length)
        aside = self._path.parent
        try:
            aside.parent.mkdir(exist_ok=True)
            if not stat.S_ISDIR(aside.parent.lstat().st_mode):
                raise CannotStoreError("write-failed", f"{aside.parent} is no folder")
            aside.mkdir(exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o666)
        except OSError as error:
            raise _cannot_write(error) from error

    def write(self, data: memoryview, offset: int) -> None:
        """Write bytes at an offset."""
        try:
            while data:
                count = os.pwrite(self._file, data, offset)
                data, offset = data[count:], offset + count
        except OSError as error:
            raise _cannot_write(error) from error

    def finish(self, mtime: int) -> int:
        """Make the bytes durable, set the mtime, and rename; return the mtime the disk made of it.

        What somebody has changed meanwhile is kept: `changed-here`.
        """
        target = self._folder / self._name
        try:
            os.fsync(self._file)
            os.utime(self._path, ns=(mtime * _SECOND, mtime * _SECOND))
            if _look(target) != self._seen:
                raise CannotStoreError("changed-here", "the file was changed here meanwhile")
            self._path.rename(target)
            sync_folder(self._folder)
            return os.fstat(self._file).st_mtime_ns // _SECOND
        except (OSError, OverflowError) as error:
            raise _cannot_write(error) from error

    def close(self) -> None:
        """Forget what is not in place. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._path.unlink(missing_ok=True)


def clear_aside(folder: Path) -> None:
    """Delete what fetches have left. Raises OSError."""
    reserved = folder / RESERVED_NAME
    delete_tree(reserved / _ASIDE)
    if reserved.is_dir() and not reserved.is_symlink() and not any(reserved.iterdir()):
        reserved.rmdir()


def _look(target: Path) -> tuple[int, ...] | None:
    """Return what tells a file from another one under its name, None if there is none."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot_write(error) from error
    if not stat.S_ISREG(status.st_mode):
        raise CannotStoreError("name-clash", "there is something of that name that is no file")
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check_room(folder: Path, length: int) -> None:
    """Refuse a file that would leave less than 1 % or 64 MiB of the disk free."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        raise _cannot_write(error) from error
    reserve = max(RESERVE_BYTES, int(disk.f_blocks * disk.f_frsize * RESERVE_SHARE))
    if length + reserve > disk.f_bavail * disk.f_frsize:
        raise CannotStoreError("low-space", f"there is no room for {length} bytes on the disk")


def _cannot_write(error: OSError | OverflowError) -> CannotStoreError:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return CannotStoreError("write-failed", f"it cannot be written: {text}")
