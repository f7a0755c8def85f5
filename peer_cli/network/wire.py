"""The wire protocol's messages and frames (docs/wire-protocol.md).

A frame is a big-endian u32 length and a msgpack map whose `type` names the message. Everything from
the network is bounded and decoded into these structs, or rejected with a WireError.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from network.frames import (
    MAX_FRAME,
    Bytes32,
    Message,
    Sentence,
    WireError,
    check_length,
    clean,
    decode,
    encode_frame,
)
from network.handshake import HandshakeMessage, Hello, Proof, Refused, read_handshake_message

# Exported too: the parts of frames and handshake that users of these messages need.
__all__ = [
    "MAX_FRAME",
    "HandshakeMessage",
    "Hello",
    "Message",
    "Proof",
    "Refused",
    "WireError",
    "encode_frame",
    "read_handshake_message",
]

DATA_MAGIC = b"LSD1"  # opens a data connection; a control session opens with TLS's 0x16
TICKET_BYTES = 32

MAX_LIBRARY_FRAME = 1 << 20
MAX_LIBRARY_GAMES = 10_000
# 16 MiB of frame describe 2 TiB of game.
LARGER_FRAMES = {
    "library": MAX_LIBRARY_FRAME,
    "open-transfer": 1 << 20,
    "manifest": 16 << 20,
}
MAX_RANGES = 1024

GameId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Version: TypeAlias = Annotated[str, Meta(max_length=4096)]  # the limit of library.scan
Size: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
RelativePath: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4096)]


class Game(Message, frozen=True, tag="game"):
    """A game as its owner advertises it; `size` in bytes."""

    id: GameId
    version: Version | None
    availability: Annotated[str, Meta(max_length=100)]
    downloaded: bool
    installed: bool
    size: Size

    def __post_init__(self) -> None:
        """Clean texts that are shown to people."""
        clean(self, "id", "version", "availability")


class Library(Message, frozen=True, tag="library"):
    """Everything that the sender advertises, sent at the start of a session and at each change."""

    games: Annotated[list[Game], Meta(max_length=MAX_LIBRARY_GAMES)]


class Ping(Message, frozen=True, tag="ping"):
    """Sent every second by both sides: a peer that is silent is frozen."""


class Goodbye(Message, frozen=True, tag="goodbye"):
    """The sender is shutting down."""


class GetManifest(Message, frozen=True, tag="get-manifest"):
    """Ask for a game's files. Answered by any number of Hashing, then ManifestReply."""

    request: int
    game_id: GameId


class GetDigest(Message, frozen=True, tag="get-digest"):
    """Ask for the digest of a game's manifest. Answered by any number of Hashing, then Digest."""

    request: int
    game_id: GameId


class Digest(Message, frozen=True, tag="digest"):
    """The BLAKE3 of the manifest that GetManifest would return, and of its attributes.

    See transfer.manifest.Manifest.
    """

    request: int
    game_id: GameId
    version: Version
    digest: Bytes32
    attributes: Bytes32


class Hashing(Message, frozen=True, tag="hashing"):
    """The manifest is not ready yet: `done` of `total` bytes are hashed."""

    request: int
    done: Size
    total: Size


class File(msgspec.Struct, frozen=True):
    """A file of a manifest: its BLAKE3 hashes, one per block of 4 MiB, none if it is empty.

    `executable` is the owner's bit. `mtime_ns` is the modification time in nanoseconds since 1970,
    0 if it is unknown.
    """

    path: RelativePath
    size: Size
    blocks: list[Bytes32]
    executable: bool = False
    mtime_ns: Size = 0


class ManifestReply(Message, frozen=True, tag="manifest"):
    """All files of a game, in ascending order of their paths."""

    request: int
    game_id: GameId
    version: Version
    files: Annotated[list[File], Meta(max_length=200_000)]


class Range(msgspec.Struct, frozen=True):
    """Bytes `offset` to `offset + length` of one file."""

    path: RelativePath
    offset: Size
    length: Size


class OpenTransfer(Message, frozen=True, tag="open-transfer"):
    """Ask for a ticket to these ranges, which will be sent in this order and without framing."""

    request: int
    game_id: GameId
    version: Version
    ranges: Annotated[list[Range], Meta(min_length=1, max_length=MAX_RANGES)]
    encrypt: bool = False


class OpenStream(Message, frozen=True, tag="open-stream"):
    """Ask for a ticket to the unpacked entries of the game's archives (install/entries.py)."""

    request: int
    game_id: GameId
    version: Version
    encrypt: bool = False


class Ticket(Message, frozen=True, tag="ticket"):
    """Opens one data connection, once, within seconds, from the address of this session."""

    request: int
    ticket: Bytes32
    seal: Bytes32 | None = None


class StreamTicket(Message, frozen=True, tag="stream-ticket"):
    """Opens one data connection like a Ticket; `key` authenticates the bytes on it."""

    request: int
    ticket: Bytes32
    key: Bytes32
    seal: Bytes32 | None = None


class Denied(Message, frozen=True, tag="denied"):
    """The answer to a request that was denied. `code` is kebab-case."""

    request: int
    code: Annotated[str, Meta(max_length=100)]
    reason: Sentence

    def __post_init__(self) -> None:
        """Clean texts that are shown to people."""
        clean(self, "code", "reason")


SessionMessage: TypeAlias = (
    Library
    | Ping
    | Goodbye
    | GetDigest
    | GetManifest
    | Hashing
    | Digest
    | ManifestReply
    | OpenTransfer
    | OpenStream
    | Ticket
    | StreamTicket
    | Denied
    | Refused
)
Answer: TypeAlias = Hashing | Digest | ManifestReply | Ticket | StreamTicket | Denied

_HEAD_BYTES = 64
_PART_BYTES = 64 << 10
_SESSION: msgspec.msgpack.Decoder[SessionMessage] = msgspec.msgpack.Decoder(SessionMessage)


def fitting_games(games: list[Game]) -> list[Game]:
    """Return the games, or as many of the first ones as fit into one message."""
    games = games[:MAX_LIBRARY_GAMES]
    while len(encode_frame(Library(games=games))) > MAX_LIBRARY_FRAME:
        games = games[: len(games) * 3 // 4]
    return games


class Head(NamedTuple):
    """The beginning of a message of an open session: its type, "" if that does not come first."""

    kind: str
    start: bytes
    left: int  # bytes


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Read as much of a message as tells its type. Raises WireError, or EOFError at the end."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    check_length(length, max(LARGER_FRAMES.values()))
    start = await reader.readexactly(min(length, _HEAD_BYTES))
    kind = _kind_of(start)
    check_length(length, LARGER_FRAMES.get(kind, MAX_FRAME))
    return Head(kind, start, length - len(start))


async def read_rest(
    reader: asyncio.StreamReader,
    head: Head,
    *,
    manifest_due: Callable[[], bool] = lambda: True,
    heard: Callable[[], None] = lambda: None,
) -> SessionMessage | None:
    """Read the rest of the message that `head` begins; None for an unrequested manifest.

    Calls `heard` as bytes arrive. Raises WireError, or EOFError at the end.
    """
    parts, left = [head.start], head.left
    wanted = head.kind != "manifest" or manifest_due()
    while left:
        heard()
        part = await reader.read(min(left, _PART_BYTES))
        if not part:
            raise EOFError
        left -= len(part)
        if wanted:
            parts.append(part)
    heard()
    return decode(_SESSION, b"".join(parts)) if wanted else None


def _kind_of(head: bytes) -> str:
    """Return a message's type if that comes first, as it does in large messages."""
    # A map's header has 1, 3 or 5 bytes. Both strings are short, with their length in the low bits
    # of their first byte.
    start = {0xDE: 3, 0xDF: 5}.get(head[0], 1) if head else 0
    if head[start : start + 5] != b"\xa4type":
        return ""
    text = head[start + 5 :]
    return text[1 : 1 + (text[0] & 0x1F)].decode(errors="replace") if text else ""
