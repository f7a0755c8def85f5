"""The messages about files, each a msgpack array (docs/pair-protocol.md)."""

import contextlib
from typing import TypeAlias

import msgspec

from pair_cli.interfaces import Channel, ChannelClosed
from pair_cli.wire import ProtocolError

BATCH_BYTES = 128 << 10
"""About the most bytes of changes in one announcement."""
HASHES_AT_ONCE = 4096
"""The most block hashes that are asked for at once: those of 4 GiB."""
MAX_SIZE = 1 << 50
MAX_CLOCK = 1 << 62


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Change(_Message, frozen=True):
    """What a path is now. `yours`: the receiver holds the content, else the sender does.

    Of two changes of a path the one with the larger `clock` holds; of equal ones that of the side
    with the lower fingerprint. `moved` is the path that a live entry came from, or that a gone one
    went to, if it was a rename.
    """

    path: str
    live: bool
    folder: bool
    yours: bool
    size: int
    mtime_ns: int
    mode: int
    root: bytes
    clock: int
    moved: str


class Agree(_Message, frozen=True, tag="agree"):
    """The first message of each side: its own journal, and what it has of the other's."""

    journal: bytes
    last: int
    have_journal: bytes
    have: int


class Announce(_Message, frozen=True, tag="announce"):
    """The changes with numbers from `after` + 1 to `upto` of the sender's journal."""

    after: int
    upto: int
    changes: list[Change]


class Acknowledge(_Message, frozen=True, tag="acknowledge"):
    """Everything up to this number is stored."""

    upto: int


class TooMany(_Message, frozen=True, tag="too-many"):
    """The sender holds as many entries as it can; it takes no more announcements."""

    limit: int


class HashesWanted(_Message, frozen=True, tag="hashes-wanted"):
    """Asks for the hashes of `count` blocks of content, as block `number` of the channel."""

    number: int
    path: str
    root: bytes
    first: int
    count: int


class BlockWanted(_Message, frozen=True, tag="block-wanted"):
    """Asks for a block of content, as block `number` of the channel.

    `check`: the one before was wrong, so hash the file anew first.
    """

    number: int
    path: str
    root: bytes
    index: int
    check: bool


class Refused(_Message, frozen=True, tag="refused"):
    """Block `number` will not come: `gone`, `source-changed`, `unreadable` or `busy`."""

    number: int
    code: str


Message: TypeAlias = Agree | Announce | Acknowledge | TooMany | HashesWanted | BlockWanted | Refused

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    return _encoder.encode(message)


def say(channel: Channel, message: Message) -> None:
    """Send a message; if the channel is gone, what waits for an answer hears that otherwise."""
    with contextlib.suppress(ChannelClosed):
        channel.send(encode(message))


def decode(data: bytes) -> Message:
    """Return the message. Raises ProtocolError."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error


def size_of(change: Change) -> int:
    """Return about how many bytes a change takes in an announcement."""
    return 80 + len(change.path.encode()) + len(change.moved.encode())
