"""A streamed install: entries unpacked by a source arrive under `.local.installing`.

One source at a time, in the order given. A source that fails costs its whole attempt: staging is
emptied and the next one starts afresh, with a `download-begin` of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from peer_cli import messages
from peer_cli.install import transaction
from peer_cli.install.entries import StreamBegin
from peer_cli.install.errors import InstallError, SenderError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.read_ahead import read_ahead
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, SessionLostError
from peer_cli.threads import run_to_end, uncancelled
from peer_cli.transfer.dataplane import DataConnection, TransferLostError
from peer_cli.transfer.download import DownloadError, PeersGoneError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.progress import reported_progress, throughput


class StreamedInstall:
    """Fills the staging folder of one game from its sources; `commit` is the caller's."""

    def __init__(
        self,
        context: DownloadContext,
        root: Path,
        version: str,
        sources: Sequence[Source],
    ) -> None:
        self._context = context
        self._root = root
        self._version = version
        self._sources = sources
        self._made_root = False

    async def run(self) -> messages.Throughput:
        """Stream until one source has delivered everything, staged and verified.

        Raises DownloadError; nothing of the game is left then, nor when this is cancelled.
        """
        failures: list[tuple[Source, Exception]] = []
        try:
            for source in self._sources:
                try:
                    return await self._attempt(source)
                except (SessionLostError, DeniedError, TransferLostError) as error:
                    failures.append((source, error))
                except InstallError as error:
                    if error.code == "write-failed" and not isinstance(error, SenderError):
                        raise  # this side's disk: another source does not help
                    failures.append((source, error))
            raise self._no_source_left(failures)
        except InstallError as error:
            await self._discard()
            raise DownloadError(error.code, error.reason) from error
        except (DownloadError, asyncio.CancelledError):
            await self._discard()
            raise

    def discard(self) -> None:
        """Remove staging, and the root if it was made for it."""
        transaction.discard_staging(self._root)
        if self._made_root:
            with contextlib.suppress(OSError):  # not empty: somebody else uses it by now
                self._root.rmdir()

    async def _discard(self) -> None:
        await uncancelled(run_to_end(self._context.pool, self.discard))

    async def _attempt(self, source: Source) -> messages.Throughput:
        ticket = await source.session.ask(
            lambda request: wire.OpenStream(
                request=request, game_id=self._root.name, version=self._version
            ),
            self._context.stall_s,
        )
        if not isinstance(ticket, wire.Ticket):
            raise DeniedError("bad-answer", "the answer is no ticket")
        connection = DataConnection(self._context.limiter)
        attempt = _Attempt(self._context, self._root.name, source)
        summary = await attempt.report_while(
            run_to_end(
                self._context.pool,
                lambda: self._receive(connection, source, ticket.ticket, attempt),
                connection.cancel,
            )
        )
        return throughput(summary.total_bytes, attempt.seconds(), summary.files)

    def _receive(
        self, connection: DataConnection, source: Source, ticket: bytes, attempt: "_Attempt"
    ) -> InstallSummary:
        """Receive one source's whole stream, in a thread."""
        try:
            if not self._root.exists():
                self._root.mkdir()
                self._made_root = True
        except OSError as error:
            raise InstallError("write-failed", f"Cannot make {self._root.name}: {error}") from error
        staging = transaction.prepare_staging(self._root)
        try:
            connection.open(source.addr, source.session.local_ip, ticket, self._context.stall_s)
            with (
                contextlib.closing(
                    read_ahead(connection.receive_some, connection.cancel)
                ) as fragments,
                Extraction(
                    staging, on_file=attempt.on_file, on_begin=attempt.on_begin
                ) as extraction,
            ):
                attempt.extraction = extraction
                summary = extract_stream(fragments, extraction)
                # The source counts the stream as going out until it closes the connection: finish
                # after that, not before. One that does not close it has delivered all the same.
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


class _Attempt:
    """What one source's stream has to tell; the callbacks come from the receiving thread."""

    def __init__(self, context: DownloadContext, game_id: str, source: Source) -> None:
        self.extraction: Extraction | None = None
        self._context = context
        self._game_id = game_id
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._total = 0
        self._began = self._ended = time.monotonic()
        self._begun = asyncio.Event()

    async def report_while(self, work: Coroutine[Any, Any, InstallSummary]) -> InstallSummary:
        """Report progress from the begin of the stream until `work` is done; return its result."""
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
        """Return the time from the begin of the stream to the last verified byte."""
        return self._ended - self._began

    def on_begin(self, begin: StreamBegin) -> None:
        """Tell that the stream begins."""
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
        """Tell that an entry is verified."""
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

    def _state(self) -> tuple[int, int, int]:
        extraction = self.extraction
        return (extraction.received_bytes if extraction is not None else 0), self._total, 1
