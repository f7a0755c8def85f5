"""Reads and writes at an offset of an open file. Every function but the last raises OSError."""

import functools
import os
import sys
from collections.abc import Callable

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
        _sync_file_range()(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int]:
    import ctypes  # late, because it delays the start

    function = ctypes.CDLL(None).sync_file_range
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    call: Callable[[int, int, int, int], int] = function
    return call
