"""Builds RAR archives byte by byte, also ones that no archiver would make."""

import os
import struct
import zlib

SIGNATURE = b"Rar!\x1a\x07\x01\x00"
SIGNATURE_4 = b"Rar!\x1a\x07\x00"


def vint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def padded(value: int) -> bytes:
    """A number below 2^21 in three bytes, as `rar` writes sizes."""
    return bytes([value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14])


def block(
    kind: int, fields: bytes, *, flags: int = 0, extra: bytes = b"", data: bytes = b""
) -> bytes:
    """One block of RAR 5."""
    sizes = b""
    if extra:
        flags |= 1
        sizes += vint(len(extra))
    if data:
        flags |= 2
        sizes += vint(len(data))
    header = vint(kind) + vint(flags) + sizes + fields + extra
    header = vint(len(header)) + header
    return struct.pack("<I", zlib.crc32(header)) + header + data


def main_block(flags: int = 0) -> bytes:
    return block(1, vint(flags))


def end_block(flags: int = 0) -> bytes:
    return block(5, vint(flags))


def file_block(
    name: str,
    data: bytes = b"",
    *,
    size: int | None = None,
    crc32: int | None = None,
    flags: int = 0,
    file_flags: int = 0,
    compression: int = 0,
    mode: int = 0o100644,
    system: int = 1,
    extra: bytes = b"",
) -> bytes:
    """One stored file, or what the other arguments make of it; `system` 0 Windows, 1 Unix."""
    encoded = name.encode()
    fields = (
        vint(file_flags | 0x04)
        + vint(len(data) if size is None else size)
        + vint(mode)
        + struct.pack("<I", zlib.crc32(data) if crc32 is None else crc32)
        + vint(compression)
        + vint(system)
        + vint(len(encoded))
        + encoded
    )
    return block(2, fields, flags=flags, extra=extra, data=data)


def directory_block(name: str) -> bytes:
    return file_block(name, file_flags=0x01)


def redirection(kind: int, target: str) -> bytes:
    """The extra record of a link: 1 symbolic, 3 junction, 4 hard link."""
    body = vint(5) + vint(kind) + vint(0) + vint(len(target)) + target.encode()
    return vint(len(body)) + body


HARD_LINK, FILE_COPY = 4, 5


def version(number: int) -> bytes:
    """The extra record of an old version of a file, as `rar -ver` writes it."""
    body = vint(4) + vint(0) + vint(number)
    return vint(len(body)) + body


def unix_time(seconds: int, nanoseconds: int) -> bytes:
    """The extra record of a modification time with nanoseconds, beside an access time."""
    flags = 0x01 | 0x02 | 0x08 | 0x10
    body = vint(3) + vint(flags) + struct.pack("<IIII", seconds, 1, nanoseconds, 1)
    return vint(len(body)) + body


def windows_time(ticks: int) -> bytes:
    """The extra record of a modification time in 100 ns since 1601."""
    body = vint(3) + vint(0x02) + struct.pack("<Q", ticks)
    return vint(len(body)) + body


def umask() -> int:
    """The rights that new files do not get here; asking for it sets it, so it is set back."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def archive(*blocks: bytes, end: bool = True) -> bytes:
    return SIGNATURE + main_block() + b"".join(blocks) + (end_block() if end else b"")


def block_4(kind: int, flags: int, fields: bytes, data: bytes = b"") -> bytes:
    """One block of RAR 1.5 to 4."""
    header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header + data


def main_block_4(flags: int = 0) -> bytes:
    return block_4(0x73, flags, bytes(6))


def file_block_4(
    name: str,
    data: bytes,
    *,
    flags: int = 0,
    attributes: int = 0o100644,
    dos_time: int = 0x50210000,
    more: bytes = b"",
) -> bytes:
    """One stored file; `more` is what follows its name."""
    fields = struct.pack(
        "<IIBIIBBHI",
        len(data),
        len(data),
        3,
        zlib.crc32(data),
        dos_time,
        20,
        0x30,
        len(name),
        attributes,
    )
    return block_4(0x74, 0x8000 | flags, fields + name.encode() + more, data)


def archive_4(*blocks: bytes, end: bool = True) -> bytes:
    return (
        SIGNATURE_4
        + main_block_4()
        + b"".join(blocks)
        + (block_4(0x7B, 0x4000, b"") if end else b"")
    )


def patch_headers(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace `old` by `new`, of the same length, in all headers of a RAR 5, and mend checksums."""
    out = bytearray(content)
    at = len(SIGNATURE)
    while at < len(out):
        # Good enough for the small samples: sizes of one or two bytes.
        length = 1 if out[at + 4] < 0x80 else 2
        size = out[at + 4] & 0x7F | (out[at + 5] << 7 if length == 2 else 0)
        end = at + 4 + length + size
        header = bytes(out[at + 4 : end])
        fields = header[length:]
        patched = header.replace(old, new)
        out[at:end] = struct.pack("<I", zlib.crc32(patched)) + patched
        at = end + (_data_size(fields) if fields[1] & 2 else 0)
    return bytes(out)


def _data_size(fields: bytes) -> int:
    """The data size of a block: the number after kind, flags and, if there, the extra size."""
    at = 2
    if fields[1] & 1:
        at += 1 if fields[at] < 0x80 else 2
    value = shift = 0
    while True:
        value |= (fields[at] & 0x7F) << shift
        if fields[at] < 0x80:
            return value
        at += 1
        shift += 7
