"""Fetches the bytes of one download: a worker per source, all on one schedule."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from headless.envelope import Event
from headless.threads import run_to_end
from network.address import Address
from network.limits import RateLimiter
from network.pace import Rates
from peer_cli import messages
from peer_cli.install.errors import InstallError, SenderError
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, NoAnswerError, Question, Session, SessionLostError
from peer_cli.transfer.dataplane import (
    DataConnection,
    NoProgressError,
    StorageError,
    TransferCancelledError,
    TransferLostError,
)
from peer_cli.transfer.manifest import Chunk, ManifestError
from peer_cli.transfer.plan import Claims, Piece, Schedule
from peer_cli.transfer.progress import reported_progress, throughput
from peer_cli.transfer.receive import CorruptSourceError, receive
from peer_cli.transfer.staging import Staging

BUSY_PATIENCE_S = 30.0
BUSY_PAUSE_S = 0.5
BALANCE_S = 0.5


_Ticket = TypeVar("_Ticket", wire.Ticket, wire.StreamTicket)


@dataclass(frozen=True, slots=True)
class Source:
    """A peer to download from."""

    peer_id: str
    addr: Address
    session: Session


@dataclass(frozen=True, slots=True)
class DownloadContext:
    """What all downloads share. `stall_s`: give up on a source after this many seconds of silence.

    `caught_up` returns once the reader has caught up with the emitted events. `ban` is called with
    a game's id, a source not to ask for it again, and the reason.
    """

    state_dir: Path
    limiter: RateLimiter
    pool: ThreadPoolExecutor
    stall_s: float
    emit: Callable[[Event], None]
    caught_up: Callable[[], Awaitable[None]]
    ban: Callable[[str, Source, str], None]
    encrypt: bool = False  # the data connections
    # Manifests may be large, so only one at a time is fetched and checked.
    manifests: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


def deserves_ban(source: Source, error: Exception) -> bool:
    """Tell whether losing a source was its own fault.

    That is so when it delivered wrong bytes, or made no progress although it is there and awake. A
    machine that sleeps or is unplugged may be asked again when it is back.
    """
    if isinstance(error, NoProgressError | NoAnswerError):
        return source.session.is_responsive
    if isinstance(error, InstallError):
        # However bad the archive, an honest source sends a well-formed stream.
        return error.code == "malformed-stream" and not isinstance(error, SenderError)
    return isinstance(error, CorruptSourceError | ManifestError)


async def ask_ticket(
    session: Session,
    kind: type[_Ticket],
    question: Callable[[int], wire.OpenTransfer | wire.OpenStream],
    stall_s: float,
) -> _Ticket:
    """Ask for a ticket, like `ask_when_free`."""
    ticket = await ask_when_free(session, question, stall_s)
    if not isinstance(ticket, kind):
        raise DeniedError("bad-answer", "the answer is not such a ticket")
    if question(0).encrypt and ticket.seal is None:
        raise DeniedError("not-encrypted", "the source does not encrypt its data")
    return ticket


async def ask_when_free(
    session: Session, question: Callable[[int], Question], patience_s: float
) -> wire.Answer:
    """Ask a source; retry for BUSY_PATIENCE_S seconds while it is `busy`.

    Raises DeniedError, and SessionLostError when there is no answer within `patience_s` seconds.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + BUSY_PATIENCE_S
    while True:
        try:
            return await session.ask(question, patience_s)
        except DeniedError as error:
            if error.code != "busy" or loop.time() >= until:
                raise
            await asyncio.sleep(BUSY_PAUSE_S)  # the pause between retries, not synchronisation


@dataclass(slots=True)
class _Transit:
    """A connection in use: its source, and how many of its bytes are verified."""

    source_id: str
    verified: int = 0


class Fetch:
    """The fetching of bytes: one worker per source, all on one schedule."""

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
        self._transits: dict[DataConnection, _Transit] = {}
        self._moved = dict.fromkeys((source.peer_id for source in sources), 0)  # by closed
        self._rates = Rates()
        self._changed = asyncio.Condition()
        self._began = self._ended = 0.0

    async def run(self) -> None:
        """Fetch until everything is verified or no source is left. Raises StorageError."""
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
                balancing = group.create_task(self._keep_balanced())
                await asyncio.wait(
                    [group.create_task(self._pull(source)) for source in self._sources]
                )
                balancing.cancel()
        except* StorageError as errors:
            raise errors.exceptions[0] from None

    def throughput(self, chunks: int) -> messages.Throughput:
        """Return the figures of the finished fetch, for the bytes that came over the network."""
        return throughput(self._verified, self._ended - self._began, chunks)

    async def _pull(self, source: Source) -> None:
        """Fetch batch after batch from one source until all is done or the source is lost."""
        while not self.schedule.finished:
            await self._context.caught_up()
            pieces = self.schedule.take(source.peer_id)
            if not pieces:  # others are still fetching, and may yet be slow, or lost
                await self._balance()
                async with self._changed:
                    await self._changed.wait_for(lambda: self.schedule.may_take(source.peer_id))
                continue
            try:
                await self._fetch(source, pieces)
            except TransferCancelledError:  # by the balancer, because others are much faster
                self.schedule.give_back(source.peer_id)
                await self._notify_changed()
            except (SessionLostError, DeniedError, TransferLostError, CorruptSourceError) as error:
                self._on_loss(source, error)
                self.schedule.lost(source.peer_id)
                break
        await self._notify_changed()

    async def _notify_changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _keep_balanced(self) -> None:
        """Measure the sources, and let idle ones take over from those that turn out much slower."""
        at = time.monotonic()
        while True:
            await asyncio.sleep(BALANCE_S)  # the sampling interval, not synchronisation
            now = time.monotonic()
            moved = Counter(self._moved)
            for connection, transit in self._transits.items():
                moved[transit.source_id] += connection.moved_bytes
            self._rates.tick(now - at, moved, self.schedule.busy)
            at = now
            await self._balance()

    async def _balance(self) -> None:
        """Let idle sources take over from much slower ones."""
        too_slow = self.schedule.rebalance(self._rates.known(), self._rates.proven())
        for connection, transit in self._transits.items():
            if transit.source_id in too_slow:
                connection.cancel()
        await self._notify_changed()

    async def _fetch(self, source: Source, pieces: list[Piece]) -> None:
        manifest = self._staging.manifest
        ranges = [wire.Range(piece.chunk.path, piece.offset, piece.length) for piece in pieces]
        ticket = await ask_ticket(
            source.session,
            wire.Ticket,
            lambda request: wire.OpenTransfer(
                request=request,
                game_id=manifest.game_id,
                version=manifest.version,
                ranges=ranges,
                encrypt=self._context.encrypt,
            ),
            self._context.stall_s,
        )
        connection = DataConnection(self._context.limiter)
        transit = self._transits[connection] = _Transit(source.peer_id)
        claims = self.schedule.claims(source.peer_id)
        loop = asyncio.get_running_loop()

        def on_verified(lengths: list[int]) -> None:
            loop.call_soon_threadsafe(self._on_verified, source, transit, lengths)

        try:
            await run_to_end(
                self._context.pool,
                lambda: self._receive(connection, source, ticket, claims, on_verified),
                connection.cancel,
            )
        finally:
            del self._transits[connection]
            self._moved[source.peer_id] += connection.moved_bytes

    def _receive(
        self,
        connection: DataConnection,
        source: Source,
        ticket: wire.Ticket,
        claims: Claims,
        on_verified: Callable[[list[int]], None],
    ) -> None:
        with contextlib.closing(connection):
            connection.open(
                source.addr, source.session.local_ip, ticket.ticket, self._context.stall_s
            )
            connection.seal(ticket.seal)
            receive(connection, self._staging, claims, on_verified)

    def _on_verified(self, source: Source, transit: "_Transit", lengths: list[int]) -> None:
        self._ended = time.monotonic()
        for length in lengths:
            self._verified += length
            transit.verified += length
            chunk = self.schedule.verified(source.peer_id, length)
            if chunk is not None:
                self._tell_finished(source, chunk)

    def _tell_finished(self, source: Source, chunk: Chunk) -> None:
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
        """Return the bytes that arrived (verified or not), the total, and the busy sources."""
        unverified = sum(
            connection.moved_bytes - transit.verified
            for connection, transit in self._transits.items()
        )
        done = self._resumed + self._verified + unverified
        total = self._staging.manifest.total_bytes
        return min(done, total), total, len(self._transits)
