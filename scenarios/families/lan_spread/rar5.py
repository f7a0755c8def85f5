"""Parses the headers of a RAR 5 archive: where its entries are and how they are packed.

An independent implementation of the "RAR 5.0 archive format" technote, so that what a scenario
expects of an archive, and what it damages there, does not depend on the peer under test.
"""

from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

_SIGNATURE = b"Rar!\x1a\x07\x01\x00"
_MAIN, _FILE = 1, 2
_HAS_EXTRA, _HAS_DATA = 0x01, 0x02
_SOLID_ARCHIVE = 0x04
_HAS_TIME, _HAS_CRC = 0x02, 0x04
_SOLID_ENTRY = 0x40


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """An entry; ``start`` is the offset of its packed data. Sizes and offsets in bytes."""

    name: str
    start: int
    packed: int
    size: int
    method: int  # 0: stored, not compressed
    needs_those_before: bool  # solid: uses the dictionary of the entries before it


@dataclass(frozen=True, slots=True)
class Archive:
    """The parsed headers."""

    solid: bool
    entries: tuple[PackedEntry, ...]


def read_headers(path: Path) -> Archive:
    """Parse the headers of an archive. Raises OSError, and ValueError unless it is a RAR 5."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if content[: len(_SIGNATURE)] != _SIGNATURE:
            raise ValueError(f"{path.name} is not a RAR 5 archive.")
        return _walk(content)


def _walk(content: mmap) -> Archive:
    solid = False
    entries = []
    at = len(_SIGNATURE)
    while at < len(content):
        length, begin = _number(content, at + 4)  # after the checksum
        kind, after = _number(content, begin)
        flags, after = _number(content, after)
        if flags & _HAS_EXTRA:
            _, after = _number(content, after)
        packed = 0
        if flags & _HAS_DATA:
            packed, after = _number(content, after)
        start = begin + length
        if kind == _MAIN:
            solid = bool(_number(content, after)[0] & _SOLID_ARCHIVE)
        elif kind == _FILE:
            entries.append(_entry(content, after, start, packed))
        at = start + packed
    return Archive(solid, tuple(entries))


def _entry(content: mmap, at: int, start: int, packed: int) -> PackedEntry:
    flags, at = _number(content, at)
    size, at = _number(content, at)
    _attributes, at = _number(content, at)
    at += 4 * (bool(flags & _HAS_TIME) + bool(flags & _HAS_CRC))
    compression, at = _number(content, at)
    _system, at = _number(content, at)
    length, at = _number(content, at)
    name = content[at : at + length].decode()
    return PackedEntry(
        name, start, packed, size, compression >> 7 & 0x07, bool(compression & _SOLID_ENTRY)
    )


def _number(content: mmap, at: int) -> tuple[int, int]:
    """Return the variable-length number at an offset (7 bits per byte), and the offset after it."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
