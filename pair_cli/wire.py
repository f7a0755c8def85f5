"""The frames of a channel (format: docs/pair-protocol.md). Pure.

A frame is a head of 4 bytes and a sealed body. The head has the body's length, and in its highest
bit whether it is bulk. The body of a bulk frame is a part of the block that was begun last; any
other body is a kind (1 byte) and what belongs to it.
"""

import enum
import struct

from headless.errors import CodedError
from pair_cli.interfaces import MAX_MESSAGE
from pair_cli.sealing import TAG_BYTES

HEAD = struct.Struct(">I")
BULK = 1 << 31
MAX_FRAME = 1 << 20  # bytes of a sealed body that are accepted
BULK_BYTES = 256 << 10  # bytes of a block in one frame that is sent: fills neither cache nor link
BLOCK = struct.Struct(">II")  # number, length
HEARTBEAT = struct.Struct(">Q")
MAX_CONTROL = 1 + MAX_MESSAGE + TAG_BYTES
EPOCH_BYTES = 16


class Kind(enum.IntEnum):
    """What a frame is about."""

    CONFIRM = 1
    PING = 2
    PONG = 3
    GOODBYE = 4
    BLOCK = 5
    MESSAGE = 6


class ProtocolError(CodedError):
    """The other side broke the protocol; the channel ends."""

    def __init__(self, text: str) -> None:
        super().__init__("protocol-error", text)


def check_length(head: int) -> tuple[int, bool]:
    """Return the length of a frame's body, and whether it is bulk. Raises ProtocolError."""
    length, bulk = head & (BULK - 1), bool(head & BULK)
    if not TAG_BYTES < length <= (MAX_FRAME if bulk else MAX_CONTROL):
        raise ProtocolError(f"a frame of {length} bytes")
    return length, bulk


def split(body: bytes) -> tuple[Kind, bytes]:
    """Return the kind of an opened body and the rest. Raises ProtocolError."""
    try:
        return Kind(body[0]), body[1:]
    except ValueError:
        raise ProtocolError(f"there is no kind {body[0]} of frame") from None
