"""Content digests as docs/wire-protocol.md defines them, and content that forges a CRC."""

import zlib
from pathlib import Path, PurePosixPath

import msgspec
from blake3 import blake3

from scenarios.families.lan_spread.games import not_served

BLOCK = 4 << 20
_CRC_BITS = 32


def block_hashes(file: Path) -> list[bytes]:
    """Return the BLAKE3 digest of each block of a file, as in a manifest."""
    content = file.read_bytes()
    starts = range(0, len(content), BLOCK)
    return [blake3(content[start : start + BLOCK]).digest() for start in starts]


def content_digest(root: Path) -> bytes:
    """Return the catalog's digest for a game with these files."""
    files = {
        path.relative_to(root).as_posix(): path
        for path in root.rglob("*")
        if path.is_file() and not not_served(PurePosixPath(path.relative_to(root).as_posix()))
    }
    rows = [[name, file.stat().st_size, block_hashes(file)] for name, file in sorted(files.items())]
    return blake3(msgspec.msgpack.encode(rows)).digest()


def forged(old: bytes, start: bytes) -> bytes:
    """Return bytes of the length and CRC-32 of ``old`` that begin with ``start``.

    Replacing ``old`` by them keeps the CRC-32 of any data around them. ``start`` must be at least
    4 bytes shorter than ``old``.
    """
    body = start.ljust(len(old) - 4, b"!")
    # A CRC is linear: the bits of the last four bytes change it independently of each other.
    changes = [
        (zlib.crc32(body + (1 << bit).to_bytes(4, "big")) ^ zlib.crc32(body + bytes(4)), 1 << bit)
        for bit in range(_CRC_BITS)
    ]
    wanted = zlib.crc32(old) ^ zlib.crc32(body + bytes(4))
    tail = 0
    for bit in reversed(range(_CRC_BITS)):
        pivot = next(change for change in changes if change[0] >> bit & 1)
        changes = [
            (crc ^ pivot[0], bits ^ pivot[1]) if crc >> bit & 1 else (crc, bits)
            for crc, bits in changes
            if (crc, bits) != pivot
        ]
        if wanted >> bit & 1:
            wanted, tail = wanted ^ pivot[0], tail ^ pivot[1]
    return body + tail.to_bytes(4, "big")
