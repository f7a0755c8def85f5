"""The frames of a link (format: docs/tunnel-protocol.md). Pure: bytes to values and back.

A binary WebSocket message holds one or more frames: kind (1 byte), stream (4), length (4), payload;
numbers are big-endian. Stream 0 is the link itself.
"""

import enum
import hmac
import struct
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import msgspec

PROTOCOL = 1
HEADER = struct.Struct(">BII")
CREDIT = struct.Struct(">I")
MAX_DATA = 128 << 10  # in one frame
MAX_CONTROL = 4 << 10
MAX_MESSAGE = 1 << 20
MAX_STREAMS = 4096  # open at once on one link
INITIAL_CREDIT = 16 << 10
NONCE_BYTES = 32


class ProtocolError(Exception):
    """The other side violated the protocol; the link ends with this reason."""


class Kind(enum.IntEnum):
    """The kind of a frame."""

    CHALLENGE = 1
    HELLO = 2
    WELCOME = 3
    REFUSED = 4
    ROLE = 5
    LISTENING = 6
    DRAIN = 7
    OPEN = 16
    OPENED = 17
    DATA = 18
    FIN = 19
    END = 20
    CREDIT = 21


class End(enum.IntEnum):
    """Why a stream ends at once: the payload of an END frame."""

    RESET = 0
    REFUSED = 1
    TIMEOUT = 2
    FAILOVER = 3  # orderly: bytes that have arrived are still delivered
    GONE = 4  # the answer to an END: this side has forgotten the stream


class Challenge(msgspec.Struct, frozen=True):
    """The server's first frame."""

    protocol: int
    nonce: str


class Hello(msgspec.Struct, frozen=True):
    """The client's answer; `proof` is its MAC."""

    protocol: int
    client_id: int
    nonce: str
    proof: str


class Welcome(msgspec.Struct, frozen=True):
    """The server accepts the client, and proves the token in turn."""

    proof: str


class Refused(msgspec.Struct, frozen=True):
    """The server refuses the client; the link ends."""

    code: str
    reason: str


class RoleFrame(msgspec.Struct, frozen=True):
    """Which client is active, and whether this client's listeners should be open.

    Closed listeners open again in `reopens_in_s` seconds, when the server says so.
    """

    active_client: int | None
    previous: int | None
    reason: str
    listening: bool
    reopens_in_s: float | None


class Listening(msgspec.Struct, frozen=True):
    """The client's listeners are now as the last ROLE frame says."""

    listening: bool


ControlT = TypeVar("ControlT", bound=msgspec.Struct)


class Frame(NamedTuple):
    """One frame; the payload is a view of its message."""

    kind: Kind
    stream: int
    payload: memoryview


def frames(message: memoryview) -> Iterator[Frame]:
    """Yield the frames of a message. Raises ProtocolError."""
    offset = 0
    while offset < len(message):
        if len(message) - offset < HEADER.size:
            raise ProtocolError("a frame's header is cut off")
        number, stream, length = HEADER.unpack_from(message, offset)
        offset += HEADER.size
        if length > len(message) - offset:
            raise ProtocolError(f"a frame of {length} bytes is longer than its message")
        try:
            kind = Kind(number)
        except ValueError:
            raise ProtocolError(f"there is no kind {number} of frame") from None
        if length > (MAX_DATA if kind == Kind.DATA else MAX_CONTROL):
            raise ProtocolError(f"a frame of kind {kind.name} has {length} bytes")
        yield Frame(kind, stream, message[offset : offset + length])
        offset += length


def encode(kind: Kind, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return HEADER.pack(kind, stream, len(payload)) + payload


def encode_control(kind: Kind, value: msgspec.Struct) -> bytes:
    """Return a frame of the link itself, with a JSON payload."""
    return encode(kind, 0, msgspec.json.encode(value))


def decode_control(frame: Frame, kind: type[ControlT]) -> ControlT:
    """Return the value of a frame of the link itself. Raises ProtocolError."""
    try:
        return msgspec.json.decode(frame.payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"a frame of kind {frame.kind.name} cannot be read: {error}") from error


def proof(token: str, role: str, challenge: Challenge, hello: Hello) -> str:
    """Return the HMAC-SHA-256 by which `role` ("client" or "server") proves the token.

    It covers both nonces, so it cannot be replayed, and the client's id, so it cannot be borrowed.
    """
    text = f"tunnel {PROTOCOL} {role} {challenge.nonce} {hello.nonce} {hello.client_id}"
    return hmac.digest(token.encode(), text.encode(), "sha256").hex()
