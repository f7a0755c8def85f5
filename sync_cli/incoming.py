"""A file on its way here: which blocks of it are there, and which must still come."""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256

from blake3 import blake3

from store.open_file import read_at, start_writing, write_at
from sync_cli.content import ZEROS, ZEROS_HASH, block_hash
from sync_cli.index import Row
from sync_cli.model import BLOCK_SIZE, Entry
from sync_cli.tree import TEMPORARY, Stamp, Tree


class Incoming:
    """The content of one entry, block by block. Thread-safe.

    A file of one block is kept in memory, others in `.sync/tmp/`, so that what came before a crash
    is of use after it.
    """

    def __init__(self, tree: Tree, entry: Entry) -> None:
        self.entry = entry
        self.reused_bytes = 0
        self._tree = tree
        self._lock = threading.Lock()
        self._have = bytearray(entry.block_count)
        self._data: bytes | None = b"" if entry.size == 0 else None
        self._descriptor: int | None = None
        self._whole = blake3()
        self._hashed = 0  # blocks that `_whole` covers

    @property
    def name(self) -> bytes:
        """The name of its file in `.sync/tmp/`."""
        return temporary_name(self.entry)

    def missing(self) -> list[int]:
        """Return the numbers of the blocks that must still come."""
        with self._lock:
            return [number for number, have in enumerate(self._have) if not have]

    def is_complete(self) -> bool:
        """Tell whether all blocks are there."""
        with self._lock:
            return all(self._have)

    def held_blocks(self) -> list[bool]:
        """Tell of each block whether it is there."""
        with self._lock:
            return list(map(bool, self._have))

    def open(self, sources: Iterable[Row]) -> None:
        """Use what is here already: an earlier fetch, holes, and blocks of these files.

        Raises OSError when the disk cannot be written.
        """
        if self.entry.block_count > 1:
            self._open_temporary()
        for row in sources:
            if all(self._have):
                break
            with suppress(OSError):  # then these bytes come from others
                self._reuse(row)

    def put(self, block: int, data: bytes | memoryview) -> bool:
        """Take in one block; False if it is not what it should be. Raises OSError."""
        entry = self.entry
        if not 0 <= block < entry.block_count or len(data) != entry.block_size(block):
            return False
        if block_hash(data) != entry.block_hash(block):
            return False
        with self._lock:
            if self._have[block]:
                return True
            if entry.block_count == 1:
                self._data = bytes(data)
            else:
                if self._descriptor is None:
                    return False  # discarded meanwhile
                write_at(self._descriptor, block * BLOCK_SIZE, data)
                start_writing(self._descriptor, block * BLOCK_SIZE, len(data))
            self._have[block] = True
            if entry.block_count > 1:
                self._hash_on(block, data)
        return True

    def read_block(self, block: int) -> bytes | None:
        """Return a block that is there."""
        with self._lock:
            if not 0 <= block < len(self._have) or not self._have[block]:
                return None
            if self._data is not None:
                return self._data
            if self._descriptor is None:
                return None
            size = self.entry.block_size(block)
            return os.pread(self._descriptor, size, block * BLOCK_SIZE)

    def is_right(self) -> bool:
        """Hash what is not hashed yet; tell whether the whole is what it should be."""
        if self.entry.block_count <= 1:  # its block is the whole
            return self._data is not None
        with self._lock:
            if self._descriptor is None or not all(self._have):
                return False
            self._hash_on(-1, b"")
            return self._whole.digest() == self.entry.hash

    def write(self, folder: int) -> int:
        """Return a descriptor of the temporary file, complete; `folder` is `.sync/tmp`.

        Raises OSError.
        """
        with self._lock:
            if self._descriptor is None:
                self._descriptor = _create(self.name, folder, os.O_TRUNC)
                write_at(self._descriptor, 0, self._data or b"")
            return self._descriptor

    def close(self) -> None:
        """Let go of the temporary file, without deleting it."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def discard(self, *, keep: bool) -> None:
        """Give up; `keep` leaves what came for a later fetch. Raises OSError."""
        self.close()
        if not keep:
            with self._tree.parent(TEMPORARY + b"/" + self.name) as (folder, name):
                try:
                    os.unlink(name, dir_fd=folder)
                except FileNotFoundError:
                    return

    def _hash_on(self, block: int, data: bytes | memoryview) -> None:
        """Hash all that is there without a gap; `data` is one block that need not be read."""
        entry = self.entry
        while self._hashed < entry.block_count and self._have[self._hashed]:
            if self._hashed == block:
                self._whole.update(data)
            elif entry.block_hash(self._hashed) == ZEROS_HASH:
                self._whole.update(ZEROS)
            else:
                assert self._descriptor is not None
                size = entry.block_size(self._hashed)
                self._whole.update(os.pread(self._descriptor, size, self._hashed * BLOCK_SIZE))
            self._hashed += 1

    def _open_temporary(self) -> None:
        entry = self.entry
        with self._tree.parent(TEMPORARY + b"/" + self.name) as (folder, name):
            self._descriptor = _create(name, folder, 0)
        size = os.fstat(self._descriptor).st_size
        if size == entry.size:
            self._take_over(self._descriptor)
        else:
            os.ftruncate(self._descriptor, 0)
            os.ftruncate(self._descriptor, entry.size)
            self._skip_zeros()

    def _take_over(self, descriptor: int) -> None:
        buffer = memoryview(bytearray(BLOCK_SIZE))
        for block in range(self.entry.block_count):
            part = buffer[: self.entry.block_size(block)]
            if not read_at(descriptor, block * BLOCK_SIZE, part):
                return
            if block_hash(part) == self.entry.block_hash(block):
                self._have[block] = True
                self.reused_bytes += len(part)
            elif self.entry.block_hash(block) == ZEROS_HASH:
                write_at(descriptor, block * BLOCK_SIZE, ZEROS)
                self._have[block] = True

    def _skip_zeros(self) -> None:
        """Note blocks of zeros as there: the file has been made of nothing but them."""
        for block in range(self.entry.block_count):
            if self.entry.block_hash(block) == ZEROS_HASH:
                self._have[block] = True
                self.reused_bytes += BLOCK_SIZE

    def _reuse(self, row: Row) -> None:
        """Copy the blocks that a file here has."""
        theirs = {row.entry.block_hash(one): one for one in range(row.entry.block_count)}
        wanted = [
            (block, theirs[self.entry.block_hash(block)])
            for block, have in enumerate(self._have)
            if not have and self.entry.block_hash(block) in theirs
        ]
        if not wanted:
            return
        buffer = memoryview(bytearray(BLOCK_SIZE))
        descriptor = self._tree.open_file(row.entry.path)
        try:
            if Stamp.of(os.fstat(descriptor)) != row.stamp:
                return
            for block, source in wanted:
                part = buffer[: self.entry.block_size(block)]
                if read_at(descriptor, source * BLOCK_SIZE, part) and self.put(block, part):
                    self.reused_bytes += len(part)
        finally:
            os.close(descriptor)


def temporary_name(entry: Entry) -> bytes:
    """Return the name of an entry's temporary file: one per path and content."""
    return sha256(entry.path + b"\0" + entry.hash).hexdigest()[:40].encode()


def _create(name: bytes, folder: int, flags: int) -> int:
    flags |= os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=folder)
