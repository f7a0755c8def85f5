"""The record layer of an entry stream: authenticates every byte before anything parses it.

    record = length of the payload (u32, big-endian, 1 to RECORD_BYTES), tag (32 bytes), payload
    tag    = BLAKE3, keyed, of the payload and the record's number (u64, big-endian, from 0)

The key came with the ticket, over the encrypted control session. A record that was changed,
dropped, repeated or reordered on the way does not match the tag expected at its position. Records
do not mark the end: the entry stream's END frame does, inside a record like everything else.
"""

import struct
from collections.abc import Callable

from blake3 import blake3

from peer_cli.install.errors import InstallError

RECORD_BYTES = 1 << 20
"""The largest payload; a receiver has to hold all of it before it may look at it."""
KEY_BYTES = 32
# This many records may be of any size; beyond that, the mean payload must be at least this long.
# Tiny records without end would keep a whole core busy.
_SMALL_RECORDS, _MEAN_BYTES = 1024, 1024
_TAG_BYTES = 32
_LENGTH = struct.Struct(">I")
HEADER_BYTES = _LENGTH.size + _TAG_BYTES


class RecordWriter:
    """Makes the headers of a stream's records, in order."""

    def __init__(self, key: bytes) -> None:
        """`key`: KEY_BYTES bytes, used for no other stream."""
        self._tags = _Tags(key)

    def header(self, payload: memoryview) -> bytes:
        """Return the header of the next payload, of 1 to RECORD_BYTES bytes."""
        return _LENGTH.pack(len(payload)) + self._tags.next(payload)


class RecordReader:
    """Reads the payloads of a stream's records, and returns authentic ones only."""

    def __init__(self, receive: Callable[[memoryview], int], key: bytes) -> None:
        """`receive` fills the start of the given memory, as `socket.recv_into` does."""
        self._receive = receive
        self._tags = _Tags(key)
        self._header = memoryview(bytearray(HEADER_BYTES))
        self._records = 0
        self._bytes = 0

    def read_into(self, memory: memoryview) -> int:
        """Put the next payload at the start of `memory` (RECORD_BYTES or more); return its size.

        0 at the end of the connection. Raises InstallError: `stream-not-authentic` for bytes that
        the source did not send, `incomplete-stream` for an end within a record.
        """
        if not self._fill(self._header):
            return 0
        self._records += 1
        if self._records > _SMALL_RECORDS + self._bytes // _MEAN_BYTES:
            raise InstallError("malformed-stream", "The stream comes in too many small records.")
        length = int.from_bytes(self._header[: _LENGTH.size], "big")
        tag = bytes(self._header[_LENGTH.size :])
        if not 0 < length <= RECORD_BYTES:
            raise _not_authentic()
        payload = memory[:length]
        # No constant-time comparison: a key serves one stream, which ends at the first wrong tag.
        if not self._fill(payload):
            raise _incomplete()
        if self._tags.next(payload) != tag:
            raise _not_authentic()
        self._bytes += length
        return length

    def _fill(self, memory: memoryview) -> bool:
        """Fill the memory; False if the connection ends before its first byte."""
        filled = 0
        while filled < len(memory):
            count = self._receive(memory[filled:])
            if not count:
                if filled:
                    raise _incomplete()
                return False
            filled += count
        return True


class _Tags:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._number = 0

    def next(self, payload: memoryview) -> bytes:
        # For memory of this size, hashing releases the interpreter lock.
        keyed = blake3(payload, key=self._key)
        keyed.update(self._number.to_bytes(8, "big"))
        self._number += 1
        return keyed.digest(_TAG_BYTES)


def _not_authentic() -> InstallError:
    return InstallError(
        "stream-not-authentic",
        "The stream is not what the source sent: somebody in the path changed it, or a device "
        "there is broken.",
    )


def _incomplete() -> InstallError:
    return InstallError("incomplete-stream", "The stream ended within a record.")
