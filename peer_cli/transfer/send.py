"""Sends ranges of a game's files, in one thread.

Large ranges go from the file to the socket within the kernel. Small ones are read and sent many at
once, because each send costs both sides.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from peer_cli.library.index import UnreadableBlock
from peer_cli.names import resolve_served
from peer_cli.network import wire
from peer_cli.transfer.dataplane import (
    BECAME_SHORTER,
    TOGETHER_BYTES,
    DataConnection,
    TransferLostError,
)
from store.open_file import read_at

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALL_BYTES = 64 << 10


def send_ranges(data: DataConnection, root: Path, ranges: Iterable[wire.Range]) -> None:
    """Send ranges of a game's files.

    Their names were checked with the ticket; what they lead to may have changed. Raises
    UnreadableBlock when the disk fails, other OSErrors, UnsafeName, TransferLostError and
    TransferCancelledError.
    """
    together = bytearray()  # small ranges that were read, but not sent yet
    try:
        with contextlib.closing(_OpenFolder(root)) as folder:
            for wanted in ranges:
                with _opened(folder, root, wanted) as file:
                    small = wanted.length <= _SMALL_BYTES
                    if small:
                        together += _read(file, wanted)
                    if not small or len(together) >= TOGETHER_BYTES:
                        ready, together = together, bytearray()
                        data.send_bytes(memoryview(ready))
                    if not small:
                        data.send_file(file, wanted.offset, wanted.length)
    finally:
        if together:  # what came before a file that cannot be read
            data.send_bytes(memoryview(together))


@contextlib.contextmanager
def _opened(folder: "_OpenFolder", root: Path, wanted: wire.Range) -> Iterator[int]:
    """Open a range's file. Raises UnreadableBlock when the disk fails meanwhile."""
    relative = PurePosixPath(wanted.path)
    file = folder.open(relative)
    try:
        yield file
    except (OSError, TransferLostError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EIO:  # no socket raises it
            path = resolve_served(root, relative)
            raise UnreadableBlock(cause, path, wanted.offset, wanted.length) from error
        raise
    finally:
        os.close(file)


def _read(file: int, wanted: wire.Range) -> bytearray:
    block = bytearray(wanted.length)
    if not read_at(file, wanted.offset, memoryview(block)):
        raise TransferLostError(BECAME_SHORTER)
    return block


class _OpenFolder:
    """Opens files of a game. A folder is looked for once for the files in it that follow.

    Later files are opened by its descriptor: even if somebody replaces it with a link meanwhile,
    they are those of the folder that was checked.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = ""
        self._descriptor: int | None = None

    def open(self, relative: PurePosixPath) -> int:
        """Return a file's descriptor. Raises OSError, UnsafeName."""
        folder, _, name = str(relative).rpartition("/")
        if self._descriptor is None or folder != self._name:
            self.close()
            real = resolve_served(self._root, PurePosixPath(folder)) if folder else self._root
            self._descriptor = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._name = folder
        try:
            return os.open(name, _READ, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        return os.open(resolve_served(self._root, relative), _READ)  # a link within the game

    def close(self) -> None:
        """Close the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
