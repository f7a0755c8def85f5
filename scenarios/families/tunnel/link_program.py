"""A tunnel client written from docs/tunnel-protocol.md and RFC 6455 alone, well-behaved or not.

A program of its own, which command_loop.py runs with its own IP address. It imports nothing of this
project. With a folder that has the `websockets` package as a second argument, that package speaks
WebSocket; without, it is spoken here.

Commands, with their arguments and what they give:

- `link` addr, client_id, token, hello (null: an honest one): opens a link; gives `link`, the
  `hello` that was said, the `answer` (WELCOME or REFUSED), whether the server's proof is `right`
- `connect` addr: only the WebSocket; gives `link`
- `frame` link, kind, stream, text, pieces: sends one frame as a message in so many fragments
- `opens` link, tunnel, count: asks for so many streams at once
- `ping` link, text
- `websocket` link, opcode, text: sends a WebSocket frame of any kind, not by the package
- `close` link, code, reason: closes the WebSocket
- `raw` link, hex: sends bytes as they are, not by the package

Frames that come are events `frame` with `link`, `kind`, `stream`, `text`; of WebSocket itself there
are `pong` with `text`, and `closed` with `code` and `reason`.
"""

import asyncio
import base64
import hmac
import importlib
import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

HEADER = struct.Struct(">BII")
OPENS_AT_ONCE = 10_000
CHALLENGE, HELLO, WELCOME, OPEN = 1, 2, 3, 16
CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10

Emit = Callable[..., None]


class Link:
    """A WebSocket to the server, whoever speaks it."""

    def __init__(self, emit: Emit, number: int) -> None:
        self._emit = emit
        self.number = number
        self.control: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    def take(self, message: bytes) -> None:
        """Tell of the frames in a message."""
        at = 0
        while at < len(message):
            kind, stream, size = HEADER.unpack_from(message, at)
            payload = message[at + HEADER.size : at + HEADER.size + size]
            at += HEADER.size + size
            if stream == 0:
                self.control.put_nowait((kind, payload))
            text = payload.decode("latin-1")
            self._emit("frame", link=self.number, kind=kind, stream=stream, text=text)

    def ponged(self, text: str) -> None:
        """Tell of a pong."""
        self._emit("pong", link=self.number, text=text)

    def over(self, code: int, reason: str) -> None:
        """Tell of the end."""
        self._emit("closed", link=self.number, code=code, reason=reason)
        self.control.put_nowait((0, b"{}"))


class LibraryLink(Link):
    """Spoken by the `websockets` package."""

    def __init__(self, emit: Emit, number: int, connection: Any) -> None:
        super().__init__(emit, number)
        self._connection = connection

    async def send_message(self, message: bytes, pieces: int = 1) -> None:
        """Send a binary message in so many fragments."""
        await self._connection.send(cut(message, pieces) if pieces > 1 else message)

    async def ping(self, text: str) -> None:
        """Ping, and tell of the pong."""
        await (await self._connection.ping(text))
        self.ponged(text)

    async def close(self, code: int, reason: str) -> None:
        """Close."""
        await self._connection.close(code, reason)

    async def listen(self) -> None:
        """Tell of all that comes, until the end."""
        async for message in self._connection:
            self.take(message)
        self.over(self._connection.close_code, self._connection.close_reason)


class OwnLink(Link):
    """Spoken here."""

    def __init__(
        self,
        emit: Emit,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(emit, number)
        self.reader, self.writer = reader, writer

    def send(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        """Send a WebSocket frame, masked as a client's have to be."""
        mask, size = os.urandom(4), len(payload)
        if size < 126:
            length = bytes([0x80 | size])
        elif size < 1 << 16:
            length = bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            length = bytes([0x80 | 127]) + struct.pack(">Q", size)
        stream = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
        self.writer.write(bytes([0x80 * fin | opcode]) + length + mask)
        self.writer.write(masked.to_bytes(size, "big"))

    async def send_message(self, message: bytes, pieces: int = 1) -> None:
        """Send a binary message in so many fragments."""
        parts = cut(message, pieces)
        for number, part in enumerate(parts, 1):
            self.send(CONTINUATION if number > 1 else BINARY, part, fin=number == len(parts))

    async def ping(self, text: str) -> None:
        """Ping; the pong is told of when it comes."""
        self.send(PING, text.encode())

    async def close(self, code: int, reason: str) -> None:
        """Close."""
        self.send(CLOSE, struct.pack(">H", code) + reason.encode())

    async def listen(self) -> None:
        """Tell of all that comes, until the end."""
        code, reason = 1006, ""
        try:
            while True:
                opcode, payload = await self._frame()
                if opcode == BINARY:
                    self.take(payload)
                elif opcode == PING:
                    self.send(PONG, payload)
                elif opcode == PONG:
                    self.ponged(payload.decode("latin-1"))
                elif opcode == CLOSE:
                    code, reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        except (EOFError, OSError):
            self.writer.transport.abort()
            self.over(code, reason)

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)  # a server's frames are not masked
        if size == 126:
            [size] = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            [size] = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)


class Program:
    """Carries out commands."""

    def __init__(self, emit: Emit, _own_ip: str, library: str | None = None) -> None:
        self._emit = emit
        self._library = library
        if library is not None:
            sys.path.append(library)
        self._links: dict[int, OwnLink | LibraryLink] = {}
        self._listening: set[asyncio.Task[None]] = set()

    async def connect(self, addr: str) -> dict[str, Any]:
        """Open a WebSocket."""
        link = await (self._own(addr) if self._library is None else self._by_library(addr))
        self._links[link.number] = link
        task = asyncio.create_task(link.listen())
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        return {"link": link.number}

    async def _by_library(self, addr: str) -> LibraryLink:
        client = importlib.import_module("websockets.asyncio.client")
        connection = await client.connect(f"ws://{addr}/")
        return LibraryLink(self._emit, len(self._links) + 1, connection)

    async def _own(self, addr: str) -> OwnLink:
        host, _, port = addr.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET / HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return OwnLink(self._emit, len(self._links) + 1, reader, writer)

    async def link(
        self, addr: str, client_id: int, token: str = "", hello: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Open a link: the server challenges, the client proves, the server answers."""
        number = (await self.connect(addr))["link"]
        link = self._links[number]
        _, challenge = await link.control.get()
        nonce = json.loads(challenge)["nonce"]
        if hello is None:
            own = os.urandom(32).hex()
            proof = proven(token, "client", nonce, own, client_id)
            hello = {"protocol": 1, "client_id": client_id, "nonce": own, "proof": proof}
        await link.send_message(frame(HELLO, 0, json.dumps(hello).encode()))
        kind, payload = await link.control.get()
        answer = json.loads(payload)
        wanted = proven(token, "server", nonce, hello["nonce"], client_id)
        right = kind == WELCOME and answer["proof"] == wanted
        return {"link": number, "hello": hello, "answer": answer, "right": right}

    async def frame(
        self, link: int, kind: int, stream: int, text: str = "", pieces: int = 1
    ) -> dict[str, Any]:
        """Send a frame."""
        await self._links[link].send_message(frame(kind, stream, text.encode("latin-1")), pieces)
        return {}

    async def opens(self, link: int, tunnel: str, count: int) -> dict[str, Any]:
        """Ask for streams."""
        frames = [frame(OPEN, 2 * number + 1, tunnel.encode()) for number in range(count)]
        for begin in range(0, count, OPENS_AT_ONCE):
            await self._links[link].send_message(b"".join(frames[begin : begin + OPENS_AT_ONCE]))
        return {}

    async def ping(self, link: int, text: str) -> dict[str, Any]:
        """Ping."""
        await self._links[link].ping(text)
        return {}

    async def close(self, link: int, code: int, reason: str) -> dict[str, Any]:
        """Close the WebSocket."""
        await self._links[link].close(code, reason)
        return {}

    async def websocket(self, link: int, opcode: int, text: str) -> dict[str, Any]:
        """Send a WebSocket frame."""
        self._own_link(link).send(opcode, text.encode("latin-1"))
        return {}

    async def raw(self, link: int, hex: str) -> dict[str, Any]:  # noqa: A002 - as commands name it
        """Send bytes."""
        self._own_link(link).writer.write(bytes.fromhex(hex))
        return {}

    def _own_link(self, number: int) -> OwnLink:
        link = self._links[number]
        assert isinstance(link, OwnLink)
        return link


def cut(message: bytes, pieces: int) -> list[bytes]:
    """Return a message in so many pieces."""
    size = -(-len(message) // pieces)
    return [message[begin : begin + size] for begin in range(0, len(message), size)]


def frame(kind: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of the tunnel."""
    return HEADER.pack(kind, stream, len(payload)) + payload


def proven(token: str, role: str, challenge: str, own: str, client_id: int) -> str:
    """Return the proof of a token."""
    text = f"tunnel 1 {role} {challenge} {own} {client_id}"
    return hmac.digest(token.encode(), text.encode(), "sha256").hex()
