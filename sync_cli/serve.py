"""Reads blocks for other peers, only from files that are still what the index says."""

import errno
import os
import threading
from collections import OrderedDict

from headless.once import Once
from headless.texts import printable
from sync_cli.index import Row
from sync_cli.model import BLOCK_SIZE
from sync_cli.site import Site
from sync_cli.tree import Stamp

_MOST_OPEN = 16
# The file is gone, or something else is in its place or above it: the scan takes that for a change.
_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class Reader:
    """Reads blocks by the hash of their file. Thread-safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, tuple[int, Row]] = OrderedDict()
        self._report = Once(site.report)
        self.unscanned: set[bytes] = set()

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for descriptor, _ in self._open.values():
                os.close(descriptor)
            self._open.clear()

    def read(self, content: bytes, block: int) -> bytes | None:
        """Return a block of a file with this hash; None if no still file has it."""
        with self._lock:
            for _ in range(2):  # the second time with a file that is opened anew
                found = self._open.get(content) or self._find(content)
                if found is None:
                    return None
                data = self._read(*found, block)
                if data is not None:
                    self._open.move_to_end(content)
                    return data
                self._forget(content)
        return None

    def _find(self, content: bytes) -> tuple[int, Row] | None:
        tree = self._site.tree
        if tree is None:
            return None
        for row in self._site.index.holding(content):
            try:
                descriptor = tree.open_file(row.entry.path)
            except OSError as error:
                self.unscanned.add(row.entry.path)
                if error.errno not in _CHANGED:
                    self._tell(row.entry.path, error)
                continue
            if Stamp.of(os.fstat(descriptor)) == row.stamp:
                self._open[content] = descriptor, row
                if len(self._open) > _MOST_OPEN:
                    self._forget(next(iter(self._open)))
                return descriptor, row
            os.close(descriptor)
            self.unscanned.add(row.entry.path)
        return None

    def _read(self, descriptor: int, row: Row, block: int) -> bytes | None:
        if not 0 <= block < row.entry.block_count:
            return None
        size = row.entry.block_size(block)
        try:
            data = os.pread(descriptor, size, block * BLOCK_SIZE)
            stamp = Stamp.of(os.fstat(descriptor))
        except OSError as error:
            self._tell(row.entry.path, error)
            return None
        if len(data) == size and stamp == row.stamp:
            return data
        self.unscanned.add(row.entry.path)
        return None

    def _tell(self, path: bytes, error: OSError) -> None:
        shown = printable(os.fsdecode(path))
        self._report(f"{shown} cannot be read for other peers: {error.strerror}")

    def _forget(self, content: bytes) -> None:
        descriptor, _ = self._open.pop(content, (None, None))
        if descriptor is not None:
            os.close(descriptor)
