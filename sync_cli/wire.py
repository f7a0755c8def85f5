"""The messages of the sync wire (docs/sync-protocol.md): what is said after the handshake."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from network.frames import Bytes32, Message, check_length, decode
from network.handshake import Protocol, Refused
from sync_cli import PROTOCOL_VERSION
from sync_cli.model import HASH_BYTES, MAX_BLOCKS, Entry

PROTOCOL = Protocol(b"folder-sync handshake", PROTOCOL_VERSION)

# Opens a data connection, before TLS. A control session opens with TLS's 0x16, and a legacy
# request with a file's name, which has no NUL.
DATA_MAGIC = b"\0sync-data 1\n"
TOKEN_BYTES = 32

MAX_ENTRIES = 1000  # in one message
ENTRIES_BYTES = 1 << 20  # of block hashes in one message, from which on it is full
MAX_FRAME = ENTRIES_BYTES + MAX_BLOCKS * HASH_BYTES + MAX_ENTRIES * 8192
MAX_SWARM = 1000
MAX_LEGACY_FILES = 5000
MAX_WANTED = 256  # blocks in one request
NOT_HELD = 0xFFFFFFFF  # the length of a block that the holder does not have (any more)

_PART_BYTES = 64 << 10

Id: TypeAlias = Annotated[str, Meta(max_length=64)]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65_535)]


class Start(Message, frozen=True, tag="start"):
    """The first message of each side.

    A peer has an index; `taken` is how far it has taken the other side's, which then was called
    `taken_index`. `token` opens data connections to the sender, whose certificate there has this
    SHA-256.
    """

    role: Literal["tracker", "peer"]
    index: Id
    taken_index: Id
    taken: Number
    token: Bytes32
    certificate: Bytes32


class Entries(Message, frozen=True, tag="entries"):
    """What is new in the sender's index: (number, entry), ascending, everything up to `upto`."""

    entries: Annotated[list[tuple[int, Entry]], Meta(max_length=MAX_ENTRIES)]
    upto: Number


class Taken(Message, frozen=True, tag="taken"):
    """The sender has stored everything of the other side's index up to `upto`.

    Everything up to `settled` is in force there.
    """

    upto: Number
    settled: Number


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a peer was reached."""

    peer_id: Id
    ip: Annotated[str, Meta(max_length=64)]
    port: Port


class Swarm(Message, frozen=True, tag="swarm"):
    """The peers that the sender is connected to."""

    peers: Annotated[list[Place], Meta(max_length=MAX_SWARM)]


class Having(Message, frozen=True, tag="having"):
    """The blocks that the sender has of a file that it is still fetching.

    `blocks` is a bit for each block, the first in the lowest bit of the first byte; empty when
    there is no such fetch any more.
    """

    hash: Bytes32
    blocks: Annotated[bytes, Meta(max_length=MAX_BLOCKS // 8)]


class Check(Message, frozen=True, tag="check"):
    """Asks the other side to look through its folder now, and to answer with Checked."""

    number: Number


class Checked(Message, frozen=True, tag="checked"):
    """The sender has looked: its index is now at `sequence`.

    `still`: nothing there was changing meanwhile, and its folder is not halted.
    """

    number: Number
    sequence: Number
    still: bool


class Ping(Message, frozen=True, tag="ping"):
    """Sent every second by both sides: who is silent is frozen."""


class Goodbye(Message, frozen=True, tag="goodbye"):
    """The sender is shutting down."""


class LegacyFile(msgspec.Struct, frozen=True, array_like=True):
    """A file in the directory of a tracker that has legacy peers."""

    name: Annotated[str, Meta(max_length=255)]
    ip: Annotated[str, Meta(max_length=64)]
    port: Port
    mtime: int


class LegacyFiles(Message, frozen=True, tag="legacy-files"):
    """What the legacy peers of a tracker have, in full."""

    files: Annotated[list[LegacyFile], Meta(max_length=MAX_LEGACY_FILES)]


class Want(Message, frozen=True, tag="want"):
    """On a data connection: asks for blocks, by the file's hash and the block's number."""

    blocks: Annotated[
        list[tuple[Bytes32, Annotated[int, Meta(ge=0, lt=MAX_BLOCKS)]]],
        Meta(min_length=1, max_length=MAX_WANTED),
    ]


class Duplicate(Message, frozen=True, tag="duplicate"):
    """There is another session between these two already; this one ends."""


SessionMessage: TypeAlias = (
    Start
    | Entries
    | Taken
    | Swarm
    | Having
    | Check
    | Checked
    | LegacyFiles
    | Ping
    | Goodbye
    | Duplicate
    | Refused
)
_SESSION: msgspec.msgpack.Decoder[SessionMessage] = msgspec.msgpack.Decoder(SessionMessage)
_WANT: msgspec.msgpack.Decoder[Want] = msgspec.msgpack.Decoder(Want)


async def read_message(reader: asyncio.StreamReader, heard: Callable[[], None]) -> SessionMessage:
    """Read one message; calls `heard` as bytes arrive. Raises WireError, EOFError, OSError."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    check_length(length, MAX_FRAME)
    payload = bytearray()
    while len(payload) < length:
        part = await reader.read(min(length - len(payload), _PART_BYTES))
        if not part:
            raise EOFError
        payload += part
        heard()
    return decode(_SESSION, payload)


def decode_want(payload: bytes) -> Want:
    """Read a request on a data connection. Raises WireError."""
    return decode(_WANT, payload)
