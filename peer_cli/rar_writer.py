"""Writes RAR 5.0 archives whose entries are stored, that is, not compressed.

Format: the "RAR 5.0 archive format" technote (https://www.rarlab.com/technote.htm), whose section
names are quoted above the matching code. Writes only what a plain archive needs: one volume, no
encryption, not solid. The same entries always give the same bytes.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

Chunks: TypeAlias = Callable[[], Iterable[bytes]]

# "RAR 5.0 signature".
_SIGNATURE = b"Rar!\x1a\x07\x01\x00"

# "General archive block format": header types, and the header flag that announces a data area.
_MAIN_HEADER, _FILE_HEADER, _END_HEADER = 1, 2, 5
_HAS_DATA_AREA = 0x0002

# "File header and service header": file flags, and the host system that defines the attributes.
_IS_DIRECTORY, _HAS_MTIME, _HAS_CRC32 = 0x0001, 0x0002, 0x0004
_HOST_UNIX = 1
_FILE_MODE, _DIRECTORY_MODE = 0o100644, 0o040755

# "Compression information": algorithm version 0, not solid, method 0 (stored), dictionary 128 KiB.
_STORED = 0

# 2020-01-01 00:00:00 UTC for every entry, so that archives are reproducible.
_MTIME = 1577836800


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One file or directory of an archive.

    `name` is the path inside the archive, with `/` between its parts. It is written unchecked,
    because tests need archives with hostile names too. `data` is the content, or, for content too
    large for memory, a function that yields it in pieces; then `size` must be the total in bytes.
    Raises ValueError when these do not match.
    """

    name: str
    data: bytes | Chunks = b""
    size: int | None = None
    is_directory: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("An archive entry has no name; give it one.")
        if self.is_directory and self.data != b"":
            raise ValueError(f"The directory {self.name!r} has data; only files can have data.")
        if isinstance(self.data, bytes):
            if self.size not in (None, len(self.data)):
                raise ValueError(
                    f"The size of {self.name!r} is not that of its data; leave it out."
                )
        elif self.size is None:
            raise ValueError(f"The data of {self.name!r} comes in pieces; give its size in bytes.")

    @property
    def length(self) -> int:
        """The size of the content in bytes."""
        return len(self.data) if isinstance(self.data, bytes) else self.size or 0


def stored_rar_size(entries: Iterable[StoredEntry]) -> int:
    """Return how many bytes the archive of `entries` has, without making any data."""
    blocks = sum(len(_file_header(entry, 0)) + entry.length for entry in entries)
    return len(_start()) + blocks + len(_end())


def write_stored_rar(path: Path, entries: Iterable[StoredEntry]) -> None:
    """Write `entries` in the given order to a new archive at `path`, replacing any file.

    Holds one piece of data in memory. Raises ValueError when an entry's pieces do not add up to its
    `size`. Removes the unfinished archive after any failure.
    """
    try:
        with path.open("wb") as archive:
            archive.write(_start())
            for entry in entries:
                _write_entry(archive, entry)
            archive.write(_end())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _start() -> bytes:
    return _SIGNATURE + _block(_MAIN_HEADER, _vint(0))


def _end() -> bytes:
    return _block(_END_HEADER, _vint(0))


def _write_entry(archive: BinaryIO, entry: StoredEntry) -> None:
    # The checksum comes before the data but is known only after it. Its width is fixed, so the
    # header is rewritten in place, which is cheaper than producing the data twice.
    start = archive.tell()
    archive.write(_file_header(entry, 0))
    crc = written = 0
    for chunk in [entry.data] if isinstance(entry.data, bytes) else entry.data():
        crc = zlib.crc32(chunk, crc)
        written += archive.write(chunk)
    if written != entry.length:
        raise ValueError(
            f"The pieces of {entry.name!r} have {written} bytes, not {entry.length} as said."
        )
    archive.seek(start)
    archive.write(_file_header(entry, crc))
    archive.seek(0, io.SEEK_END)


def _file_header(entry: StoredEntry, crc: int) -> bytes:
    name = entry.name.encode()
    fields = b"".join(
        (
            _vint(_HAS_MTIME | (_IS_DIRECTORY if entry.is_directory else _HAS_CRC32)),
            _vint(entry.length),
            _vint(_DIRECTORY_MODE if entry.is_directory else _FILE_MODE),
            struct.pack("<I", _MTIME),
            b"" if entry.is_directory else struct.pack("<I", crc),
            _vint(_STORED),
            _vint(_HOST_UNIX),
            _vint(len(name)),
            name,
        )
    )
    return _block(_FILE_HEADER, fields, data_size=None if entry.is_directory else entry.length)


def _block(header_type: int, fields: bytes, data_size: int | None = None) -> bytes:
    """Return a block with this header; its CRC-32 covers everything from the size field on."""
    flags = b"\x00" if data_size is None else _vint(_HAS_DATA_AREA) + _vint(data_size)
    header = _vint(header_type) + flags + fields
    sized = _vint(len(header)) + header
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _vint(value: int) -> bytes:
    """Encode seven bits per byte, lowest first; the top bit means more follow ("Data types")."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | value & 0x7F)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
