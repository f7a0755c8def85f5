"""Writes RAR 5 archives of stored entries, with records that other packers also write.

An independent implementation of the "RAR 5.0 archive format" technote, like rar5.py.
"""

import struct
import zlib
from dataclasses import dataclass

_SIGNATURE = b"Rar!\x1a\x07\x01\x00"
_MAIN, _FILE, _END = 1, 2, 5
_TIME, _VERSION, _REDIRECTION = 3, 4, 5  # records of the extra area
_FILE_REFERENCE, _HARD_LINK = 5, 4
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A file in an archive. ``reference_to`` and ``hard_link_to`` name the original of a copy.

    ``mode`` is the Unix mode; ``version`` numbers old versions, 0 is the newest.
    """

    name: str
    content: bytes = b""
    mode: int = 0o644
    mtime_ns: int = 1_577_836_800 * _NANOSECONDS
    reference_to: str = ""
    hard_link_to: str = ""
    version: int = 0


def made_archive(*files: Made) -> bytes:
    """Return an archive with these files, in this order."""
    blocks = [_block(_MAIN, _number(0)), *map(_file, files), _block(_END, _number(0))]
    return _SIGNATURE + b"".join(blocks)


def _file(file: Made) -> bytes:
    name = file.name.encode()
    seconds, nanoseconds = divmod(file.mtime_ns, _NANOSECONDS)
    # Modification time as Unix time with nanoseconds.
    records = [_record(_TIME, _number(0x13) + struct.pack("<II", seconds, nanoseconds))]
    if file.version:
        records.append(_record(_VERSION, _number(0) + _number(file.version)))
    for kind, original in (
        (_FILE_REFERENCE, file.reference_to),
        (_HARD_LINK, file.hard_link_to),
    ):
        if original:
            target = original.encode()
            told = _number(kind) + _number(0) + _number(len(target)) + target
            records.append(_record(_REDIRECTION, told))
    fields = (
        _number(0x04)  # has a CRC-32
        + _number(len(file.content))
        + _number(0o100000 | file.mode)
        + struct.pack("<I", zlib.crc32(file.content))
        + _number(0)  # stored
        + _number(1)  # Unix
        + _number(len(name))
        + name
    )
    return _block(_FILE, fields, b"".join(records), file.content)


def _block(kind: int, fields: bytes, extra: bytes = b"", data: bytes = b"") -> bytes:
    flags = (1 if extra else 0) | (2 if data else 0)
    sizes = (_number(len(extra)) if extra else b"") + (_number(len(data)) if data else b"")
    header = _number(kind) + _number(flags) + sizes + fields + extra
    sized = _number(len(header)) + header
    return struct.pack("<I", zlib.crc32(sized)) + sized + data


def _record(kind: int, content: bytes) -> bytes:
    body = _number(kind) + content
    return _number(len(body)) + body


def _number(value: int) -> bytes:
    """Encode a variable-length number: 7 bits per byte, lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*encoded, value])
