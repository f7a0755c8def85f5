"""Files that are open on a mount: this side's on disk, the other's by blocks.

All handles of a path and version share one OpenFile. It begins with the other's content, if that
is what the path is, and becomes a file of this side with the first write.
"""

import errno
import itertools
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from pair_cli.files.blocks import BLOCK_BYTES, block_count, hash_open_file
from pair_cli.files.folder import SharedFolder
from pair_cli.files.names import PRIVATE, disk_path
from pair_cli.files.tree import Entry
from pair_cli.mount.cache import BlockCache
from store.open_file import write_at


class OpenFile:
    """A version of a file, open one or more times. Thread-safe; methods raise OSError."""

    def __init__(self, entry: Entry, descriptor: int | None) -> None:
        """`descriptor` is that of this side's file; None for the other's content."""
        self.path = entry.path
        self.entry = entry
        self.descriptor = descriptor
        self.disk = entry.disk
        self.lock = threading.RLock()
        self.handles = 0
        self.dirty = False
        self.gone = False  # its name is deleted, or another file has it
        self.next_index = 0  # the block after the last one that was read
        self.hashes: bytes | None = None


class OpenFiles:
    """All open files of a mount."""

    def __init__(self, folder: SharedFolder, cache: BlockCache) -> None:
        self._folder = folder
        self._tree = folder.tree
        self._cache = cache
        self.lock = threading.RLock()
        self._by_handle: dict[int, OpenFile] = {}
        self._by_path: dict[str, OpenFile] = {}
        self._numbers = itertools.count(1)
        self._temporary = itertools.count()

    # --- handles ------------------------------------------------------------------------------

    def open(self, path: str) -> tuple[int, OpenFile]:
        """Open the version that the path has now; return the handle. Raises OSError."""
        with self.lock:
            entry = self._tree.get(path)
            if entry is None or entry.folder:
                number = errno.EISDIR if self._tree.is_folder(path) else errno.ENOENT
                raise OSError(number, os.strerror(number), path)
            file = self._by_path.get(path)
            if file is None or not _is_version(file, entry):
                file = OpenFile(entry, self._open_on_disk(entry) if entry.mine else None)
                self._by_path[path] = file
            return self._new_handle(file), file

    def create(self, path: str, mode: int) -> tuple[int, OpenFile]:
        """Create a file of this side, and open it; the other hears of it once it is closed."""
        with self.lock:
            known = self._tree.get(path)
            if known is not None:
                raise FileExistsError(errno.EEXIST, "exists", path)
            disk = self._folder.place(path)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            place = disk_path(self._folder.folder, disk)
            descriptor = os.open(place, flags, mode & 0o777 | 0o600)
            entry = Entry(path, disk=disk, mode=mode & 0o777)
            self._tree.begin(entry)
            file = self._by_path[path] = OpenFile(entry, descriptor)
            file.dirty = True
            return self._new_handle(file), file

    def get(self, handle: int) -> OpenFile:
        """Return the file of a handle. Raises OSError."""
        try:
            return self._by_handle[handle]
        except KeyError:
            raise OSError(errno.EBADF, "no such handle") from None

    def written_at(self, path: str) -> int | None:
        """Return the descriptor of a file that is being written, or None."""
        file = self._by_path.get(path)
        return file.descriptor if file is not None and file.dirty else None

    def others_at(self, path: str, file: OpenFile) -> bool:
        """Tell whether another version of the path is open too."""
        with self.lock:
            return any(
                other is not file and other.path == path for other in self._by_handle.values()
            )

    def close(self, handle: int) -> None:
        """Close a handle; with the last one, announce what was written."""
        with self.lock:
            file = self._by_handle.pop(handle, None)
            if file is None:
                return
            file.handles -= 1
            if file.handles:
                return
        try:
            self.announce(file)
        finally:
            with self.lock:
                if not file.handles:
                    if self._by_path.get(file.path) is file:
                        del self._by_path[file.path]
                    if file.descriptor is not None:
                        os.close(file.descriptor)
                        file.descriptor = None

    # --- content ------------------------------------------------------------------------------

    def read(self, file: OpenFile, size: int, offset: int) -> bytes | memoryview:
        """Read; fewer bytes only at the end of the file. Raises OSError, FetchError.

        What lies in one block of the other's is not copied.
        """
        if file.descriptor is not None:
            return os.pread(file.descriptor, size, offset)
        entry = file.entry
        end = min(offset + size, entry.size)
        if offset >= end:
            return b""
        began = time.monotonic()
        if file.hashes is None:
            file.hashes = self._cache.hashes(entry, began)
        parts = []
        while offset < end:
            index, start = divmod(offset, BLOCK_BYTES)
            ahead = index in (file.next_index, file.next_index - 1)
            block = self._cache.block(entry, file.hashes, index, began, ahead=ahead)
            file.next_index = index + 1
            stop = min(len(block), start + end - offset)
            parts.append(memoryview(block)[start:stop])
            offset += stop - start
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, file: OpenFile, data: bytes, offset: int) -> int:
        """Write to this side's file; the other's content becomes one first."""
        with file.lock:
            descriptor = self._for_writing(file)
            write_at(descriptor, offset, data)
        return len(data)

    def truncate(self, file: OpenFile, size: int) -> None:
        """Cut a file, or fill it with zeros."""
        with file.lock:
            os.ftruncate(self._for_writing(file, keep=size > 0), size)

    def announce(self, file: OpenFile) -> None:
        """Announce what was written, if its name is still there."""
        with file.lock:
            if not file.dirty or file.descriptor is None or file.gone:
                return
            hashed = hash_open_file(file.descriptor)
            with self.lock, self._tree.transaction():  # no rename in between
                entry = (self._tree.get(file.path) or file.entry).with_content(hashed)
                entry = replace(entry, path=file.path, disk=file.disk)
                self._tree.publish([entry], hashed.hashes)
            file.entry, file.dirty = entry, False

    def _for_writing(self, file: OpenFile, *, keep: bool = True) -> int:
        """Return the descriptor of this side's file, and remember that it is being written."""
        if file.descriptor is None:
            self._make_own(file, keep=keep)
        elif not file.dirty:
            self._tree.mark_dirty(file.path)
        assert file.descriptor is not None
        file.dirty = True
        return file.descriptor

    def _make_own(self, file: OpenFile, *, keep: bool) -> None:
        """Make the other's content a file of this side."""
        entry = file.entry
        private = self._folder.folder / PRIVATE
        private.mkdir(exist_ok=True)
        place = private / str(next(self._temporary))
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(place, flags, entry.mode | 0o600)
        try:
            if keep:
                self._copy(entry, descriptor)
            with self.lock:
                self._take_place(file, place)
        except BaseException:
            os.close(descriptor)
            place.unlink(missing_ok=True)
            raise
        file.descriptor = descriptor

    def _copy(self, entry: Entry, descriptor: int) -> None:
        hashes = self._cache.hashes(entry, time.monotonic())
        for index in range(block_count(entry.size)):
            block = self._cache.block(entry, hashes, index, time.monotonic(), ahead=True)
            write_at(descriptor, index * BLOCK_BYTES, memoryview(block))

    def _take_place(self, file: OpenFile, place: Path) -> None:
        if file.gone:
            place.unlink()
            return
        disk = self._folder.place(file.path)
        entry = replace(file.entry, mine=True, disk=disk, stamp=b"", moved="")
        place.replace(disk_path(self._folder.folder, disk))
        self._tree.begin(entry)
        file.entry, file.disk = entry, disk

    # --- names --------------------------------------------------------------------------------

    def renamed(self, path: str, to: str) -> None:
        """Follow a rename of a file or folder, with the lock held."""
        replaced = self._by_path.pop(to, None)
        if replaced is not None:
            replaced.gone = True
        for old in [old for old in self._by_path if old == path or old.startswith(f"{path}/")]:
            file = self._by_path.pop(old)
            file.path = to + old[len(path) :]
            self._by_path[file.path] = file
            now = self._tree.get(file.path)
            if now is not None and now.mine:
                file.disk = now.disk

    def deleted(self, path: str) -> None:
        """The name of a file is gone, with the lock held."""
        file = self._by_path.pop(path, None)
        if file is not None:
            file.gone = True

    def _new_handle(self, file: OpenFile) -> int:
        handle = next(self._numbers)
        file.handles += 1
        self._by_handle[handle] = file
        return handle

    def _open_on_disk(self, entry: Entry) -> int:
        try:
            return self._folder.open(entry.disk, os.O_RDWR)
        except PermissionError:
            return self._folder.open(entry.disk)


def _is_version(file: OpenFile, entry: Entry) -> bool:
    """Tell whether an open file is what the path is now."""
    if file.descriptor is None:
        return not entry.mine and file.entry.root == entry.root
    return entry.mine and file.disk == entry.disk
