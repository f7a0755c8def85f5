"""Writes an entry stream to a pipe. Gathers small frames; does not copy file data."""

import errno
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from peer_cli.install.entries import (
    DATA_LIMIT,
    DATA_MINIMUM,
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
    """Sends entries in order and checks each against the size that its header promised.

    Blocks while the reader is busy, which is the backpressure. Raises OSError (EPIPE) once the
    reader is gone, and InstallError (`size-mismatch`) for an entry of another size than promised.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._pending = bytearray()
        self._small = bytearray()
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
        """Begin an entry. Given `crc32` from its header, the writer does not compute one."""
        self._control(encode(entry))
        self._name = entry.name
        self._promised = entry.size
        self._left = 0 if entry.copy_of else entry.size
        self._small.clear()
        self._known_crc = 0 if entry.copy_of else crc32
        self._crc = 0

    def data(self, data: memoryview) -> None:
        """Send the entry's next bytes, without a copy where that pays."""
        if len(data) > self._left:
            raise InstallError(
                "size-mismatch",
                f"The entry {self._name!r} yields more than the {self._promised} bytes "
                "that its header promises.",
            )
        if not data:
            return  # decoders reject an empty frame
        self._left -= len(data)
        if self._known_crc is None:
            self._crc = zlib.crc32(data, self._crc)
        if self._left and len(self._small) + len(data) < DATA_MINIMUM:
            self._small += data
            return
        if self._small:
            # Too few bytes for a frame of their own. Copying this piece as well is rare, and
            # simple.
            data = memoryview(bytes(self._small) + data)
            self._small.clear()
        if len(data) + len(self._pending) < _GATHER:
            self._pending += data_header(len(data))
            self._pending += data
            return
        pieces = []
        start = 0
        while start < len(data):
            # Leave enough for the next frame.
            length = min(len(data) - start, DATA_LIMIT)
            if 0 < len(data) - start - length < DATA_MINIMUM:
                length -= DATA_MINIMUM
            piece = data[start : start + length]
            pieces.append(memoryview(data_header(length)))
            pieces.append(piece)
            start += length
        self._flush(pieces)

    def stored_data(self, archive: int, start: int) -> None:
        """Send the whole entry from its place in an open archive; on Linux the kernel moves it.

        The checksum from the header is passed on unchecked, because the receiver checks it. Raises
        InstallError (`read-failed`) when the archive has become shorter since it was surveyed.
        """
        if 0 < self._left < _GATHER:
            # Gather small files, so that they do not each become a write of their own.
            data = os.pread(archive, self._left, start)
            if len(data) < self._left:
                raise self._cut()
            self._left = 0
            self._control(data_header(len(data)) + data)
        while self._left:
            length = min(self._left, DATA_LIMIT)
            self._pending += data_header(length)
            self._flush([])
            self._left -= length
            end = start + length
            while start < end:
                sent = self._transfer(archive, start, end - start)
                if not sent:
                    raise self._cut()
                start += sent

    def _cut(self) -> InstallError:
        return InstallError("read-failed", f"The archive shrank while {self._name!r} was read.")

    def _transfer(self, archive: int, start: int, length: int) -> int:
        """Move up to `length` bytes from the archive to the stream; 0 at the archive's end."""
        if self._can_splice:
            try:
                return os.splice(archive, self.descriptor, length, offset_src=start)
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
        self._control(encode(StreamFailure(error.code, str(error))))
        self._flush([])

    def _control(self, frame: bytes) -> None:
        self._pending += frame
        if len(self._pending) >= _GATHER:
            self._flush([])

    def _flush(self, pieces: Sequence[memoryview]) -> None:
        left = [memoryview(bytes(self._pending)), *pieces]
        self._pending.clear()
        while left:
            written = os.writev(self.descriptor, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
