"""This side's files on disk: shares them, and keeps tree and disk in step.

What the other does changes the tree, never this folder.
"""

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pair_cli.files.blocks import (
    FileKeepsChanging,
    hash_file,
    hash_open_file,
    is_same_but_renamed,
    open_regular,
    stamp_of,
)
from pair_cli.files.names import PRIVATE, check_shared_path, disk_path
from pair_cli.files.tree import UNANNOUNCED, Entry, Tree
from store.deletion import delete_tree
from store.names import UnsafeName

STILL_NS = 2_000_000_000
"""A file that changed without being added is announced once it was left alone for so long."""


@dataclass(slots=True)
class Added:
    """What an `add` did, by path. `refused` has the reason of each path that cannot be shared."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class SharedFolder:
    """The folder that holds this side's files. All methods block, and raise OSError for disks."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self.folder = folder
        self.tree = tree
        self._hashing = threading.Lock()

    def recover(self) -> None:
        """At start: finish what a crash interrupted."""
        delete_tree(self.folder / PRIVATE)
        for source, target, inode in self.tree.planned_moves():
            with contextlib.suppress(FileNotFoundError):  # it was made
                if disk_path(self.folder, source).lstat().st_ino == inode:
                    self._move(source, target)
        self.tree.forget_moves()
        for entry in self.tree.unfinished():
            with contextlib.suppress(FileNotFoundError):  # deleted while no peer ran; reads tell
                self.announce_written(entry.path)

    # --- sharing --------------------------------------------------------------------------------

    def add(self, path: str, *, strict: bool) -> Added:
        """Announce a file, or all files of a folder, that are new or changed.

        Raises FileExistsError if `strict` and one is shared already, UnsafeName, and OSError when
        the path itself cannot be read. What cannot be shared in a folder is in the result.
        """
        done = Added()
        target = disk_path(self.folder, path)
        if stat.S_ISDIR(target.lstat().st_mode):
            for relative in self._walk(path, done):
                self._add_of_folder(relative, done, strict=strict)
        else:
            self._add_file(path, done, strict=strict)
        return done

    def _add_of_folder(self, path: str, done: Added, *, strict: bool) -> None:
        try:
            check_shared_path(path)
            self._add_file(path, done, strict=strict)
        except FileExistsError:
            raise
        except (OSError, UnsafeName) as error:
            done.refused[path] = str(error)

    def _add_file(self, path: str, done: Added, *, strict: bool) -> None:
        known = self.tree.get(path)
        if known is not None and (strict or known.folder):
            raise FileExistsError(errno.EEXIST, "is shared already", path)
        hashed = hash_file(disk_path(self.folder, path))
        if known is not None and known.mine and known.root == hashed.root:
            done.unchanged.append(path)
            if known.stamp == hashed.stamp and known.disk == path and not known.dirty:
                return
        else:
            (done.added if known is None else done.changed).append(path)
        entry = (known or Entry(path)).with_content(hashed)
        self.tree.publish([replace(entry, disk=path)], hashed.hashes)

    def _walk(self, path: str, done: Added) -> Iterator[str]:
        """Return the files of a folder, in order, without following links."""
        folder = disk_path(self.folder, path) if path else self.folder
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            relative = f"{path}/{entry.name}" if path else entry.name
            if relative == PRIVATE:
                continue
            if entry.is_dir(follow_symlinks=False):
                try:
                    yield from self._walk(relative, done)
                except OSError as error:
                    done.refused[relative] = str(error)
            elif entry.is_file(follow_symlinks=False):
                yield relative
            else:
                done.refused[relative] = "neither a file nor a folder; links are not shared"

    def open(self, disk: str, flags: int = os.O_RDONLY) -> int:
        """Open one of this side's files. Raises OSError, UnsafeName."""
        return open_regular(disk_path(self.folder, disk), flags)

    def hash_anew(self, path: str) -> None:
        """Look at a file of this side that may have changed, and announce it if it has.

        Raises FileKeepsChanging while it is still being written.
        """
        with self._hashing:
            entry = self.tree.get(path)
            if entry is None or not entry.mine or entry.dirty:
                return
            descriptor = self.open(entry.disk)
            try:
                status = os.fstat(descriptor)
                if 0 <= time.time_ns() - status.st_ctime_ns < STILL_NS:
                    if stamp_of(status) == entry.stamp:
                        return
                    raise FileKeepsChanging(errno.EBUSY, "is being written", path)
                hashed = hash_open_file(descriptor)
            finally:
                os.close(descriptor)
            with self.tree.transaction():
                now = self.tree.get(path)
                # Somebody else may have been faster.
                if now is not None and now.mine and now.stamp == entry.stamp and not now.dirty:
                    if now.root == hashed.root:
                        self.tree.store(replace(now, stamp=hashed.stamp))
                    else:
                        self.tree.publish([now.with_content(hashed)], hashed.hashes)

    def announce_written(self, path: str, descriptor: int | None = None) -> None:
        """Announce what was written to a file of this side, unless it is known."""
        entry = self.tree.get(path)
        if entry is None or not entry.mine:
            return
        opened = self.open(entry.disk) if descriptor is None else descriptor
        try:
            hashed = hash_open_file(opened)
        finally:
            if descriptor is None:
                os.close(opened)
        self.tree.publish([entry.with_content(hashed)], hashed.hashes)

    # --- names --------------------------------------------------------------------------------

    def remove(self, path: str, *, delete: bool = False) -> list[str]:
        """End the sharing of a file or folder; return the paths of the files.

        `delete` deletes this side's files too. Raises FileNotFoundError.
        """
        entries = self._subtree(path)
        gone = [replace(entry, live=False, root=b"", disk="", moved="", size=0, dirty=False)
                for entry in entries]  # fmt: skip
        self.tree.publish(gone)
        for entry in entries:
            if delete and entry.mine and not entry.folder:
                with contextlib.suppress(FileNotFoundError):
                    disk_path(self.folder, entry.disk).unlink()
        return [entry.path for entry in entries if not entry.folder]

    def rename(self, path: str, to: str, *, replace_target: bool = False) -> None:
        """Rename a file or folder in the tree, and on disk where this side holds it.

        Raises FileNotFoundError, FileExistsError, NotADirectoryError.
        """
        with self.tree.lock:
            entries = self._subtree(path)
            self._check_target(to, replace_target=replace_target)
            with self.tree.transaction():
                for entry in entries:
                    self._rename(entry, to + entry.path[len(path) :])
            for source, target, _ in self.tree.planned_moves():
                with contextlib.suppress(FileNotFoundError):  # a file that is not there stays so
                    self._move(source, target)
                    self._keep_stamp(target)
            self.tree.forget_moves()
            for entry in sorted(entries, key=lambda entry: -len(entry.path)):
                if entry.folder:
                    self.make_folder_on_disk(to + entry.path[len(path) :])
                    self.drop_folder_on_disk(entry.path)
            self.drop_folder_on_disk(path)

    def _check_target(self, to: str, *, replace_target: bool) -> None:
        if not replace_target and (self.tree.get(to) is not None or self.tree.is_folder(to)):
            raise FileExistsError(errno.EEXIST, "is shared already", to)
        for folder in PurePosixPath(to).parents:
            above = self.tree.get(str(folder))
            if above is not None and not above.folder:
                raise NotADirectoryError(errno.ENOTDIR, "is a file", str(folder))

    def _rename(self, entry: Entry, to: str) -> None:
        gone = Entry(entry.path, live=False, moved=to, mode=0)
        if entry.folder or not entry.mine:
            self.tree.publish([replace(entry, path=to, moved=entry.path), gone])
            return
        target = self.place(to, instead_of=to)
        with contextlib.suppress(FileNotFoundError):
            inode = disk_path(self.folder, entry.disk).lstat().st_ino
            self.tree.plan_move(entry.disk, target, inode)
        moved = replace(entry, path=to, moved=entry.path, disk=target)
        if entry.number == UNANNOUNCED:
            self.tree.begin(replace(moved, moved=""))
            self.tree.publish([replace(gone, moved="")])
        else:
            self.tree.publish([moved, gone])

    def _subtree(self, path: str) -> list[Entry]:
        entry = self.tree.get(path)
        if entry is not None and not entry.folder:
            return [entry]
        entries = [*([entry] if entry else []), *self.tree.below(path)]
        if not entries:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", path)
        return entries

    # --- the disk -----------------------------------------------------------------------------

    def place(self, path: str, *, instead_of: str = "") -> str:
        """Return where on disk the content of a new entry goes, with the folders for it.

        A file there that is not shared is kept under its name and `~`. A shared one of another
        entry stays, and the new one goes beside it; that of `instead_of` may be replaced.
        """
        target = disk_path(self.folder, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target = disk_path(self.folder, path)  # the folders may have been links
        if not os.path.lexists(target):
            return path
        owner = self.tree.at_disk(path)
        if owner is not None and owner.path == instead_of:
            return path
        if owner is None and self.tree.at_disk(f"{path}~") is None:
            target.rename(target.with_name(f"{target.name}~"))
            return path
        number = 1
        while os.path.lexists(disk_path(self.folder, f"{path}~{number}")):
            number += 1
        return f"{path}~{number}"

    def make_folder_on_disk(self, path: str) -> None:
        """Make a folder on disk too, unless something is in the way."""
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            disk_path(self.folder, path).mkdir(parents=True)

    def drop_folder_on_disk(self, path: str) -> None:
        """Delete a folder on disk if it is empty."""
        try:
            disk_path(self.folder, path).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
                raise

    def is_as_hashed(self, entry: Entry, status: os.stat_result) -> bool:
        """Tell whether a file is still the one that was announced."""
        return not entry.dirty and stamp_of(status) == entry.stamp

    def _keep_stamp(self, disk: str) -> None:
        """A rename changed the change time of a file, but not its content."""
        entry = self.tree.at_disk(disk)
        status = disk_path(self.folder, disk).lstat()
        if entry is not None and not entry.dirty and is_same_but_renamed(entry.stamp, status):
            self.tree.store(replace(entry, stamp=stamp_of(status)))

    def _move(self, source: str, target: str) -> None:
        place = disk_path(self.folder, target)
        place.parent.mkdir(parents=True, exist_ok=True)
        disk_path(self.folder, source).replace(place)
