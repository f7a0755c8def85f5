"""The entry stream: what the unpacking helper writes and what an installing peer reads.

It describes itself, so that it can cross a pipe or a TCP connection alike. A stream is a row
of frames: kind (u8), payload length (u32), payload; numbers are big-endian, texts UTF-8.

    BEGIN      magic `LSE1`, archives (u32), entries (u32), bytes of all files (u64)
    ARCHIVE    file name of the archive whose entries follow
    ENTRY      0 file or 1 directory (u8), size (u64), mtime in ns since 1970 (i64), path
    DATA       the next bytes of the file, 4 MiB at most
    ENTRY_END  size (u64), CRC-32 (u32)
    END        nothing follows; a stream that stops without it is incomplete
    FAILURE    code, a zero byte, a sentence; nothing follows

    stream = BEGIN (ARCHIVE (ENTRY DATA* ENTRY_END)*)* END, or any start of it and FAILURE

Frames other than DATA are small (`CONTROL_LIMIT`), and DATA is handed on piecemeal as it
arrives, so a decoder needs no memory to speak of. The helper imports this module at every
start: hence NamedTuple, which costs nothing, and not dataclass, which costs 15 ms.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from peer_cli.install.errors import InstallError

MAGIC = b"LSE1"
DATA_LIMIT = 4 << 20
CONTROL_LIMIT = 8 << 10
NAME_LIMIT = 4096

BEGIN, ARCHIVE, ENTRY, DATA, ENTRY_END, END, FAILURE = range(1, 8)

_CODE = re.compile(rb"[a-z][a-z0-9-]{1,63}")
_FRAME = struct.Struct(">BI")
_BEGIN = struct.Struct(">4sIIQ")
_ENTRY = struct.Struct(">BQq")
_ENTRY_END = struct.Struct(">QI")


class StreamBegin(NamedTuple):
    """What the archives' headers promise: how many archives, entries and bytes of files."""

    archives: int
    entries: int
    total_bytes: int


class ArchiveBegin(NamedTuple):
    """The entries that follow are those of the archive with this file name."""

    name: str


class EntryBegin(NamedTuple):
    """One file or directory; `name` is untrusted, `size` in bytes, `mtime_ns` 0 if unknown."""

    name: str
    is_directory: bool
    size: int
    mtime_ns: int


class EntryEnd(NamedTuple):
    """The entry is complete: bytes that were sent and their CRC-32."""

    size: int
    crc32: int


class StreamEnd(NamedTuple):
    """Everything was sent."""


class StreamFailure(NamedTuple):
    """The sender gave up, and why."""

    code: str
    reason: str


Event = StreamBegin | ArchiveBegin | EntryBegin | memoryview | EntryEnd | StreamEnd | StreamFailure


def data_header(length: int) -> bytes:
    """Return what goes before `length` (at most DATA_LIMIT) bytes of a file."""
    return _FRAME.pack(DATA, length)


def encode(event: Event) -> bytes:
    """Return the frame of one event. Raises InstallError for a name that is too long."""
    match event:
        case StreamBegin():
            return _frame(BEGIN, _BEGIN.pack(MAGIC, *event))
        case ArchiveBegin():
            return _frame(ARCHIVE, event.name.encode("utf-8", "replace")[:NAME_LIMIT])
        case EntryBegin():
            return _frame(ENTRY, _encode_entry(event))
        case EntryEnd():
            return _frame(ENTRY_END, _ENTRY_END.pack(*event))
        case StreamEnd():
            return _frame(END, b"")
        case StreamFailure():
            text = event.reason.encode("utf-8", "replace")[:NAME_LIMIT]
            return _frame(FAILURE, event.code.encode("ascii") + b"\0" + text)
        case _:
            return data_header(len(event)) + event


class EntryDecoder:
    """Turns fragments of a stream, cut anywhere, into events; pure, with bounded memory."""

    def __init__(self) -> None:
        self._control = bytearray()
        self._wanted = _FRAME.size
        self._data_left = 0
        self._ended = False

    def feed(self, fragment: memoryview) -> Iterator[Event]:
        """Yield the events that this fragment completes; data comes as views into it.

        The iterator must be used up before the fragment's memory is used again. Raises
        InstallError (`malformed-stream`) for anything that is not an entry stream.
        """
        at = 0
        while at < len(fragment):
            if self._data_left:
                piece = fragment[at : at + self._data_left]
                at += len(piece)
                self._data_left -= len(piece)
                yield piece
                continue
            missing = self._wanted - len(self._control)
            self._control += fragment[at : at + missing]
            at += min(missing, len(fragment) - at)
            if len(self._control) == self._wanted:
                event = self._control_complete()
                if event is not None:
                    yield event

    def _control_complete(self) -> Event | None:
        """Handle a complete frame header, or a complete frame."""
        kind, length = _FRAME.unpack_from(self._control)
        if len(self._control) == _FRAME.size:
            self._check_header(kind, length)
            if kind == DATA:
                self._data_left = length
                self._control.clear()
                return None
            if length:
                self._wanted += length
                return None
        payload = bytes(self._control[_FRAME.size :])
        self._control.clear()
        self._wanted = _FRAME.size
        self._ended = kind in (END, FAILURE)
        try:
            return _decode(kind, payload)
        except (struct.error, UnicodeDecodeError) as error:
            raise malformed(f"frame {kind} cannot be read ({error})") from error

    def _check_header(self, kind: int, length: int) -> None:
        if self._ended:
            raise malformed("bytes follow its end")
        if not BEGIN <= kind <= FAILURE:
            raise malformed(f"frame kind {kind} is unknown")
        limit = DATA_LIMIT if kind == DATA else CONTROL_LIMIT
        if length > limit:
            raise malformed(f"a frame of {length} bytes is over the limit of {limit}")


def malformed(what: str) -> InstallError:
    """Return the error for a stream that breaks its own rules."""
    return InstallError("malformed-stream", f"The entry stream is malformed: {what}.")


def _frame(kind: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, len(payload)) + payload


def _encode_entry(entry: EntryBegin) -> bytes:
    try:
        name = entry.name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InstallError(
            "unsafe-name", f"The archive holds the name {entry.name!a}, which is not Unicode."
        ) from error
    if len(name) > NAME_LIMIT:
        raise InstallError(
            "unsafe-name", f"The archive holds a name of more than {NAME_LIMIT} bytes."
        )
    return _ENTRY.pack(entry.is_directory, entry.size, entry.mtime_ns) + name


def _decode(kind: int, payload: bytes) -> Event:
    if kind == BEGIN:
        magic, archives, entries, total_bytes = _BEGIN.unpack(payload)
        if magic != MAGIC:
            raise malformed("it is of another version")
        return StreamBegin(archives, entries, total_bytes)
    if kind == ARCHIVE:
        return ArchiveBegin(payload.decode())
    if kind == ENTRY:
        is_directory, size, mtime_ns = _ENTRY.unpack_from(payload)
        name = payload[_ENTRY.size :].decode()
        return EntryBegin(name, bool(is_directory), size, mtime_ns)
    if kind == ENTRY_END:
        return EntryEnd(*_ENTRY_END.unpack(payload))
    if kind == END:
        return StreamEnd()
    code, _, reason = payload.partition(b"\0")
    if not _CODE.fullmatch(code):
        raise malformed("a failure has no proper code")
    return StreamFailure(code.decode(), reason.decode("utf-8", "replace"))
