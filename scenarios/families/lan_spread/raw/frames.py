"""Frames of the wire protocol, as the raw client encodes and decodes them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

LARGEST_FRAME = 32 << 20

Message = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - reads as an answer, which it is
    """The command gets an error reply. `code` is kebab-case; the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(message: Message) -> bytes:
    """Encode a message as a frame."""
    payload = msgspec.msgpack.encode(message)
    return len(payload).to_bytes(4, "big") + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of the next frame. Raises EOFError, OSError and Refused."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > LARGEST_FRAME:
        raise Refused("bad-frame", f"The peer sent a frame of {length} bytes.")
    return await reader.readexactly(length)


def other_protocol(why: str) -> Refused:
    """Return the error for a program that answers, but with no handshake."""
    return Refused("other-protocol", f"It does not speak docs/wire-protocol.md: {why}")


def decode(payload: bytes) -> Message:
    """Return the message of a frame. Raises Refused."""
    message = msgspec.msgpack.decode(payload)
    if not isinstance(message, dict) or "type" not in message:
        raise Refused("bad-frame", f"The peer sent an invalid message: {message!r}")
    return message


def expect(kind: str, payload: bytes) -> Message:
    """Return the message of a frame if it is of that kind. Raises Refused."""
    message = decode(payload)
    if message["type"] == "refused":
        raise Refused(str(message["code"]), str(message["reason"]))
    if message["type"] != kind:
        raise Refused("bad-frame", f"The peer sent {message['type']} where {kind} was due.")
    return message
