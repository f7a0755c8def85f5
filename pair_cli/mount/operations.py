"""The operations of the mounted tree. Errors are OSError, UnsafeName and FetchError."""

import contextlib
import ctypes
import errno
import itertools
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import replace

import mfusepy

from pair_cli.files.blocks import stamp_of
from pair_cli.files.folder import SharedFolder
from pair_cli.files.names import check_shared_path, disk_path
from pair_cli.files.tree import Entry
from pair_cli.mount.open_files import OpenFiles

BLOCK_SIZE = 1 << 17
"""What programs are told to read at once."""


class TreeOperations(mfusepy.Operations):  # type: ignore[misc]
    """The tree as libfuse's high-level operations. Called from its threads."""

    use_ns = True

    def __init__(self, folder: SharedFolder, files: OpenFiles) -> None:
        self._folder = folder
        self._tree = folder.tree
        self._files = files
        self._open_folders: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._began_ns = time.time_ns()
        self._owner = {"st_uid": os.geteuid(), "st_gid": os.getegid()}

    # --- what is there ------------------------------------------------------------------------

    def getattr(self, path: str | None, fh: mfusepy.fuse_file_info | None = None) -> dict[str, int]:
        """Return a file's or folder's attributes."""
        if fh is not None:
            file = self._files.get(fh.fh)
            if file.descriptor is None:
                return self._attributes(file.entry)
            return self._status_of(os.fstat(file.descriptor))
        name = _name(path)
        written = self._files.written_at(name)
        if written is not None:
            return self._status_of(os.fstat(written))
        entry = self._tree.get(name)
        if entry is not None and not entry.folder:
            return self._attributes(entry)
        if entry is None and not self._tree.is_folder(name):
            raise _error(errno.ENOENT, name)
        if entry is None:
            return self._status(stat.S_IFDIR | 0o755, 0, self._began_ns, self._began_ns)
        return self._status(stat.S_IFDIR | entry.mode, 0, entry.mtime_ns, entry.mtime_ns)

    def _status_of(self, status: os.stat_result) -> dict[str, int]:
        mode = stat.S_IFREG | stat.S_IMODE(status.st_mode)
        return self._status(mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _attributes(self, entry: Entry) -> dict[str, int]:
        if entry.mine:
            with contextlib.suppress(FileNotFoundError):
                status = disk_path(self._folder.folder, entry.disk).lstat()
                if not self._folder.is_as_hashed(entry, status):
                    return self._status_of(status)
        mode = stat.S_IFREG | entry.mode
        return self._status(mode, entry.size, entry.mtime_ns, entry.mtime_ns)

    def _status(self, mode: int, size: int, mtime_ns: int, ctime_ns: int) -> dict[str, int]:
        return {
            "st_mode": mode,
            "st_nlink": 1,
            "st_size": size,
            "st_blocks": -(-size // 512),
            "st_blksize": BLOCK_SIZE,
            "st_atime": mtime_ns,
            "st_mtime": mtime_ns,
            "st_ctime": ctime_ns,
            **self._owner,
        }

    def opendir(self, path: str) -> int:
        """Open a folder; later calls know it by its handle only."""
        handle = next(self._numbers)
        self._open_folders[handle] = _name(path)
        return handle

    def releasedir(self, path: str | None, fh: int) -> int:
        """Close a folder."""
        self._open_folders.pop(_number(fh), None)
        return 0

    def readdir(self, path: str | None, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        """List a folder."""
        yield ".", {"st_mode": stat.S_IFDIR}, 0
        yield "..", {"st_mode": stat.S_IFDIR}, 0
        for name, entry in self._tree.children(self._open_folders[_number(fh)]).items():
            is_folder = entry is None or entry.folder
            yield name, {"st_mode": stat.S_IFDIR if is_folder else stat.S_IFREG}, 0

    def statfs(self, path: str) -> dict[str, int]:
        """Return the room of the disk that writes go to."""
        disk = os.statvfs(self._folder.folder)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree",
                 "f_favail", "f_namemax")  # fmt: skip
        return {name: getattr(disk, name) for name in names}

    # --- content ------------------------------------------------------------------------------

    def open(self, path: str, fi: mfusepy.fuse_file_info) -> int:
        """Open what the path is now."""
        fi.fh, file = self._files.open(_name(path))
        if fi.flags & os.O_TRUNC:
            self._files.truncate(file, 0)
        # The kernel's cache is by path: another version's pages and size must not pass for it.
        fi.direct_io = file.descriptor is None or self._files.others_at(file.path, file)
        return 0

    def create(self, path: str, mode: int, fi: mfusepy.fuse_file_info) -> int:
        """Create a file of this side."""
        name = _checked(path)
        try:
            fi.fh, _ = self._files.create(name, mode)
        except FileExistsError:
            if fi.flags & os.O_EXCL:
                raise
            return self.open(path, fi)
        return 0

    def read(
        self, path: str | None, size: int, offset: int, fi: mfusepy.fuse_file_info
    ) -> "bytes | ctypes.Array[ctypes.c_char]":
        """Read; the other's content is verified before it is handed out."""
        data = self._files.read(self._files.get(fi.fh), size, offset)
        if isinstance(data, bytes):
            return data
        return (ctypes.c_char * len(data)).from_buffer(data)

    def write(self, path: str | None, data: bytes, offset: int, fi: mfusepy.fuse_file_info) -> int:
        """Write to this side's copy."""
        return self._files.write(self._files.get(fi.fh), data, offset)

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        """Cut a file, or fill it with zeros; announced at once unless it is open."""
        if fh is not None:
            self._files.truncate(self._files.get(fh), length)
            return 0
        handle, file = self._files.open(_name(path))
        try:
            self._files.truncate(file, length)
        finally:
            self._files.close(handle)
        return 0

    def flush(self, path: str | None, fi: mfusepy.fuse_file_info) -> int:
        """Announce what was written: a program closed the file."""
        self._files.announce(self._files.get(fi.fh))
        return 0

    def release(self, path: str | None, fi: mfusepy.fuse_file_info) -> int:
        """The last descriptor of a handle is closed."""
        self._files.close(fi.fh)
        return 0

    def fsync(self, path: str | None, datasync: int, fi: mfusepy.fuse_file_info) -> int:
        """Make what was written durable on this side's disk."""
        descriptor = self._files.get(fi.fh).descriptor
        if descriptor is not None:
            os.fsync(descriptor)
        return 0

    # --- names --------------------------------------------------------------------------------

    def mkdir(self, path: str, mode: int) -> int:
        """Make a folder."""
        name = _checked(path)
        if self._tree.get(name) is not None or self._tree.is_folder(name):
            raise _error(errno.EEXIST, name)
        self._tree.publish([replace(_folder(name), mode=mode & 0o777)])
        self._folder.make_folder_on_disk(name)
        return 0

    def rmdir(self, path: str) -> int:
        """Remove an empty folder."""
        name = _name(path)
        if not self._tree.is_folder(name):
            raise _error(errno.ENOTDIR if self._tree.get(name) else errno.ENOENT, name)
        if self._tree.children(name):
            raise _error(errno.ENOTEMPTY, name)
        self._keep_parent(name)
        self._folder.remove(name)
        self._folder.drop_folder_on_disk(name)
        return 0

    def unlink(self, path: str) -> int:
        """Remove a file; this side's own is deleted."""
        name = _name(path)
        with self._files.lock:
            if self._tree.is_folder(name):
                raise _error(errno.EISDIR, name)
            self._keep_parent(name)
            self._folder.remove(name, delete=True)
            self._files.deleted(name)
        return 0

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        """Rename a file or folder; what has the new name is replaced, unless flags forbid it."""
        source, target = _name(old), _checked(new)
        with self._files.lock:
            self._check_rename(source, target, flags)
            if source == target:
                return 0
            self._keep_parent(source)
            if self._tree.is_folder(target):
                self._folder.remove(target)
            self._folder.rename(source, target, replace_target=True)
            self._files.renamed(source, target)
        return 0

    def _check_rename(self, source: str, target: str, flags: int) -> None:
        there = self._tree.get(target)
        folder = self._tree.is_folder(source)
        if not folder and self._tree.get(source) is None:
            raise _error(errno.ENOENT, source)
        if flags & ~RENAME_NOREPLACE:
            raise _error(errno.EINVAL, target)
        if flags & RENAME_NOREPLACE and (there is not None or self._tree.is_folder(target)):
            raise _error(errno.EEXIST, target)
        if self._tree.is_folder(target):
            if not folder:
                raise _error(errno.EISDIR, target)
            if self._tree.children(target):
                raise _error(errno.ENOTEMPTY, target)
        elif there is not None and folder:
            raise _error(errno.ENOTDIR, target)

    def _keep_parent(self, path: str) -> None:
        """Keep the folder of what goes away: on a mount, an empty folder stays."""
        parent = path.rpartition("/")[0]
        if parent and self._tree.get(parent) is None and self._tree.is_folder(parent):
            self._tree.publish([_folder(parent)])

    # --- attributes ---------------------------------------------------------------------------

    def chmod(self, path: str | None, mode: int, fh: int | None = None) -> int:
        """Change the permission bits."""
        name = self._files.get(fh).path if fh is not None else _name(path)
        entry = self._tree.get(name)
        if entry is None or entry.folder:
            self._change_folder(name, mode=mode & 0o777)
        else:
            self._change(entry, replace(entry, mode=mode & 0o777), mode & 0o777, None)
        return 0

    def utimens(
        self,
        path: str | None,
        times: tuple[int | None, int | None] | None = None,
        fh: int | None = None,
    ) -> int:
        """Set the modification time in nanoseconds; None is now, or in a tuple: leave it."""
        name = self._files.get(fh).path if fh is not None else _name(path)
        entry = self._tree.get(name)
        mtime_ns = time.time_ns() if times is None else times[1]
        if mtime_ns is None:
            return 0
        if entry is None or entry.folder:
            self._change_folder(name, mtime_ns=mtime_ns)
        else:
            self._change(entry, replace(entry, mtime_ns=mtime_ns), None, mtime_ns)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        """Owners are not kept: everything belongs to whoever mounted the tree."""
        return 0

    def _change(self, entry: Entry, changed: Entry, mode: int | None, mtime: int | None) -> None:
        if entry.mine:
            place = disk_path(self._folder.folder, entry.disk)
            if mode is not None:
                place.chmod(mode)
            if mtime is not None:
                os.utime(place, ns=(mtime, mtime), follow_symlinks=False)
            if entry.dirty:
                return  # announced once it is closed
            changed = replace(changed, stamp=stamp_of(place.lstat()))
        self._tree.publish([replace(changed, moved="")])

    def _change_folder(self, name: str, **attributes: int) -> None:
        if not self._tree.is_folder(name):
            raise _error(errno.ENOENT, name)
        if name:  # the root is nobody's
            entry = self._tree.get(name) or _folder(name)
            self._tree.publish([replace(entry, moved="", **attributes)])  # type: ignore[arg-type]

    # --- what there is not --------------------------------------------------------------------

    def symlink(self, target: str, source: str) -> int:
        """Links are not shared."""
        raise _error(errno.EPERM, target)

    def link(self, target: str, source: str) -> int:
        """Links are not shared."""
        raise _error(errno.EPERM, target)

    def mknod(self, path: str, mode: int, dev: int) -> int:
        """Devices and pipes are not shared."""
        raise _error(errno.EPERM, path)


RENAME_NOREPLACE = 1


def _number(fh: int | mfusepy.fuse_file_info) -> int:
    """Return a folder's handle; mfusepy passes some of them as the whole structure."""
    return fh if isinstance(fh, int) else int(fh.fh)


def _folder(path: str) -> Entry:
    return Entry(path, folder=True, mode=0o755, mtime_ns=time.time_ns())


def _name(path: str | None) -> str:
    if path is None:
        raise _error(errno.ENOENT, "a deleted file")
    return path[1:]


def _checked(path: str) -> str:
    """Return a new name as a path of the tree. Raises UnsafeName."""
    return str(check_shared_path(path[1:]))


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
