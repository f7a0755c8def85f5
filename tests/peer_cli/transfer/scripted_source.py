"""A source that does as it is told: it serves, dies, stalls or lies at a given byte."""

import asyncio
import secrets
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal, cast

from network.address import Address
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question, Session, SessionLostError
from peer_cli.transfer.fetch import Source
from tests.peer_cli.transfer.game_files import Files, manifest_of

Fault = Literal["dies", "stalls", "lies"]


class ScriptedSource:
    """Serves `files` of game `g` at a version over real data connections."""

    def __init__(self, peer_id: str, files: Files, *, version: str = "1") -> None:
        self.peer_id = peer_id
        self.files = dict(files)
        self.version = version
        self.manifest = manifest_of(files, version=version)
        self.fault: Fault | None = None
        self.fault_after = 0  # so many bytes, of all connections together
        self.denies: DeniedError | None = None
        self.lost = False
        self.is_responsive = True
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.connected = asyncio.Event()
        self.sent_bytes = 0
        self.asked: list[wire.Range] = []
        # One of its own, since the votes of one address count once.
        self.ip = f"127.0.1.{1 + zlib.crc32(peer_id.encode()) % 250}"
        self.local_ip = "127.0.0.1"
        self._tickets: dict[bytes, list[wire.Range]] = {}
        self._address: Address | None = None

    @property
    def source(self) -> Source:
        assert self._address is not None
        return Source(self.peer_id, self._address, cast("Session", self))

    async def ask(
        self,
        question: Callable[[int], Question],
        patience_s: float,
    ) -> wire.Answer:
        """Answer like a session."""
        if self.lost:
            raise SessionLostError("the session was lost")
        if self.denies is not None:
            raise self.denies
        match question(1):
            case wire.GetDigest():
                return wire.Digest(
                    request=1, game_id="g", version=self.version,
                    digest=self.manifest.digest(), attributes=self.manifest.attributes(),
                )  # fmt: skip
            case wire.GetManifest():
                return wire.ManifestReply(
                    request=1, game_id="g", version=self.version, files=list(self.manifest.files)
                )
            case wire.OpenTransfer(ranges=ranges):
                ticket = secrets.token_bytes(32)
                self._tickets[ticket] = ranges
                self.asked += ranges
                return wire.Ticket(request=1, ticket=ticket)
        raise AssertionError

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one data connection."""
        try:
            opening = await reader.readexactly(36)
            assert opening[:4] == b"LSD1"
            self.connected.set()
            await self.may_send.wait()
            for wanted in self._tickets.pop(opening[4:]):
                data = self.files[wanted.path][wanted.offset : wanted.offset + wanted.length]
                if not await self._send(writer, data):
                    await reader.read()  # silent until the other side has had enough
                    return
        except (OSError, EOFError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
        left = self.fault_after - self.sent_bytes
        if self.fault is None or left >= len(data):
            self.sent_bytes += len(data)
            writer.write(data)
        elif self.fault == "lies":
            self.fault_after = 1 << 60
            writer.write(data[:left] + bytes([data[left] ^ 1]) + data[left + 1 :])
        else:
            writer.write(data[:left])
            self.sent_bytes = self.fault_after
            if self.fault == "dies":
                self.lost = True
                await writer.drain()
                raise ConnectionError
            await writer.drain()
            return False
        await writer.drain()
        return True

    async def listen(self) -> asyncio.Server:
        """Open the data port."""
        server = await asyncio.start_server(self.serve, self.ip, 0)
        self._address = Address(*server.sockets[0].getsockname())
        return server


@asynccontextmanager
async def listening(*sources: ScriptedSource) -> AsyncIterator[list[Source]]:
    """Open the data ports of these sources while the block runs."""
    async with AsyncExitStack() as stack:
        for source in sources:
            server = await source.listen()
            stack.callback(server.close)
            stack.callback(source.may_send.set)
        yield [source.source for source in sources]
