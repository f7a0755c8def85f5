"""A server with fake sessions, for its tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from network.address import Address
from network.limits import RateLimiter
from peer_cli.catalog import CatalogEntry
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.network import wire
from peer_cli.network.session import Question, Session
from peer_cli.transfer.serve import Server
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    content,
)

TIMEOUT_S = 10.0
CATALOG = {"g": CatalogEntry("g", "1"), "h": CatalogEntry("h", "2")}
FILES = {
    "version.ini": b"1\n",
    "a.eti": content("a", 5 * BLOCK + 3),
    "sub/empty.bin": b"",
    "sub/b.bin": content("b", 100),
}


class FakeSession:
    """The session of a peer at an address; keeps what is sent to it."""

    def __init__(self, ip: str = "127.0.0.1") -> None:
        self.addr = Address(ip, 1)
        self.sent: asyncio.Queue[Any] = asyncio.Queue()

    def send(self, message: wire.Message) -> None:
        self.sent.put_nowait(message)


class Bench:
    """A server of one library."""

    def __init__(self, folder: Path, *, encrypt: bool = False) -> None:
        self.active: set[str] = set()
        self.index = ContentIndex(folder / "index.db")
        self.library = Library(folder / "games", self.index, print)
        self.server = Server(
            self.library,
            CATALOG,
            RateLimiter(None),
            Unpacker(),
            self.active.__contains__,
            encrypt=encrypt,
        )
        self._listening = socket.create_server(("127.0.0.1", 0))

    async def ask(self, question: Question, session: FakeSession | None = None) -> wire.Answer:
        return await self.server.answer(cast("Session", session or FakeSession()), question)

    async def ticket(self, *ranges: wire.Range, ip: str = "127.0.0.1") -> bytes:
        answer = await self.ask(open_transfer(*ranges), FakeSession(ip))
        assert isinstance(answer, wire.Ticket)
        return answer.ticket

    async def connect(self) -> tuple[socket.socket, socket.socket]:
        """A connection to the server: the other peer's end and the server's."""
        client = socket.create_connection(self._listening.getsockname())
        accepted, _ = self._listening.accept()
        client.setblocking(False)
        accepted.setblocking(False)
        return client, accepted

    async def fetch(self, ticket: bytes, ip: str = "127.0.0.1") -> bytes:
        """Everything that is sent for a ticket."""
        client, accepted = await self.connect()
        serving = asyncio.create_task(self.server.serve(accepted, Address(ip, 5), ticket))
        received = await read_all(client)
        await serving
        return received

    def close(self) -> None:
        self.index.close()
        self._listening.close()


async def read_all(client: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    with client, contextlib.suppress(ConnectionError):
        while part := await loop.sock_recv(client, 1 << 16):
            received += part
    return received


@contextlib.asynccontextmanager
async def bench(folder: Path, *, encrypt: bool = False) -> AsyncIterator[Bench]:
    made = Bench(folder, encrypt=encrypt)
    try:
        await made.library.rescan()
        yield made
    finally:
        made.server.close()
        made.close()


def run(
    folder: Path, scenario: Callable[[Bench], Awaitable[None]], *, encrypt: bool = False
) -> None:
    async def limited() -> None:
        async with asyncio.timeout(TIMEOUT_S), bench(folder, encrypt=encrypt) as made:
            await scenario(made)

    asyncio.run(limited())


def open_transfer(*ranges: wire.Range, version: str = "1", game_id: str = "g") -> wire.OpenTransfer:
    return wire.OpenTransfer(request=7, game_id=game_id, version=version, ranges=list(ranges))
