"""Changes the folder: puts, moves and deletes what is in it, after a last look at each target.

No step overwrites or deletes anything but what the index knows: whatever differs is an edit that
nobody has scanned yet.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from sync_cli.decide import conflict_copy, is_conflict_copy
from sync_cli.index import Index, Row
from sync_cli.model import Entry, Kind, includes, path_text
from sync_cli.tree import KEPT, NOTHING, TEMPORARY, Folders, Seen, Stamp, Tree, is_absence, seen

LINK_ON_THE_WAY = "A folder on its way is a file or a link here."
FOLDER_NOT_EMPTY = "The folder that has to go is not empty."
IGNORED_THERE = "What has to go there is kept away by ignored files."
COPY_NAME_TAKEN = "The name for its conflict copy is taken."

BLOCKED = (LINK_ON_THE_WAY, FOLDER_NOT_EMPTY, IGNORED_THERE, COPY_NAME_TAKEN)
"""What may be out of the way after any change of the folder."""

# What file systems answer that have no hard links, and to names that they cannot hold.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}
_NO_SUCH_NAME = {errno.EILSEQ, errno.EINVAL, errno.ENAMETOOLONG}
# ... and what they answer that have no such bit or time.
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


class ChangedHereError(Exception):
    """At `path` is something else than the index knows."""

    def __init__(self, path: bytes) -> None:
        super().__init__(f"{path_text(path)!a} was changed here and is not scanned yet.")
        self.path = path


class ClashError(Exception):
    """This disk cannot hold a name; the message says why."""


class BlockedError(Exception):
    """It cannot be done before something else is; the message says what is in the way."""


class Copy(NamedTuple):
    """A losing version that is kept: `listed` as a conflict copy, or only in `.sync/kept/`."""

    entry: Entry
    kept_as: bytes
    listed: bool


class Placer:
    """The steps. Each raises the errors above, and OSError."""

    def __init__(self, tree: Tree, index: Index, file_mode: int) -> None:
        self._tree = tree
        self._index = index
        self._file_mode = file_mode
        self._folders = Folders(tree)
        self._temporary = tree.open_folder(TEMPORARY, make=True)

    def close(self) -> None:
        """Close the folders."""
        self._folders.close()
        os.close(self._temporary)

    @property
    def temporary(self) -> int:
        """The open folder `.sync/tmp`."""
        return self._temporary

    def prepare(self, descriptor: int, entry: Entry, row: Row | None) -> None:
        """Give a temporary file the bits and time of the entry; other bits stay as they were."""
        mode = self._file_mode
        if row is not None and row.entry.kind is Kind.FILE:
            with suppress(OSError):  # the last look tells what is wrong there
                mode = stat.S_IMODE(self._tree.status(row.entry.path).st_mode)
        # Executable for everyone who may read it.
        mode = mode | (mode & 0o444) >> 2 if entry.executable else mode & ~0o111
        with _if_supported():
            os.fchmod(descriptor, mode)
        with _if_supported():
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))

    def link(self, name: bytes, entry: Entry) -> None:
        """Make a temporary link."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._temporary)
        os.symlink(entry.target, name, dir_fd=self._temporary)

    def put(self, name: bytes, path: bytes, row: Row | None, *, keep: Copy | None) -> Stamp:
        """Move a temporary file or link to its path, instead of what the index knows there."""
        folder, target = self._parent(path)
        there = self._last_look(folder, target, path, row)
        if keep is not None:
            self._keep(path, keep)
            folder, target = self._parent(path)
        if there.kind is Kind.FOLDER:
            self._remove_folder(folder, target, path)
        ours = _look(self._temporary, name).stamp
        if there.kind in (Kind.FILE, Kind.LINK):
            os.rename(name, target, src_dir_fd=self._temporary, dst_dir_fd=folder)
        else:
            _move_new(self._temporary, name, folder, target, path)
        return _stamp_after(folder, target, ours)

    def move(self, source: Row, path: bytes, row: Row | None) -> Stamp:
        """Rename a file that is to be deleted to a path with nothing there."""
        with Folders(self._tree) as others:
            origin, name = others.of(source.entry.path)
            there = _look(origin, name)
            if there.stamp != source.stamp:
                raise ChangedHereError(source.entry.path)
            folder, target = self._parent(path)
            other = _look(folder, target)
            if other.stamp == there.stamp and not self._tree.holds_name(path):
                # One name for this disk, as when only its case changes.
                os.rename(name, target, src_dir_fd=origin, dst_dir_fd=folder)
            else:
                self._last_look(folder, target, path, row)
                _move_new(origin, name, folder, target, path)
            return _stamp_after(folder, target, there.stamp)

    def make_folder(self, path: bytes, row: Row | None, *, keep: Copy | None) -> None:
        """Make a folder, instead of what the index knows there; one that is there will do."""
        folder, target = self._parent(path)
        if _look(folder, target).kind is Kind.FOLDER:
            if not self._tree.holds_name(path):
                raise ClashError(f"This disk holds {path_text(path)!a} under another name.")
            return
        there = self._last_look(folder, target, path, row)
        if keep is not None:
            self._keep(path, keep)
            folder, target = self._parent(path)
        if there.kind in (Kind.FILE, Kind.LINK):
            os.unlink(target, dir_fd=folder)
        with _names(path):
            os.mkdir(target, dir_fd=folder)

    def delete(self, row: Row) -> None:
        """Delete what the index knows at a path; nothing there will do."""
        path = row.entry.path
        try:
            folder, target = self._folders.of(path)
        except OSError as error:
            if is_absence(error):
                return
            raise
        there = _look(folder, target)
        if there == NOTHING:
            return
        self._last_look(folder, target, path, row)
        if there.kind is Kind.FOLDER:
            self._remove_folder(folder, target, path)
        else:
            os.unlink(target, dir_fd=folder)

    def set_attributes(self, row: Row, entry: Entry) -> Stamp | None:
        """Give what is at a path the entry's bits and time; it has its content."""
        path = entry.path
        if entry.kind is not Kind.FILE:
            return row.stamp
        folder, target = self._parent(path)
        self._last_look(folder, target, path, row)
        descriptor = os.open(
            target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
        try:
            if Stamp.of(os.fstat(descriptor)) != row.stamp:
                raise ChangedHereError(path)
            self.prepare(descriptor, entry, row)
            return Stamp.of(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def copy_of(self, loser: Row) -> Copy | None:
        """Return what is to be kept of a version that loses; None if it is kept already."""
        copy = conflict_copy(loser.entry)
        known = self._index.row(copy.path)
        if known is not None and includes(known.entry.version, copy.version):
            return None
        if is_conflict_copy(loser.entry.path) or known is not None:
            name = loser.entry.hash.hex()[:16].encode()
            return Copy(loser.entry, KEPT + b"/" + name, False)
        return Copy(copy, copy.path, True)

    def stamp_of_copy(self, path: bytes, loser: Row) -> Stamp:
        """Return the stamp of a loser that was kept under another name."""
        with self._tree.parent(path) as (folder, name):
            return _stamp_after(folder, name, loser.stamp or NOTHING.stamp)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        try:
            with _names(path):
                return self._folders.of(path, make=True)
        except OSError as error:
            if is_absence(error):
                raise BlockedError(LINK_ON_THE_WAY) from error
            raise

    def _last_look(self, folder: int, target: bytes, path: bytes, row: Row | None) -> Seen:
        """Return what is at a path if it is what the index knows there."""
        there = _look(folder, target)
        kind = row.entry.kind if row is not None else Kind.GONE
        if there.kind is not kind or (
            kind in (Kind.FILE, Kind.LINK) and row is not None and there.stamp != row.stamp
        ):
            if kind is Kind.GONE and not self._tree.holds_name(path):
                raise ClashError(f"This disk holds {path_text(path)!a} under another name.")
            raise ChangedHereError(path)
        return there

    def _remove_folder(self, folder: int, target: bytes, path: bytes) -> None:
        try:
            os.rmdir(target, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise BlockedError(FOLDER_NOT_EMPTY) from error

    def _keep(self, path: bytes, keep: Copy) -> None:
        """Keep what is at a path under another name too."""
        with Folders(self._tree) as others:
            origin, name = others.of(path)
            folder, target = self._parent(keep.kept_as)
            there = _look(folder, target)
            if there != NOTHING:
                if not keep.listed or there.stamp.inode == _look(origin, name).stamp.inode:
                    return  # from before a crash, or the same bytes once more
                raise ChangedHereError(keep.kept_as)
            try:
                os.link(name, target, src_dir_fd=origin, dst_dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # A moment without the file: the winner takes its place next.
                os.rename(name, target, src_dir_fd=origin, dst_dir_fd=folder)


def _look(folder: int, name: bytes) -> Seen:
    """Return what a folder holds under a name. Raises ClashError for what is no file at all."""
    try:
        there = seen(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError as error:
        if is_absence(error):
            return NOTHING
        raise
    if there is None:
        raise ClashError("There is something that is neither a file, a folder nor a link.")
    return there


def _stamp_after(folder: int, name: bytes, ours: Stamp) -> Stamp:
    """Return the stamp of what was moved to a name: moving has changed its change time.

    If somebody has put something else there since, the stamp fits nothing, so that the next scan
    takes that for the edit that it is.
    """
    there = _look(folder, name).stamp
    return there if there._replace(ctime_ns=ours.ctime_ns) == ours else ours._replace(ctime_ns=0)


def _move_new(source: int, name: bytes, folder: int, target: bytes, path: bytes) -> None:
    """Move to a name at which there is nothing, and never over what appears there meanwhile."""
    try:
        with _names(path):
            os.link(name, target, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise ChangedHereError(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(name, target, src_dir_fd=source, dst_dir_fd=folder)
        return
    os.unlink(name, dir_fd=source)


@contextmanager
def _names(path: bytes) -> Iterator[None]:
    """Raise ClashError where the disk answers that it cannot hold such a name."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SUCH_NAME:
            raise ClashError(
                f"This disk cannot hold the name {path_text(path)!a}: {error.strerror}."
            ) from error
        raise


@contextmanager
def _if_supported() -> Iterator[None]:
    """Ignore that a file system has no such bit or no such time: FAT has neither."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
