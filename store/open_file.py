"""Reads and writes at an offset of an open file. Every function but the last raises OSError."""

import ctypes
import functools
import os
import sys

_SYNC_FILE_RANGE_WRITE = 2


def read_at(descriptor: int, offset: int, buffer: memoryview) -> bool:
    """Fill a buffer; False if the file ends before."""
    filled = 0
    while filled < len(buffer):
        count = os.preadv(descriptor, [buffer[filled:]], offset + filled)
        if count == 0:
            return False
        filled += count
    return True


def write_at(descriptor: int, offset: int, data: bytes | memoryview) -> None:
    """Write all of the data."""
    left = memoryview(data)
    while left:
        count = os.pwrite(descriptor, left, offset)
        left = left[count:]
        offset += count


def start_writing(descriptor: int, offset: int, length: int) -> None:
    """Let the system begin to write these bytes to the disk; does not wait.

    Errors appear at the `fsync`, which must follow in any case, and has less to wait for.
    """
    if sys.platform == "linux":
        _libc().sync_file_range(
            descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), _SYNC_FILE_RANGE_WRITE
        )


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
