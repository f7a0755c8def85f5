"""Walks the headers of a RAR archive, before anything of it is unpacked.

The UnRAR library takes an archive that simply stops for one that ends there, and finds out
about passwords and missing volumes only when it gets to them. This walk reads a few bytes
per entry and knows all of it beforehand, with the totals that a progress display wants.
Formats: RAR 5.0 technote (https://www.rarlab.com/technote.htm); for RAR 1.5 to 4.x
"technote.txt" of RAR 4. Only what has to be known is read; UnRAR checks the rest.
"""

import os
import struct
import zlib
from array import array
from pathlib import Path
from typing import BinaryIO, NamedTuple

from peer_cli.install.errors import InstallError

SIGNATURE_4 = b"Rar!\x1a\x07\x00"
SIGNATURE_5 = b"Rar!\x1a\x07\x01\x00"
_ENCRYPTION_RECORD, _LINK_RECORD = 1, 5  # of the extra area of RAR 5
_HEADER_LIMIT = 2 << 20  # of the format itself
_UNKNOWN_SIZE_4 = (1 << 32) - 1


class Survey(NamedTuple):
    """What the headers promise: entries (files and directories) and bytes of all files.

    `stored` holds, for each entry in order, where its data starts in the archive if it lies there
    as it is, and -1 if it has to be unpacked (or is empty).
    """

    entries: int
    total_bytes: int
    stored: "array[int]"


class _Block(NamedTuple):
    """One block of an archive, reduced to what matters here; `data_size` bytes follow it."""

    is_entry: bool = False
    is_end: bool = False
    encrypted_headers: bool = False
    encrypted: bool = False
    in_volumes: bool = False
    size: int | None = 0
    is_stored: bool = False
    dictionary: int = 0
    data_size: int = 0


def survey_archive(path: Path, dictionary_limit: int) -> Survey:
    """Read all headers of an archive and add them up.

    `dictionary_limit` is in bytes. Raises InstallError with one of the codes `read-failed`,
    `not-an-archive`, `archive-truncated`, `archive-end-missing`, `archive-corrupt`,
    `archive-encrypted`, `archive-multi-volume`, `archive-unsupported`, `size-mismatch` or
    `dictionary-too-large`.
    """
    try:
        with path.open("rb") as file:
            return _survey(file, path.name, dictionary_limit)
    except OSError as error:
        raise InstallError(
            "read-failed", f"The archive {path.name} cannot be read: {error.strerror}."
        ) from error


def _survey(file: BinaryIO, name: str, dictionary_limit: int) -> Survey:
    start = file.read(len(SIGNATURE_5))
    if start == SIGNATURE_5:
        read_block = _read_block_5
    elif start.startswith(SIGNATURE_4):
        read_block = _read_block_4
        file.seek(len(SIGNATURE_4))
    else:
        raise InstallError("not-an-archive", f"{name} is not a RAR archive.")
    end = os.fstat(file.fileno()).st_size
    entries = total_bytes = 0
    stored = array("q")
    while True:
        if file.tell() == end:
            raise InstallError(
                "archive-end-missing",
                f"The archive {name} stops after {entries} entries without its end mark: it was "
                "cut off there, or made by a RAR older than 3.0. Get it again, or pack it anew.",
            )
        block = read_block(file, name)
        if file.tell() + block.data_size > end:
            raise _truncated(name)
        _check_block(block, name, dictionary_limit)
        if block.is_end:
            return Survey(entries, total_bytes, stored)
        if block.is_entry:
            entries += 1
            total_bytes += block.size or 0
            stored.append(file.tell() if block.is_stored and block.size else -1)
        file.seek(block.data_size, os.SEEK_CUR)


def _check_block(block: _Block, name: str, dictionary_limit: int) -> None:
    if block.encrypted_headers:
        raise InstallError(
            "archive-encrypted",
            f"The archive {name} is encrypted, its file names too. Pack it without a password.",
        )
    if block.in_volumes:
        raise InstallError(
            "archive-multi-volume",
            f"The archive {name} is one of several volumes. Pack it as one file.",
        )
    if block.encrypted:
        raise InstallError(
            "archive-encrypted",
            f"The files in the archive {name} are encrypted. Pack it without a password.",
        )
    if block.size is None:
        raise InstallError(
            "archive-unsupported",
            f"The archive {name} does not tell the size of its files. Pack it from files.",
        )
    if block.is_stored and block.data_size != block.size:
        raise InstallError(
            "size-mismatch",
            f"The archive {name} stores {block.data_size} bytes of a file, but its header promises "
            f"{block.size}.",
        )
    if block.dictionary > dictionary_limit:
        raise InstallError(
            "dictionary-too-large",
            f"The archive {name} needs a dictionary of {block.dictionary >> 20} MiB, more than "
            f"the {dictionary_limit >> 20} MiB allowed. Pack it with a smaller one (-md).",
        )


def _truncated(name: str) -> InstallError:
    return InstallError(
        "archive-truncated", f"The archive {name} is cut off in the middle of an entry."
    )


def _corrupt(name: str) -> InstallError:
    return InstallError("archive-corrupt", f"The archive {name} has a damaged header.")


def _read_exactly(file: BinaryIO, count: int, name: str) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise _truncated(name)
    return data


class _Fields:
    """Reads the fields of a RAR 5 header one after the other; IndexError past its end."""

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


def _read_block_5(file: BinaryIO, name: str) -> _Block:
    start = file.tell()
    # Checksum and at least three more bytes: the shortest header has size, type and flags.
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


def _parse_block_5(header: bytes) -> _Block:
    fields = _Fields(header)
    kind, flags = fields.number(), fields.number()
    extra_size = fields.number() if flags & 0x01 else 0
    data_size = fields.number() if flags & 0x02 else 0
    if kind == 1:
        return _Block(in_volumes=bool(fields.number() & 0x01), data_size=data_size)
    if kind == 2:
        file_flags, size, _attributes = fields.number(), fields.number(), fields.number()
        # Time and checksum, four bytes each, if present.
        fields.at += 4 * (bool(file_flags & 0x02) + bool(file_flags & 0x04))
        compression = fields.number()
        if extra_size > len(header):
            raise IndexError("an extra area larger than its header")
        records = _record_types(header[len(header) - extra_size :])
        return _Block(
            is_entry=True,
            encrypted=_ENCRYPTION_RECORD in records,
            in_volumes=bool(flags & 0x18),
            size=None if file_flags & 0x08 else size,
            is_stored=not compression >> 7 & 0x07 and _LINK_RECORD not in records,
            dictionary=0 if file_flags & 0x01 else _dictionary_5(compression),
            data_size=data_size,
        )
    if kind == 4:
        return _Block(encrypted_headers=True)
    if kind == 5:
        return _Block(is_end=True, in_volumes=bool(fields.number() & 0x01))
    return _Block(data_size=data_size)


def _record_types(extra: bytes) -> set[int]:
    fields = _Fields(extra)
    types = set()
    while fields.at < len(extra):
        size = fields.number()
        following = fields.at + size
        types.add(fields.number())
        fields.at = max(following, fields.at)
    return types


def _dictionary_5(compression: int) -> int:
    if not compression >> 7 & 0x07:
        return 0  # stored
    if compression & 0x3F == 0:
        return (128 << 10) << (compression >> 10 & 0x0F)
    # RAR 7: larger powers of two, and 32nds of them on top.
    power = (128 << 10) << (compression >> 10 & 0x1F)
    return power + power // 32 * (compression >> 15 & 0x1F)


def _read_block_4(file: BinaryIO, name: str) -> _Block:
    raw = _read_exactly(file, 7, name)
    _crc, kind, flags, size = struct.unpack("<HBHH", raw)
    if size < 7:
        raise _corrupt(name)
    raw += _read_exactly(file, size - 7, name)
    if kind == 0x73:
        return _Block(encrypted_headers=bool(flags & 0x80), in_volumes=bool(flags & 0x01))
    if kind == 0x7B:
        return _Block(is_end=True, in_volumes=bool(flags & 0x01))
    try:
        if kind in (0x74, 0x7A):
            return _parse_file_4(kind == 0x74, flags, raw)
        data_size = struct.unpack_from("<I", raw, 7)[0] if flags & 0x8000 else 0
    except struct.error:
        raise _corrupt(name) from None
    return _Block(data_size=data_size)


def _parse_file_4(is_entry: bool, flags: int, raw: bytes) -> _Block:
    packed, unpacked = struct.unpack_from("<II", raw, 7)
    size: int | None = None if unpacked == _UNKNOWN_SIZE_4 else unpacked
    if flags & 0x100:
        packed_high, unpacked_high = struct.unpack_from("<II", raw, 32)
        packed |= packed_high << 32
        size = None if unpacked_high == _UNKNOWN_SIZE_4 else unpacked | unpacked_high << 32
    # Dictionaries of this format end at 4 MiB: nothing to check.
    return _Block(
        is_entry=is_entry,
        encrypted=bool(flags & 0x04),
        in_volumes=bool(flags & 0x03),
        size=size if is_entry else 0,
        is_stored=is_entry and raw[25] == 0x30,
        data_size=packed,
    )
