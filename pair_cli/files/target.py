"""The file that a pull makes: its part beside it, and how the part takes its place."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from pair_cli.files.blocks import (
    BLOCK_BYTES,
    block_count,
    block_hash,
    block_length,
    hash_at,
    hash_file,
)
from pair_cli.files.tree import Entry
from store.durable import sync_folder
from store.names import MAX_PART_BYTES
from store.open_file import read_at

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


class NameClash(OSError):  # noqa: N818 - reads well where it is raised and caught
    """This disk takes two names for one."""


def part_of(target: Path) -> Path:
    """Return where a file is collected until it is whole: `NAME.part` beside it."""
    name = f"{target.name}.part"
    if len(os.fsencode(name)) > MAX_PART_BYTES:
        name = f"{blake3(os.fsencode(target.name)).hexdigest(16)}.part"
    return target.with_name(name)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raise FileExistsError, IsADirectoryError or NameClash where a file cannot be put."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return
    if target not in target.parent.iterdir():
        raise NameClash(
            errno.EEXIST,
            "this disk takes this name and that of another file for one; pull to another name",
            str(target),
        )
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(target))
    if not overwrite:
        raise FileExistsError(errno.EEXIST, "exists; `overwrite` replaces it", str(target))


@dataclass(frozen=True, slots=True)
class Part:
    """An open part. All methods block and raise OSError."""

    path: Path
    descriptor: int

    @classmethod
    def open(cls, path: Path, *, known: bool) -> "Part":
        """Open the part of a pull; only a `known` one may exist already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return cls(path, os.open(path, flags | (0 if known else os.O_EXCL), 0o600))
        except FileExistsError as error:
            raise FileExistsError(
                errno.EEXIST, "is in the way, and no pull's; move it away", str(path)
            ) from error

    def missing(self, size: int, hashes: bytes) -> list[int]:
        """Return the blocks that are not here; nothing but their hashes is trusted."""
        there = os.fstat(self.descriptor).st_size
        if there > size:
            os.ftruncate(self.descriptor, size)
        memory = memoryview(bytearray(min(size, there, BLOCK_BYTES)))
        absent = []
        for index in range(block_count(size)):
            length = block_length(size, index)
            held = (
                index * BLOCK_BYTES + length <= there
                and read_at(self.descriptor, index * BLOCK_BYTES, memory[:length])
                and block_hash(memory[:length]) == hash_at(hashes, index)
            )
            if not held:
                absent.append(index)
        return absent

    def check_space(self, wanted: int) -> None:
        """Raise OSError (ENOSPC) if the disk has no room for so many more bytes."""
        disk = os.fstatvfs(self.descriptor)
        if disk.f_bavail * disk.f_frsize < wanted:
            raise OSError(errno.ENOSPC, f"no room for {wanted} more bytes", str(self.path))

    def commit(self, target: Path, entry: Entry, *, overwrite: bool) -> None:
        """Give the whole part its name, durably. Replaces a file only if `overwrite`."""
        mode = 0o666 | (entry.mode & 0o111)
        _if_supported(lambda: os.fchmod(self.descriptor, mode & ~_UMASK))
        _if_supported(lambda: os.utime(self.descriptor, ns=(entry.mtime_ns, entry.mtime_ns)))
        os.fsync(self.descriptor)
        check_target(target, overwrite=overwrite or self._is(target))
        if overwrite:
            self.path.replace(target)
        else:
            self._put_new(target)
        sync_folder(target.parent)

    def _put_new(self, target: Path) -> None:
        try:
            os.link(self.path, target)  # a rename would replace what appeared meanwhile
        except FileExistsError:
            if not self._is(target):
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self.path.rename(target)
            return
        self.path.unlink()

    def _is(self, target: Path) -> bool:
        """Tell whether the target is this part already: a crash came between its two names."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), target.lstat())
        except FileNotFoundError:
            return False


def is_there(target: Path, entry: Entry) -> bool:
    """Tell whether the target has the content already."""
    try:
        if target.lstat().st_size != entry.size:
            return False
        return hash_file(target).root == entry.root
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL):  # a link or a device: not the content
            return False
        raise


def _if_supported(change: Callable[[], None]) -> None:
    """Ignore that a file system has no such bit or no such time: FAT has neither."""
    try:
        change()
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _read_umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


_UMASK = _read_umask()  # once: it can only be read by setting it, which other threads would see
