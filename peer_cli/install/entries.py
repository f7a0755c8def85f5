"""The entry stream, which carries unpacked files from the unpacking helper to whoever installs.

The format is self-contained, so it works over a pipe and over a TCP connection. A stream is a
sequence of frames: kind (u8), payload length (u32), payload. Numbers are big-endian, texts UTF-8.

    BEGIN      magic `LSE2`, archives (u32), entries (u32), bytes of all files (u64)
    ARCHIVE    file name of the archive whose entries follow
    ENTRY      flags (u8): 1 directory, 2 executable, 4 copy; size (u64), mtime in ns since 1970
               (i64, 0 if unknown), path; for a copy, also a zero byte and its original's path
    DATA       the next bytes of the file, 4 KiB to 4 MiB; the last may be shorter
    ENTRY_END  size (u64), CRC-32 (u32)
    END        nothing follows; a stream that stops without it is incomplete
    FAILURE    code, a zero byte, a sentence; nothing follows

    stream = BEGIN (ARCHIVE (ENTRY DATA* ENTRY_END)*)* END, or any prefix of that and FAILURE

A copy has the same content as its original, an earlier file of the same archive. It has no DATA,
and 0 as its CRC-32.

Frames other than DATA are small (`CONTROL_LIMIT`), and DATA is passed on in pieces as it arrives,
so a decoder needs next to no memory. The helper imports this module at every start. NamedTuple
costs nothing there; dataclass would cost 15 ms.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from peer_cli.install.errors import InstallError

MAGIC = b"LSE2"
DATA_LIMIT = 4 << 20
DATA_MINIMUM = 4 << 10  # tiny frames without end would keep a whole core busy
CONTROL_LIMIT = 9 << 10  # an entry with two names
NAME_LIMIT = 4096

BEGIN, ARCHIVE, ENTRY, DATA, ENTRY_END, END, FAILURE = range(1, 8)

_IS_DIRECTORY, _IS_EXECUTABLE, _IS_COPY = 1, 2, 4

_CODE = re.compile(rb"[a-z][a-z0-9-]{1,63}")
_FRAME = struct.Struct(">BI")
_BEGIN = struct.Struct(">4sIIQ")
_ENTRY = struct.Struct(">BQq")
_ENTRY_END = struct.Struct(">QI")


class StreamBegin(NamedTuple):
    """What the archives' headers promise: numbers of archives, entries and bytes of files."""

    archives: int
    entries: int
    total_bytes: int


class ArchiveBegin(NamedTuple):
    """The entries that follow belong to the archive with this file name."""

    name: str


class EntryBegin(NamedTuple):
    """One file or directory; names are untrusted, `size` in bytes, `mtime_ns` 0 if unknown.

    `copy_of` names an earlier file of the same archive, or is empty.
    """

    name: str
    is_directory: bool
    size: int
    mtime_ns: int
    is_executable: bool = False
    copy_of: str = ""


class EntryEnd(NamedTuple):
    """The entry is complete: how many bytes were sent, and their CRC-32."""

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
    """Return the header for `length` (at most DATA_LIMIT) bytes of a file."""
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
    """Decodes a stream, which may be cut anywhere into fragments; pure, with bounded memory."""

    def __init__(self) -> None:
        self._control = bytearray()
        self._wanted = _FRAME.size
        self._data_left = 0
        self._entry_left = 0
        self._ended = False

    def feed(self, fragment: memoryview) -> Iterator[Event]:
        """Yield the events that this fragment completes; data comes as views into the fragment.

        Exhaust the iterator before you reuse the fragment's memory. Raises
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
                self._entry_left -= length
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
            event = _decode(kind, payload)
        except (struct.error, UnicodeDecodeError) as error:
            raise malformed(f"frame {kind} cannot be read ({error})") from error
        if isinstance(event, EntryBegin):
            self._entry_left = event.size
        return event

    def _check_header(self, kind: int, length: int) -> None:
        if self._ended:
            raise malformed("bytes follow its end")
        if not BEGIN <= kind <= FAILURE:
            raise malformed(f"frame kind {kind} is unknown")
        limit = DATA_LIMIT if kind == DATA else CONTROL_LIMIT
        if length > limit:
            raise malformed(f"a frame of {length} bytes is over the limit of {limit}")
        if kind == DATA and (not length or length < min(DATA_MINIMUM, self._entry_left)):
            raise malformed(f"a frame of data holds {length} bytes, and is not the file's last")


def malformed(what: str) -> InstallError:
    """Return the error for a stream that breaks its own rules."""
    return InstallError("malformed-stream", f"The entry stream is malformed: {what}.")


def _frame(kind: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, len(payload)) + payload


def _encode_entry(entry: EntryBegin) -> bytes:
    flags = (
        entry.is_directory * _IS_DIRECTORY
        | entry.is_executable * _IS_EXECUTABLE
        | bool(entry.copy_of) * _IS_COPY
    )
    names = _encode_name(entry.name)
    if entry.copy_of:
        names += b"\0" + _encode_name(entry.copy_of)
    return _ENTRY.pack(flags, entry.size, entry.mtime_ns) + names


def _encode_name(name: str) -> bytes:
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InstallError(
            "unsafe-name", f"The archive holds the name {name!a}, which is not Unicode."
        ) from error
    if len(encoded) > NAME_LIMIT:
        raise InstallError(
            "unsafe-name", f"The archive holds a name of more than {NAME_LIMIT} bytes."
        )
    return encoded


def _decode(kind: int, payload: bytes) -> Event:
    if kind == BEGIN:
        magic, archives, entries, total_bytes = _BEGIN.unpack(payload)
        if magic != MAGIC:
            raise malformed("it is of another version")
        return StreamBegin(archives, entries, total_bytes)
    if kind == ARCHIVE:
        return ArchiveBegin(payload.decode())
    if kind == ENTRY:
        flags, size, mtime_ns = _ENTRY.unpack_from(payload)
        name, copy_of = payload[_ENTRY.size :].decode(), ""
        if flags & _IS_COPY:
            # Split at the first zero byte: no acceptable name contains one.
            name, _, copy_of = name.partition("\0")
        executable = bool(flags & _IS_EXECUTABLE)
        return EntryBegin(name, bool(flags & _IS_DIRECTORY), size, mtime_ns, executable, copy_of)
    if kind == ENTRY_END:
        return EntryEnd(*_ENTRY_END.unpack(payload))
    if kind == END:
        return StreamEnd()
    code, _, reason = payload.partition(b"\0")
    if not _CODE.fullmatch(code):
        raise malformed("a failure has no proper code")
    return StreamFailure(code.decode(), reason.decode("utf-8", "replace"))
