"""stderr, for diagnostics: it may block, be full or be gone without any harm to the program.

Python's own `sys.stderr` raises when it cannot write, and blocks when nobody reads.
"""

import io
import os
import select
import sys
from typing import Any

from headless.descriptors import write_all

_PATIENCE_S = 1.0


def install() -> None:
    """Open whichever of stdin, stdout and stderr is closed, and guard `sys.stderr`.

    Otherwise the next file that is opened would get the closed one's number, and its bytes.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stderr = io.TextIOWrapper(
        PatientWriter(2), encoding="utf-8", errors="backslashreplace", write_through=True
    )


class PatientWriter(io.RawIOBase):
    """Writes to a descriptor; after one second without a reader it drops everything."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._patience_s = _PATIENCE_S

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """Write or drop the data; returns its length either way."""
        data = bytes(data)
        try:
            for begin in range(0, len(data), select.PIPE_BUF):
                # A pipe or terminal with any room takes this many bytes without blocking.
                if not select.select([], [self._descriptor], [], self._patience_s)[1]:
                    self._patience_s = 0.0
                    break
                self._patience_s = _PATIENCE_S
                write_all(self._descriptor, data[begin : begin + select.PIPE_BUF])
        except OSError:
            self._patience_s = 0.0  # the reader is gone, so there is nobody to tell
        return len(data)
