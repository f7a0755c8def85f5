"""The wire protocol's messages and frames (docs/wire-protocol.md).

A frame is a big-endian u32 length and a msgpack map whose `type` names the message. Everything
from the network is bounded and decoded into these structs, or refused with a WireError.
"""

import asyncio
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

DATA_MAGIC = b"LSD1"  # opens a data connection; a control session opens with TLS's 0x16
TICKET_BYTES = 32

# A stranger gets little; an authenticated peer may send a big manifest: 32 MiB of frame tell of
# 4 TiB of game.
MAX_HANDSHAKE_FRAME = 64 << 10
MAX_FRAME = 32 << 20
MAX_RANGES = 1024

Bytes32: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
GameId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Version: TypeAlias = Annotated[str, Meta(max_length=4096)]  # as long as library.scan takes them
Size: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
RelativePath: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4096)]
Sentence: TypeAlias = Annotated[str, Meta(max_length=1000)]


class WireError(Exception):
    """The other side broke the protocol; the text says how."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages."""


class Hello(Message, frozen=True, tag="hello"):
    """The first message of either side. `port` is where the sender listens (TCP)."""

    protocol: int
    public_key: Bytes32
    nonce: Bytes32
    name: Name
    port: Annotated[int, Meta(ge=1, le=65535)]


class Proof(Message, frozen=True, tag="proof"):
    """Proves the key of the hello, and knowledge of the swarm key, for this very session."""

    signature: Bytes64
    swarm: Bytes32


class Welcome(Message, frozen=True, tag="welcome"):
    """The accepting side took the proof; the session is open."""


class Refused(Message, frozen=True, tag="refused"):
    """The handshake ends here. `code` is kebab-case."""

    code: Annotated[str, Meta(max_length=100)]
    reason: Sentence


class Game(Message, frozen=True, tag="game"):
    """A game as its owner advertises it; `size` in bytes."""

    id: GameId
    version: Version | None
    availability: Annotated[str, Meta(max_length=100)]
    downloaded: bool
    installed: bool
    size: Size


class Library(Message, frozen=True, tag="library"):
    """All that the sender advertises, whole, at the start of a session and at each change."""

    games: Annotated[list[Game], Meta(max_length=100_000)]


class Ping(Message, frozen=True, tag="ping"):
    """Sent every second by either side: silence is how a frozen peer shows."""


class Goodbye(Message, frozen=True, tag="goodbye"):
    """The sender leaves on purpose."""


class GetManifest(Message, frozen=True, tag="get-manifest"):
    """Ask what files the game has. Answered by any number of Hashing, then ManifestReply."""

    request: int
    game_id: GameId


class Hashing(Message, frozen=True, tag="hashing"):
    """The manifest is still being made: `done` of `total` bytes are hashed."""

    request: int
    done: Size
    total: Size


class File(msgspec.Struct, frozen=True):
    """A file of a manifest: its BLAKE3 hashes, one per block of 4 MiB, none when it is empty."""

    path: RelativePath
    size: Size
    blocks: list[Bytes32]


class ManifestReply(Message, frozen=True, tag="manifest"):
    """All files of a game, in ascending order of their paths."""

    request: int
    game_id: GameId
    version: Version
    files: Annotated[list[File], Meta(max_length=1_000_000)]


class Range(msgspec.Struct, frozen=True):
    """Bytes `offset` to `offset + length` of one file."""

    path: RelativePath
    offset: Size
    length: Size


class OpenTransfer(Message, frozen=True, tag="open-transfer"):
    """Ask for a ticket to these ranges, which will be sent in this order without any framing."""

    request: int
    game_id: GameId
    version: Version
    ranges: Annotated[list[Range], Meta(min_length=1, max_length=MAX_RANGES)]


class OpenStream(Message, frozen=True, tag="open-stream"):
    """Ask for a ticket to the unpacked entries of the game's archives (install/entries.py)."""

    request: int
    game_id: GameId
    version: Version


class Ticket(Message, frozen=True, tag="ticket"):
    """Opens one data connection, once, soon, from the address of this session."""

    request: int
    ticket: Bytes32


class Denied(Message, frozen=True, tag="denied"):
    """The answer to a request that was refused. `code` is kebab-case."""

    request: int
    code: Annotated[str, Meta(max_length=100)]
    reason: Sentence


HandshakeMessage: TypeAlias = Hello | Proof | Welcome | Refused
SessionMessage: TypeAlias = (
    Library
    | Ping
    | Goodbye
    | GetManifest
    | Hashing
    | ManifestReply
    | OpenTransfer
    | OpenStream
    | Ticket
    | Denied
)
Answer: TypeAlias = Hashing | ManifestReply | Ticket | Denied

_M = TypeVar("_M")

_ENCODER = msgspec.msgpack.Encoder()
_HANDSHAKE: msgspec.msgpack.Decoder[HandshakeMessage] = msgspec.msgpack.Decoder(HandshakeMessage)
_SESSION: msgspec.msgpack.Decoder[SessionMessage] = msgspec.msgpack.Decoder(SessionMessage)


def encode_frame(message: Message) -> bytes:
    """Return the frame of a message."""
    payload = _ENCODER.encode(message)
    return len(payload).to_bytes(4, "big") + payload


async def read_handshake_message(reader: asyncio.StreamReader) -> HandshakeMessage:
    """Read one message of the handshake. Raises WireError, or EOFError at the end."""
    return _decode(_HANDSHAKE, await _read_frame(reader, MAX_HANDSHAKE_FRAME))


async def read_session_message(reader: asyncio.StreamReader) -> SessionMessage:
    """Read one message of an open session. Raises WireError, or EOFError at the end."""
    return _decode(_SESSION, await _read_frame(reader, MAX_FRAME))


async def _read_frame(reader: asyncio.StreamReader, limit: int) -> bytes:
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > limit:
        raise WireError(f"A frame of {length} bytes is over the limit of {limit}.")
    return await reader.readexactly(length)


def _decode(decoder: msgspec.msgpack.Decoder[_M], payload: bytes) -> _M:
    try:
        return decoder.decode(payload)
    # UnicodeDecodeError: msgspec passes it on for a string that is no UTF-8.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"A frame does not hold a known message: {error}.") from error
