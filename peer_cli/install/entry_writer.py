"""Writes an entry stream to a pipe: small frames gathered, file data without a copy."""

import errno
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from peer_cli.install.entries import (
    DATA_LIMIT,
    ArchiveBegin,
    EntryBegin,
    EntryEnd,
    StreamBegin,
    StreamEnd,
    StreamFailure,
    data_header,
    encode,
)
from peer_cli.install.errors import InstallError

_GATHER = 64 << 10


class EntryWriter:
    """Sends entries in order and holds each to the size that its header promised.

    Blocks while the reader is busy: that is the backpressure. Raises OSError (EPIPE) as soon
    as nobody reads any more, and InstallError (`size-mismatch`) for an entry that lies.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = bytearray()
        self._name = ""
        self._promised = 0
        self._left = 0
        self._known_crc: int | None = None
        self._crc = 0
        self._can_splice = sys.platform == "linux"

    def begin(self, archives: int, entries: int, total_bytes: int) -> None:
        """Announce what the archives' headers promise."""
        self._control(encode(StreamBegin(archives, entries, total_bytes)))

    def archive(self, path: Path) -> None:
        """Announce the archive whose entries follow."""
        self._control(encode(ArchiveBegin(path.name)))

    def entry(self, entry: EntryBegin, crc32: int | None = None) -> None:
        """Begin an entry; with `crc32` from its header none is computed here."""
        self._control(encode(entry))
        self._name = entry.name
        self._promised = self._left = entry.size
        self._known_crc = crc32
        self._crc = 0

    def data(self, data: memoryview) -> None:
        """Send the entry's next bytes, from the caller's own memory."""
        if len(data) > self._left:
            raise InstallError(
                "size-mismatch",
                f"The entry {self._name!r} yields more than the {self._promised} bytes "
                "that its header promises.",
            )
        self._left -= len(data)
        if self._known_crc is None:
            self._crc = zlib.crc32(data, self._crc)
        if len(data) + len(self._pending) < _GATHER:
            self._pending += data_header(len(data))
            self._pending += data
            return
        pieces = []
        for start in range(0, len(data), DATA_LIMIT):
            piece = data[start : start + DATA_LIMIT]
            pieces.append(memoryview(data_header(len(piece))))
            pieces.append(piece)
        self._flush(pieces)

    def stored_data(self, archive: int, start: int) -> None:
        """Send the whole entry from where it lies in an open file; on Linux by the kernel alone.

        The checksum in its header goes along unchecked: the receiver checks what it got. Raises
        InstallError (`read-failed`) when the archive ends early, which it did not do before.
        """
        while self._left:
            length = min(self._left, DATA_LIMIT)
            self._pending += data_header(length)
            self._flush([])
            self._left -= length
            end = start + length
            while start < end:
                sent = self._transfer(archive, start, end - start)
                if not sent:
                    raise InstallError(
                        "read-failed", f"The archive was cut while {self._name!r} was read."
                    )
                start += sent

    def _transfer(self, archive: int, start: int, length: int) -> int:
        """Move up to `length` bytes from the archive to the stream; 0 at the archive's end."""
        if self._can_splice:
            try:
                return os.splice(archive, self._descriptor, length, offset_src=start)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._can_splice = False  # the stream is no pipe, or the file system cannot
        data = os.pread(archive, length, start)
        self._flush([memoryview(data)])
        return len(data)

    def entry_end(self) -> None:
        """End the entry."""
        if self._left:
            raise InstallError(
                "size-mismatch",
                f"The entry {self._name!r} yields {self._promised - self._left} bytes, "
                f"but its header promises {self._promised}.",
            )
        crc32 = self._crc if self._known_crc is None else self._known_crc
        self._control(encode(EntryEnd(self._promised, crc32)))

    def end(self) -> None:
        """End the stream: everything was sent."""
        self._control(encode(StreamEnd()))
        self._flush([])

    def failure(self, error: InstallError) -> None:
        """End the stream with the reason why it is incomplete."""
        self._control(encode(StreamFailure(error.code, error.reason)))
        self._flush([])

    def _control(self, frame: bytes) -> None:
        self._pending += frame
        if len(self._pending) >= _GATHER:
            self._flush([])

    def _flush(self, pieces: Sequence[memoryview]) -> None:
        left = [memoryview(bytes(self._pending)), *pieces]
        self._pending.clear()
        while left:
            written = os.writev(self._descriptor, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
