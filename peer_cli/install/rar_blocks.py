"""Reads one block of a RAR archive from its header, for RAR 5 and the older formats.

Formats: RAR 5.0 technote (https://www.rarlab.com/technote.htm); for RAR 1.5 to 4.x
"technote.txt" of RAR 4. Only the fields that the peer needs are read; UnRAR checks the rest.
"""

import struct
import time
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from peer_cli.install.errors import InstallError

_SIGNATURE_4 = b"Rar!\x1a\x07\x00"
_SIGNATURE_5 = b"Rar!\x1a\x07\x01\x00"
# Record types of RAR 5's extra area.
_ENCRYPTION_RECORD, _TIME_RECORD, _VERSION_RECORD, _LINK_RECORD = 1, 3, 4, 5
_HARD_LINK, _FILE_COPY = 4, 5
_EXECUTABLE = 0o111
_FILETIME_1970 = 116_444_736_000_000_000
_HEADER_LIMIT = 2 << 20  # the format's own limit
_UNKNOWN_SIZE_4 = (1 << 32) - 1
_UNIX_5, _UNIX_4 = 1, 3


class Block(NamedTuple):
    """The fields of one block that the peer needs; `data_size` bytes follow the block.

    Names are UTF-8 in RAR 5, and not read in RAR 4, where nothing refers to them. `mtime_ns` is in
    ns since 1970, 0 if unknown.
    """

    is_entry: bool = False
    is_end: bool = False
    encrypted_headers: bool = False
    encrypted: bool = False
    in_volumes: bool = False
    size: int | None = 0
    is_stored: bool = False
    dictionary: int = 0
    data_size: int = 0
    name: bytes = b""
    copy_of: bytes = b""
    is_old_version: bool = False
    is_executable: bool = False
    mtime_ns: int = 0


def reader_of(file: BinaryIO, name: str) -> Callable[[BinaryIO, str], Block]:
    """Read an archive's signature; return a function that reads the blocks after it, one by one.

    Raises InstallError: `not-an-archive`. The returned function raises `archive-truncated` and
    `archive-corrupt`.
    """
    start = file.read(len(_SIGNATURE_5))
    if start == _SIGNATURE_5:
        return _read_block_5
    if start.startswith(_SIGNATURE_4):
        file.seek(len(_SIGNATURE_4))
        return _read_block_4
    raise InstallError("not-an-archive", f"{name} is not a RAR archive.")


def truncated(name: str) -> InstallError:
    """Return the error for an archive that ends before its headers say it does."""
    return InstallError(
        "archive-truncated", f"The archive {name} is cut off in the middle of an entry."
    )


def _corrupt(name: str) -> InstallError:
    return InstallError("archive-corrupt", f"The archive {name} has a damaged header.")


def _read_exactly(file: BinaryIO, count: int, name: str) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise truncated(name)
    return data


class _Fields:
    """Reads the fields of a RAR 5 header one after the other. Raises IndexError past its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def number(self) -> int:
        """Return the next variable-length integer: seven bits a byte, lowest first."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise IndexError("a number of more than ten bytes")

    def integer(self, size: int) -> int:
        """Return the next little-endian integer, of `size` bytes."""
        return int.from_bytes(self.bytes(size), "little")

    def bytes(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._data[self.at : self.at + size]
        if len(data) < size:
            raise IndexError("a field that is longer than its header")
        self.at += size
        return data


def _read_block_5(file: BinaryIO, name: str) -> Block:
    start = file.tell()
    # The checksum and the shortest possible header: size, type and flags.
    fields = _Fields(_read_exactly(file, 7, name)[4:])
    try:
        size = fields.number()
    except IndexError:
        raise _corrupt(name) from None
    if not 0 < size <= _HEADER_LIMIT:
        raise _corrupt(name)
    file.seek(start)
    raw = _read_exactly(file, 4 + fields.at + size, name)
    if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "little"):
        raise _corrupt(name)
    try:
        return _parse_block_5(raw[4 + fields.at :])
    except IndexError:
        raise _corrupt(name) from None


def _parse_block_5(header: bytes) -> Block:
    fields = _Fields(header)
    kind, flags = fields.number(), fields.number()
    extra_size = fields.number() if flags & 0x01 else 0
    data_size = fields.number() if flags & 0x02 else 0
    if kind == 1:
        return Block(in_volumes=bool(fields.number() & 0x01), data_size=data_size)
    if kind == 2:
        file_flags, size, attributes = fields.number(), fields.number(), fields.number()
        mtime_ns = fields.integer(4) * 1_000_000_000 if file_flags & 0x02 else 0
        fields.at += 4 * bool(file_flags & 0x04)  # the checksum
        compression, system = fields.number(), fields.number()
        name = fields.bytes(fields.number())
        if extra_size > len(header):
            raise IndexError("an extra area larger than its header")
        records = _records(header[len(header) - extra_size :])
        if _TIME_RECORD in records:
            mtime_ns = _precise_mtime(records[_TIME_RECORD]) or mtime_ns
        return Block(
            is_entry=True,
            encrypted=_ENCRYPTION_RECORD in records,
            in_volumes=bool(flags & 0x18),
            size=None if file_flags & 0x08 else size,
            is_stored=not compression >> 7 & 0x07 and _LINK_RECORD not in records,
            dictionary=0 if file_flags & 0x01 else _dictionary_5(compression),
            data_size=data_size,
            name=name,
            copy_of=_copy_of(records.get(_LINK_RECORD)),
            is_old_version=_VERSION_RECORD in records,
            is_executable=system == _UNIX_5 and bool(attributes & _EXECUTABLE),
            mtime_ns=mtime_ns,
        )
    if kind == 4:
        return Block(encrypted_headers=True)
    if kind == 5:
        return Block(is_end=True, in_volumes=bool(fields.number() & 0x01))
    return Block(data_size=data_size)


def _records(extra: bytes) -> dict[int, bytes]:
    """Return the contents of the records of an extra area, by their types."""
    fields = _Fields(extra)
    records = {}
    while fields.at < len(extra):
        size = fields.number()
        following = fields.at + size
        kind = fields.number()
        records[kind] = extra[fields.at : following]
        fields.at = max(following, fields.at)
    return records


def _precise_mtime(record: bytes) -> int:
    """Return the modification time of a "file time record" in ns since 1970, 0 if absent."""
    fields = _Fields(record)
    flags = fields.number()
    if not flags & 0x02:
        return 0
    if not flags & 0x01:
        return (fields.integer(8) - _FILETIME_1970) * 100
    seconds = fields.integer(4)
    # All times come first, then the nanoseconds of each.
    fields.at += 4 * (bool(flags & 0x04) + bool(flags & 0x08))
    nanoseconds = fields.integer(4) & 0x3FFFFFFF if flags & 0x10 else 0
    return seconds * 1_000_000_000 + nanoseconds


def _copy_of(record: bytes | None) -> bytes:
    """Return the original of a hard link or file reference; empty for any other redirection."""
    if record is None:
        return b""
    fields = _Fields(record)
    kind, _flags = fields.number(), fields.number()
    return fields.bytes(fields.number()) if kind in (_HARD_LINK, _FILE_COPY) else b""


def _dictionary_5(compression: int) -> int:
    if not compression >> 7 & 0x07:
        return 0  # stored
    if compression & 0x3F == 0:
        return (128 << 10) << (compression >> 10 & 0x0F)
    # RAR 7: larger powers of two, and 32nds of them on top.
    power = (128 << 10) << (compression >> 10 & 0x1F)
    return power + power // 32 * (compression >> 15 & 0x1F)


def _read_block_4(file: BinaryIO, name: str) -> Block:
    raw = _read_exactly(file, 7, name)
    _crc, kind, flags, size = struct.unpack("<HBHH", raw)
    if size < 7:
        raise _corrupt(name)
    raw += _read_exactly(file, size - 7, name)
    if kind == 0x73:
        return Block(encrypted_headers=bool(flags & 0x80), in_volumes=bool(flags & 0x01))
    if kind == 0x7B:
        return Block(is_end=True, in_volumes=bool(flags & 0x01))
    try:
        if kind in (0x74, 0x7A):
            return _parse_file_4(kind == 0x74, flags, raw)
        data_size = struct.unpack_from("<I", raw, 7)[0] if flags & 0x8000 else 0
    except struct.error:
        raise _corrupt(name) from None
    return Block(data_size=data_size)


def _parse_file_4(is_entry: bool, flags: int, raw: bytes) -> Block:
    packed, unpacked = struct.unpack_from("<II", raw, 7)
    size: int | None = None if unpacked == _UNKNOWN_SIZE_4 else unpacked
    if flags & 0x100:
        packed_high, unpacked_high = struct.unpack_from("<II", raw, 32)
        packed |= packed_high << 32
        size = None if unpacked_high == _UNKNOWN_SIZE_4 else unpacked | unpacked_high << 32
    system, method, name_size, attributes = raw[15], raw[25], *struct.unpack_from("<HI", raw, 26)
    # This format has no dictionary over 4 MiB, so there is nothing to check.
    return Block(
        is_entry=is_entry,
        encrypted=bool(flags & 0x04),
        in_volumes=bool(flags & 0x03),
        size=size if is_entry else 0,
        is_stored=is_entry and method == 0x30,
        data_size=packed,
        is_old_version=bool(flags & 0x800),
        is_executable=system == _UNIX_4 and bool(attributes & _EXECUTABLE),
        mtime_ns=_mtime_4(raw, flags, name_size) if is_entry else 0,
    )


def _mtime_4(raw: bytes, flags: int, name_size: int) -> int:
    """Return a modification time in ns since 1970; 0 if it is not a valid time."""
    dos = struct.unpack_from("<I", raw, 20)[0]
    date, clock = dos >> 16, dos & 0xFFFF
    # Stored as the packer's local time, in steps of two seconds; read as this machine's.
    local = (
        1980 + (date >> 9), date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63,
        2 * (clock & 31), 0, 0, -1,
    )  # fmt: skip
    try:
        seconds = int(time.mktime(local))
    except (OverflowError, ValueError):
        return 0
    ticks = 0  # of 100 ns each
    if flags & 0x1000:
        at = 32 + 8 * bool(flags & 0x100) + name_size + 8 * bool(flags & 0x400)
        precision = struct.unpack_from("<H", raw, at)[0] >> 12
        if precision & 8:
            seconds += bool(precision & 4)
            count = precision & 3
            more = raw[at + 2 : at + 2 + count]
            ticks = int.from_bytes(more, "little") << 8 * (3 - count)
    return seconds * 1_000_000_000 + ticks * 100
