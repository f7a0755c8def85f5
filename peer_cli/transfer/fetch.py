"""Pulling the bytes of one download: a worker per source, all on one schedule."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from peer_cli import messages
from peer_cli.library.index import BLOCK_SIZE
from peer_cli.limits import RateLimiter
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.session import DeniedError, Session, SessionLostError
from peer_cli.threads import run_to_end
from peer_cli.transfer.dataplane import (
    DataConnection,
    StorageError,
    TransferLostError,
    read_block,
)
from peer_cli.transfer.plan import Piece, Schedule
from peer_cli.transfer.progress import reported_progress, throughput
from peer_cli.transfer.staging import Staging


class CorruptSourceError(Exception):
    """A source delivered other bytes than the agreed ones."""


@dataclass(frozen=True, slots=True)
class Source:
    """A peer to draw from."""

    peer_id: str
    addr: Address
    session: Session


@dataclass(frozen=True, slots=True)
class DownloadContext:
    """What all downloads share. `stall_s`: a source silent for so many seconds is given up."""

    state_dir: Path
    limiter: RateLimiter
    pool: ThreadPoolExecutor
    stall_s: float
    emit: Callable[[messages.Event], None]


class Fetch:
    """The pulling of bytes: one worker per source, all on one schedule."""

    def __init__(
        self,
        context: DownloadContext,
        staging: Staging,
        sources: Sequence[Source],
        schedule: Schedule,
        resumed: int,
        on_loss: Callable[[Source, Exception], None],
    ) -> None:
        self.schedule = schedule
        self._context = context
        self._staging = staging
        self._sources = sources
        self._resumed = resumed
        self._on_loss = on_loss
        self._verified = 0
        # Connections in use, with how much of what they moved is verified.
        self._connections: dict[DataConnection, int] = {}
        self._changed = asyncio.Condition()
        self._began = self._ended = 0.0

    async def run(self) -> None:
        """Pull until everything is verified or no source is left. Raises StorageError."""
        manifest = self._staging.manifest
        self._began = self._ended = time.monotonic()
        self._context.emit(
            messages.DownloadBegin(
                game_id=manifest.game_id,
                total_bytes=manifest.total_bytes,
                sources=[
                    messages.SourceRow(peer_id=source.peer_id, addr=str(source.addr))
                    for source in self._sources
                ],
            )
        )
        try:
            async with (
                reported_progress(self._context.emit, manifest.game_id, self._progress),
                asyncio.TaskGroup() as group,
            ):
                for source in self._sources:
                    group.create_task(self._pull(source))
        except* StorageError as errors:
            raise errors.exceptions[0] from None

    def throughput(self, chunks: int) -> messages.Throughput:
        """Return the figures of the finished fetch, of what came over the network."""
        return throughput(self._verified, self._ended - self._began, chunks)

    async def _pull(self, source: Source) -> None:
        """Fetch batch after batch from one source until all is done or the source is lost."""
        while not self.schedule.finished:
            pieces = self.schedule.take(source.peer_id)
            if not pieces:  # the others are still at it: they may yet be lost
                async with self._changed:
                    await self._changed.wait_for(lambda: self.schedule.may_take(source.peer_id))
                continue
            try:
                await self._fetch(source, pieces)
            except (SessionLostError, DeniedError, TransferLostError, CorruptSourceError) as error:
                self._on_loss(source, error)
                self.schedule.lost(source.peer_id)
                break
        async with self._changed:
            self._changed.notify_all()

    async def _fetch(self, source: Source, pieces: list[Piece]) -> None:
        manifest = self._staging.manifest
        ranges = [wire.Range(piece.chunk.path, piece.offset, piece.length) for piece in pieces]
        ticket = await source.session.ask(
            lambda request: wire.OpenTransfer(
                request=request,
                game_id=manifest.game_id,
                version=manifest.version,
                ranges=ranges,
            ),
            self._context.stall_s,
        )
        if not isinstance(ticket, wire.Ticket):
            raise DeniedError("bad-answer", "the answer is no ticket")
        connection = DataConnection(self._context.limiter)
        self._connections[connection] = 0
        loop = asyncio.get_running_loop()

        def on_block(length: int) -> None:
            loop.call_soon_threadsafe(self._on_block, source, connection, length)

        try:
            await run_to_end(
                self._context.pool,
                lambda: self._receive(connection, source, ticket.ticket, pieces, on_block),
                connection.cancel,
            )
        finally:
            del self._connections[connection]

    def _receive(
        self,
        connection: DataConnection,
        source: Source,
        ticket: bytes,
        pieces: list[Piece],
        on_block: Callable[[int], None],
    ) -> None:
        """Receive and verify pieces block by block, in a thread of its own."""
        buffer = memoryview(bytearray(BLOCK_SIZE))
        try:
            connection.open(source.addr, source.session.local_ip, ticket, self._context.stall_s)
            for piece in pieces:
                if piece.length == 0:
                    on_block(0)
                    continue
                blocks = self._staging.manifest.files[piece.chunk.file].blocks
                file = self._open(piece.chunk.path)
                try:
                    end = piece.offset + piece.length
                    for offset in range(piece.offset, end, BLOCK_SIZE):
                        block = buffer[: min(BLOCK_SIZE, end - offset)]
                        connection.receive_into_file(file, offset, len(block))
                        if not _matches(file, offset, block, blocks[offset // BLOCK_SIZE]):
                            raise CorruptSourceError(
                                f"it delivered wrong bytes of {piece.chunk.path} at {offset}"
                            )
                        on_block(len(block))
                finally:
                    os.close(file)
        finally:
            connection.close()

    def _open(self, relative: str) -> int:
        try:
            return os.open(self._staging.path(relative), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise StorageError(error.strerror or str(error)) from error

    def _on_block(self, source: Source, connection: DataConnection, length: int) -> None:
        self._verified += length
        self._connections[connection] += length
        self._ended = time.monotonic()
        chunk = self.schedule.verified(source.peer_id, length)
        if chunk is None:
            return
        game_id = self._staging.manifest.game_id
        self._context.emit(
            messages.DownloadChunkFinished(
                game_id=game_id,
                peer_id=source.peer_id,
                peer_addr=str(source.addr),
                relative_path=f"{game_id}/{chunk.path}",
                offset=chunk.offset,
                length=chunk.length,
                ranges=[
                    messages.DeliveredRange(
                        peer_id=delivery.source, offset=delivery.offset, length=delivery.length
                    )
                    for delivery in self.schedule.deliveries(chunk)
                ],
            )
        )

    def _progress(self) -> tuple[int, int, int]:
        """Return the bytes that have arrived, verified or not yet, all bytes, busy sources."""
        unverified = sum(
            connection.moved_bytes - verified for connection, verified in self._connections.items()
        )
        done = self._resumed + self._verified + unverified
        return done, self._staging.manifest.total_bytes, len(self._connections)


def _matches(file: int, offset: int, block: memoryview, expected: bytes) -> bool:
    try:
        return read_block(file, offset, block) and blake3(block).digest() == expected
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error
