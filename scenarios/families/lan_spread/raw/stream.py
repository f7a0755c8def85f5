"""The entry stream of docs/wire-protocol.md with arbitrary names, or without end."""

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence

from blake3 import blake3

BEGIN, ARCHIVE, ENTRY, DATA, ENTRY_END, END = range(1, 7)
RECORD_BYTES = 1 << 20
ENDLESS_BYTES = 1 << 26  # the announced size of the file in an endless stream
# What an endless stream repeats within that file, and how many bytes of it fill a record.
ENDLESS = {
    "empty-frames": (struct.pack(">BI", DATA, 0), 5_000),
    "tiny-frames": (struct.pack(">BI", DATA, 1) + b"\0", 6_000),
    "tiny-records": (b"\0", 1),
}


def entry_stream(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the frames for these files (name, content) of one archive."""
    total = sum(len(content) for _, content in entries)
    frames = [_begin(len(entries), total)]
    for name, content in entries:
        frames.append(_entry(name, len(content)))
        if content:
            frames.append(_frame(DATA, content))
        frames.append(_frame(ENTRY_END, struct.pack(">QI", len(content), zlib.crc32(content))))
    return b"".join([*frames, _frame(END, b"")])


def payloads(stream: bytes) -> Iterator[bytes]:
    """Yield the payload of each record of a stream."""
    for start in range(0, len(stream), RECORD_BYTES):
        yield stream[start : start + RECORD_BYTES]


def endless_payloads(kind: str) -> Iterator[bytes]:
    """Yield the beginning of a stream with one file, then useless payloads without end."""
    again, size = ENDLESS[kind]
    yield _begin(1, ENDLESS_BYTES) + _entry("endless", ENDLESS_BYTES)
    if kind == "tiny-records":
        yield struct.pack(">BI", DATA, 4 << 20)
    yield from itertools.repeat(again * (size // len(again)))


def records(parts: Iterator[bytes], key: bytes) -> Iterator[bytes]:
    """Yield the records for these payloads."""
    for number, payload in enumerate(parts):
        tag = blake3(payload + number.to_bytes(8, "big"), key=key).digest()
        yield len(payload).to_bytes(4, "big") + tag + payload


def _begin(entries: int, total: int) -> bytes:
    return _frame(BEGIN, struct.pack(">4sIIQ", b"LSE2", 1, entries, total)) + _frame(
        ARCHIVE, b"made.eti"
    )


def _entry(name: str, size: int) -> bytes:
    return _frame(ENTRY, struct.pack(">BQq", 0, size, 0) + name.encode())


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BI", kind, len(payload)) + payload
