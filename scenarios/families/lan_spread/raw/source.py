"""The raw client as a source: manifests, bytes and streams that no honest source would send."""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from blake3 import blake3

from .frames import Message
from .session import Session
from .stream import endless_payloads, entry_stream, payloads, records

BLOCK_SIZE = 4 << 20
NEWS_EVERY_S = 0.1
HASHING_NEWS_S = 0.5
TICKET_BYTES = KEY_BYTES = 32


@dataclass(frozen=True)
class Offer:
    """What to answer and send for one game; see the command `offer`."""

    version: str
    files: dict[str, bytes]
    entries: list[tuple[str, bytes]]
    endless: str
    hashes: dict[str, tuple[int, int]]
    news: list[tuple[int, int]]
    rows: int

    def manifest(self) -> list[dict[str, Any]]:
        """Return the files as a manifest lists them, in order."""
        return [
            {"path": path, "size": len(content), "blocks": _blocks(content)}
            for path, content in sorted(self.files.items())
        ]

    def payloads(self) -> Iterator[bytes]:
        """Return the content of its stream."""
        return endless_payloads(self.endless) if self.endless else payloads(self._stream())

    def _stream(self) -> bytes:
        return entry_stream(self.entries)


class Source:
    """Answers a peer's requests, and sends the data its tickets are for."""

    def __init__(self) -> None:
        self.port = 0
        self._offers: dict[str, Offer] = {}
        self._asked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tickets: dict[bytes, Iterator[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, own_ip: str) -> None:
        """Open the port for data connections, once."""
        if self._server is None:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # A separate task: asyncio logs an error if a handler is still running at exit.
                self._keep(asyncio.create_task(self._serve(reader, writer)))

            self._server = await asyncio.start_server(accept, own_ip, 0)
            self.port = self._server.sockets[0].getsockname()[1]

    def offer(self, game_id: str, offer: Offer) -> None:
        """Serve this offer to peers that request the game."""
        self._offers[game_id] = offer

    async def asked(self, game_id: str) -> None:
        """Wait until a peer has asked for a game."""
        await self._asked[game_id].wait()

    def answer(self, session: Session, question: Message) -> None:
        """Answer a peer's request according to the offer."""
        request, game_id = question["request"], question["game_id"]
        offer = self._offers.get(game_id)
        if offer is None:
            denied = {"type": "denied", "request": request, "code": "not-downloaded"}
            session.send({**denied, "reason": f"{game_id} is not offered here"})
            return
        self._asked[game_id].set()
        told = {"request": request, "game_id": game_id, "version": offer.version}
        match question["type"]:
            case _ if offer.rows:
                session.send({"type": "manifest", **told, "files": _rows(offer.rows)})
            case kind if kind in offer.hashes:
                news = self._hash(session, request, *offer.hashes[kind])
                self._keep(asyncio.create_task(news))
            case "get-digest":
                answer = {"type": "digest", **told, **_opinion(offer.manifest())}
                telling = self._tell(session, request, offer.news, answer)
                self._keep(asyncio.create_task(telling))
            case "get-manifest":
                session.send({"type": "manifest", **told, "files": offer.manifest()})
            case "open-transfer":
                ticket = self._ticket(_ranges(offer.files, question["ranges"]))
                session.send({"type": "ticket", "request": request, "ticket": ticket})
            case "open-stream":
                key = secrets.token_bytes(KEY_BYTES)
                ticket = self._ticket(records(offer.payloads(), key))
                answer = {"request": request, "ticket": ticket, "key": key}
                session.send({"type": "stream-ticket", **answer})

    def _ticket(self, sent: Iterator[bytes]) -> bytes:
        ticket = secrets.token_bytes(TICKET_BYTES)
        self._tickets[ticket] = sent
        return ticket

    async def _hash(self, session: Session, request: int, step: int, total: int) -> None:
        """Keep reporting that it is hashing, `step` bytes more each time; never finish."""
        done = 0
        while not session.over:
            done += step
            session.send({"type": "hashing", "request": request, "done": done, "total": total})
            await asyncio.sleep(NEWS_EVERY_S)  # limits the rate of the attack

    async def _tell(
        self, session: Session, request: int, news: list[tuple[int, int]], answer: Message
    ) -> None:
        """Report how far it has hashed, as an honest source of a large game, and then answer."""
        for done, total in news:
            session.send({"type": "hashing", "request": request, "done": done, "total": total})
            await asyncio.sleep(HASHING_NEWS_S)  # the interval of an honest source
        session.send(answer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, KeyError):
            opening = await reader.readexactly(4 + TICKET_BYTES)
            for part in self._tickets.pop(opening[4:]):
                writer.write(part)
                await writer.drain()
        writer.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _rows(count: int) -> list[dict[str, Any]]:
    return [{"path": f"css/{number}", "size": 0, "blocks": []} for number in range(count)]


def _blocks(content: bytes) -> list[bytes]:
    starts = range(0, len(content), BLOCK_SIZE)
    return [blake3(content[start : start + BLOCK_SIZE]).digest() for start in starts]


def _opinion(manifest: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return the vote of a source: the digests of its manifest and of default attributes."""
    content = [[file["path"], file["size"], file["blocks"]] for file in manifest]
    attributes = [[False, 0]] * len(manifest)
    parts = {"digest": content, "attributes": attributes}
    return {name: blake3(msgspec.msgpack.encode(part)).digest() for name, part in parts.items()}


def _ranges(files: dict[str, bytes], wanted: list[Message]) -> Iterator[bytes]:
    for part in wanted:
        yield files[part["path"]][part["offset"] : part["offset"] + part["length"]]
