"""Content by blocks of 1 MiB: how files are hashed, identified and read.

A block's hash is BLAKE3 (32 bytes). A file's root is the hash of its only block, or else BLAKE3 in
key derivation mode over the hashes of all blocks, so that neither can pass for the other. Size and
root together identify content.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from store.open_file import read_at

BLOCK_BYTES = 1 << 20
HASH_BYTES = 32
_ROOT_CONTEXT = "pair-cli 2026-11 root of block hashes"
_ATTEMPTS = 3


class FileKeepsChanging(OSError):  # noqa: N818 - reads well where it is raised and caught
    """A file changed each time it was read; try again later."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """The content of a file that was hashed, and the stamp of that file."""

    size: int
    root: bytes
    hashes: bytes
    stamp: bytes
    mtime_ns: int
    mode: int


def block_hash(data: bytes | bytearray | memoryview) -> bytes:
    """Return the hash of a block."""
    return blake3(data).digest()


def root_of(hashes: bytes) -> bytes:
    """Return the root for the joined hashes of a file's blocks."""
    if len(hashes) == 0:
        return block_hash(b"")
    if len(hashes) == HASH_BYTES:
        return hashes
    return blake3(hashes, derive_key_context=_ROOT_CONTEXT).digest()


def block_count(size: int) -> int:
    """Return the number of blocks of a file; an empty file has none."""
    return -(-size // BLOCK_BYTES)


def block_length(size: int, index: int) -> int:
    """Return the length of a block of a file."""
    return min(BLOCK_BYTES, size - index * BLOCK_BYTES)


def hash_at(hashes: bytes, index: int) -> bytes:
    """Return the hash of a block out of the joined hashes."""
    return hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]


def stamp_of(status: os.stat_result) -> bytes:
    """Return what identifies one version of a file on this disk.

    It has the change time because programs can set the modification time back.
    """
    seen = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return " ".join(map(str, seen)).encode()


def is_same_but_renamed(stamp: bytes, status: os.stat_result) -> bool:
    """Tell whether all but the change time is as it was."""
    size, mtime_ns, _, inode = stamp.split() if stamp else (b"", b"", b"", b"")
    now = (status.st_size, status.st_mtime_ns, status.st_ino)
    return (size, mtime_ns, inode) == tuple(b"%d" % number for number in now)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file, never through a link at its end. Raises OSError."""
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def hash_open_file(descriptor: int) -> Hashed:
    """Hash an open file. Raises FileKeepsChanging, and OSError when it cannot be read."""
    for _ in range(_ATTEMPTS):
        before = os.fstat(descriptor)
        hashes = _hash_blocks(descriptor, before.st_size)
        if hashes is not None and stamp_of(os.fstat(descriptor)) == stamp_of(before):
            return Hashed(
                before.st_size,
                root_of(hashes),
                hashes,
                stamp_of(before),
                before.st_mtime_ns,
                stat.S_IMODE(before.st_mode) & 0o777,
            )
    raise FileKeepsChanging(errno.EBUSY, "the file changes while it is read; try again later")


def hash_file(path: Path) -> Hashed:
    """Hash a regular file. Raises like `open_regular` and `hash_open_file`."""
    descriptor = open_regular(path)
    try:
        return hash_open_file(descriptor)
    finally:
        os.close(descriptor)


def _hash_blocks(descriptor: int, size: int) -> bytes | None:
    """Return the joined hashes, or None when the file is not `size` bytes long."""
    memory = memoryview(bytearray(min(size, BLOCK_BYTES)))
    hashes = bytearray()
    for index in range(block_count(size)):
        block = memory[: block_length(size, index)]
        if not read_at(descriptor, index * BLOCK_BYTES, block):
            return None
        hashes += block_hash(block)
    return bytes(hashes)
