"""A streamed install: receives entries that a source unpacks, into `.local.installing`.

One source at a time, in the given order. When a source fails, its whole attempt is discarded:
staging is emptied and the next source starts over, with its own `download-begin`.

A catalog's digest of the game's files cannot verify unpacked entries. With one, the archives are
fetched instead, every block verified, and unpacked here (verified_archives.py).
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from headless.threads import run_to_end, uncancelled
from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.install import transaction
from peer_cli.install.entries import StreamBegin
from peer_cli.install.errors import InstallError, SenderError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.read_ahead import read_ahead
from peer_cli.install.unpacker import Unpacker, unpack_archives
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, SessionLostError
from peer_cli.transfer.dataplane import DataConnection, TransferCancelledError, TransferLostError
from peer_cli.transfer.download import DownloadError, PeersGoneError
from peer_cli.transfer.fetch import DownloadContext, Source, ask_ticket, deserves_ban
from peer_cli.transfer.manifest import ManifestError
from peer_cli.transfer.progress import reported_progress, throughput
from peer_cli.transfer.receive import CorruptSourceError
from peer_cli.transfer.records import RecordReader
from peer_cli.transfer.verified_archives import VerifiedArchives

_SOURCE_FAULTS = (
    SessionLostError,
    DeniedError,
    TransferLostError,
    ManifestError,
    CorruptSourceError,
    InstallError,
)

EVENTS_AT_ONCE = 256  # that one stream may emit before it waits for the reader


class StreamedInstall:
    """Fills the staging folder of one game from its sources; the caller commits."""

    def __init__(
        self,
        context: DownloadContext,
        root: Path,
        entry: CatalogEntry,
        unpacker: Unpacker,
        sources: Sequence[Source],
    ) -> None:
        self._context = context
        self._root = root
        self._entry = entry
        self._unpacker = unpacker
        self._sources = sources
        self._made_root = False

    async def run(self) -> messages.Throughput:
        """Stream until one source has delivered everything, staged and verified.

        Raises DownloadError. After an error or a cancel, nothing of the game is left.
        """
        failures: list[tuple[Source, Exception]] = []
        try:
            for source in self._sources:
                try:
                    return await self._attempt(source)
                except _SOURCE_FAULTS as error:
                    if _is_own_disk(error):
                        raise  # another source would not help
                    failures.append((source, error))
                    if deserves_ban(source, error):
                        self._context.ban(self._root.name, source, str(error))
            raise self._no_source_left(failures)
        except InstallError as error:
            await self._discard()
            raise DownloadError(error.code, str(error)) from error
        except (DownloadError, asyncio.CancelledError):
            await self._discard()
            raise

    def discard(self) -> None:
        """Remove staging, and the root if it was created for it."""
        transaction.discard_staging(self._root)
        if self._made_root:
            with contextlib.suppress(OSError):  # not empty, so it is in use by now
                self._root.rmdir()

    async def _discard(self) -> None:
        await uncancelled(run_to_end(self._context.pool, self.discard))

    async def _attempt(self, source: Source) -> messages.Throughput:
        attempt = _Attempt(self._context, self._root.name, source)
        work = self._stream if self._entry.content_digest is None else self._fetch_and_unpack
        summary = await attempt.report_while(work(source, attempt))
        return throughput(summary.total_bytes, attempt.seconds(), summary.files)

    async def _fetch_and_unpack(self, source: Source, attempt: "_Attempt") -> InstallSummary:
        """Fetch the archives, verify them against the catalog's digest, and unpack them here."""
        verified = VerifiedArchives(self._context, self._entry, source)
        files = await verified.archives()
        staging = await run_to_end(self._context.pool, self._prepare)
        archives = await verified.fetch(staging, files)
        cancelled = threading.Event()

        def unpack() -> InstallSummary:
            with self._extraction(staging, attempt) as extraction:
                summary = unpack_archives(archives, self._unpacker, extraction, cancelled)
            verified.discard(staging)
            return summary

        try:
            return await run_to_end(
                self._context.pool, unpack, lambda: attempt.cancel(cancelled.set)
            )
        except InstallError as error:  # all sources have the same archives
            raise DownloadError(error.code, str(error)) from error

    async def _stream(self, source: Source, attempt: "_Attempt") -> InstallSummary:
        ticket = await ask_ticket(
            source.session,
            wire.StreamTicket,
            lambda request: wire.OpenStream(
                request=request,
                game_id=self._root.name,
                version=self._entry.version,
                encrypt=self._context.encrypt,
            ),
            self._context.stall_s,
        )
        connection = attempt.connection = DataConnection(self._context.limiter)
        return await run_to_end(
            self._context.pool,
            lambda: self._receive(connection, source, ticket, attempt),
            lambda: attempt.cancel(connection.cancel),
        )

    def _prepare(self) -> Path:
        """Return a new, empty staging folder. Raises InstallError (`write-failed`)."""
        try:
            if not self._root.exists():
                self._root.mkdir()
                self._made_root = True
        except OSError as error:
            raise InstallError("write-failed", f"Cannot make {self._root.name}: {error}") from error
        return transaction.prepare_staging(self._root)

    def _extraction(self, staging: Path, attempt: "_Attempt") -> Extraction:
        attempt.extraction = Extraction(staging, on_file=attempt.on_file, on_begin=attempt.on_begin)
        return attempt.extraction

    def _receive(
        self,
        connection: DataConnection,
        source: Source,
        ticket: wire.StreamTicket,
        attempt: "_Attempt",
    ) -> InstallSummary:
        """Receive one source's whole stream, in a thread."""
        staging = self._prepare()
        try:
            stall_s = self._context.stall_s
            connection.open(source.addr, source.session.local_ip, ticket.ticket, stall_s)
            connection.seal(ticket.seal)
            records = RecordReader(connection.receive_some, ticket.key)
            with (
                contextlib.closing(read_ahead(records.read_into, connection.cancel)) as fragments,
                self._extraction(staging, attempt) as extraction,
            ):
                summary = extract_stream(fragments, extraction)
                # The source counts the stream as outgoing until it closes the connection, so wait
                # for that. A source that does not close it has delivered nevertheless.
                with contextlib.suppress(TransferLostError):
                    for _ in fragments:
                        raise InstallError("malformed-stream", "The stream goes on after its end.")
                return summary
        except InstallError as error:
            if error.code == "incomplete-stream":
                raise TransferLostError("the source ended the stream early") from error
            raise
        finally:
            connection.close()

    def _no_source_left(self, failures: Sequence[tuple[Source, Exception]]) -> DownloadError:
        told = "; ".join(f"{source.addr}: {error}" for source, error in failures)
        reason = f"no source of {self._root.name} is left ({told})"
        last = failures[-1][1]
        if all(isinstance(error, SessionLostError | TransferLostError) for _, error in failures):
            return PeersGoneError("peers-gone", reason)
        code = last.code if isinstance(last, InstallError | DeniedError) else "no-usable-source"
        return DownloadError(code, reason)


def _is_own_disk(error: Exception) -> bool:
    if not isinstance(error, InstallError) or isinstance(error, SenderError):
        return False
    return error.code == "write-failed"


class _Attempt:
    """The events of one source's stream. The receiving thread makes the callbacks."""

    def __init__(self, context: DownloadContext, game_id: str, source: Source) -> None:
        self.extraction: Extraction | None = None
        self.connection: DataConnection | None = None
        self._context = context
        self._game_id = game_id
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._total = 0
        self._began = self._ended = time.monotonic()
        self._begun = asyncio.Event()
        self._told = 0
        self._waiting: Future[None] | None = None
        self._cancelled = False

    async def report_while(self, work: Coroutine[Any, Any, InstallSummary]) -> InstallSummary:
        """Report progress from the stream's start until `work` is done; return its result."""
        reporting = asyncio.create_task(self._report())
        try:
            return await work
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])

    async def _report(self) -> None:
        await self._begun.wait()
        async with reported_progress(self._context.emit, self._game_id, self._state):
            await asyncio.Event().wait()  # until cancelled

    def seconds(self) -> float:
        """Return the time from the stream's start to the last verified byte."""
        return self._ended - self._began

    def on_begin(self, begin: StreamBegin) -> None:
        """Report the start of the stream."""
        self._began = self._ended = time.monotonic()
        self._total = begin.total_bytes
        event = messages.DownloadBegin(
            game_id=self._game_id,
            total_bytes=begin.total_bytes,
            sources=[messages.SourceRow(peer_id=self._source.peer_id, addr=str(self._source.addr))],
        )
        self._loop.call_soon_threadsafe(self._context.emit, event)
        self._loop.call_soon_threadsafe(self._begun.set)

    def on_file(self, relative: str, size: int) -> None:
        """Report a verified entry."""
        self._ended = time.monotonic()
        event = messages.DownloadChunkFinished(
            game_id=self._game_id,
            peer_id=self._source.peer_id,
            peer_addr=str(self._source.addr),
            relative_path=f"{self._game_id}/{transaction.STAGING}/{relative}",
            offset=0,
            length=size,
            ranges=[messages.DeliveredRange(peer_id=self._source.peer_id, offset=0, length=size)],
        )
        self._loop.call_soon_threadsafe(self._context.emit, event)
        self._told += 1
        if self._told % EVENTS_AT_ONCE == 0:
            self._wait_for_reader()

    def cancel(self, cut: Callable[[], object]) -> None:
        """End the receiving thread's work, both with `cut` and while it waits for the reader."""
        cut()
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait_for_reader(self) -> None:
        """Wait until the events are being read. Raises TransferCancelledError."""
        self._waiting = asyncio.run_coroutine_threadsafe(self._caught_up(), self._loop)
        if self._cancelled:
            self._waiting.cancel()
        try:
            self._waiting.result()
        except CancelledError:
            raise TransferCancelledError from None

    async def _caught_up(self) -> None:
        await self._context.caught_up()

    def _state(self) -> tuple[int, int, int]:
        done = self.extraction.received_bytes if self.extraction is not None else 0
        if self.connection is not None:
            # Includes what has arrived of an incomplete record: at a low rate that takes a while.
            done = max(done, min(self.connection.moved_bytes, self._total))
        return done, self._total, 1
