"""Reads and writes plain descriptors, in threads that may block.

A program that shares its terminal or socket with others may find it non-blocking at any time: that
flag belongs to the open file, not to the process. So on "would block" these functions wait. Python
itself retries a call that a signal interrupted (PEP 475).
"""

import os
import select


def read_some(descriptor: int, size: int) -> bytes:
    """Wait for bytes and return at most `size` of them, none at end of file. Raises OSError."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            select.select([descriptor], [], [])


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however many calls it takes. Raises OSError."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
