"""Frames and messages on a connection: a big-endian u32 length and a msgpack map.

`type` names the message. What comes from the network is bounded and decoded into structs, or
rejected with a WireError.
"""

import asyncio
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from headless.texts import printable

MAX_FRAME = 64 << 10

Bytes32: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Sentence: TypeAlias = Annotated[str, Meta(max_length=1000)]

_M = TypeVar("_M")
_ENCODER = msgspec.msgpack.Encoder()


class WireError(Exception):
    """The other side broke the protocol; the text says how."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages."""


def encode_frame(message: Message) -> bytes:
    """Return the frame of a message."""
    payload = _ENCODER.encode(message)
    return len(payload).to_bytes(4, "big") + payload


async def read_frame(reader: asyncio.StreamReader, limit: int = MAX_FRAME) -> bytes:
    """Read one frame and return its payload. Raises WireError, or EOFError at the end."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    check_length(length, limit)
    return await reader.readexactly(length)


def check_length(length: int, limit: int) -> None:
    """Raise WireError for a frame over the limit."""
    if length > limit:
        raise WireError(f"A frame of {length} bytes is over the limit of {limit}.")


def decode(decoder: msgspec.msgpack.Decoder[_M], payload: bytes | bytearray) -> _M:
    """Decode a payload. Raises WireError."""
    try:
        return decoder.decode(payload)
    # msgspec passes on UnicodeDecodeError for a string that is not UTF-8.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"A frame does not hold a known message: {error}.") from error


def clean(message: Message, *fields: str) -> None:
    """Replace characters that could control a terminal in texts that are shown to people."""
    for field in fields:
        text = getattr(message, field)
        if text is not None and not text.isprintable():
            msgspec.structs.force_setattr(message, field, printable(text))
