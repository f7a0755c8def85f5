"""Reads and hashes the bytes of files."""

import errno
import os
from typing import NamedTuple

from blake3 import blake3

from store.open_file import read_at
from sync_cli.model import BLOCK_SIZE

ZEROS = bytes(BLOCK_SIZE)
ZEROS_HASH = blake3(ZEROS).digest()


class Hashes(NamedTuple):
    """The BLAKE3 of a file, and those of its blocks one after the other if it has several."""

    whole: bytes
    blocks: bytes


def block_hash(block: bytes | memoryview) -> bytes:
    """Return the hash of one block."""
    if is_zeros(block):
        return ZEROS_HASH  # comparing is far faster, and sparse files have many
    return blake3(block).digest()


def is_zeros(block: bytes | memoryview) -> bool:
    """Tell whether a whole block is zeros. Most blocks are not by their first byte."""
    if len(block) != BLOCK_SIZE or block[0] or block[-1]:
        return False
    return bytes(block) == ZEROS  # bytes, because views are compared one item at a time


def hash_file(descriptor: int, size: int) -> Hashes | None:
    """Hash an open file; None if it is not `size` bytes long. Raises OSError."""
    buffer = memoryview(bytearray(min(size, BLOCK_SIZE)))
    if size <= BLOCK_SIZE:
        if not read_at(descriptor, 0, buffer) or os.pread(descriptor, 1, size):
            return None
        return Hashes(blake3(buffer).digest(), b"")
    whole = blake3()
    blocks = []
    data_at = 0
    for offset in range(0, size, BLOCK_SIZE):
        if data_at < offset:
            data_at = _next_data(descriptor, offset, size)
        if data_at >= offset + BLOCK_SIZE:
            whole.update(ZEROS)
            blocks.append(ZEROS_HASH)
            continue
        block = buffer[: min(BLOCK_SIZE, size - offset)]
        if not read_at(descriptor, offset, block):
            return None
        whole.update(block)
        blocks.append(block_hash(block))
    return Hashes(whole.digest(), b"".join(blocks))


def _next_data(descriptor: int, offset: int, size: int) -> int:
    """Return where the next bytes are that are no hole; `size` if all is one to the end."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        # Some disks cannot tell; there, all is data.
        return size if error.errno == errno.ENXIO else offset
