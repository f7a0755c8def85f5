"""One download: agree on the manifest, pull from all sources at once, verify, commit."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, SessionLostError
from peer_cli.threads import run_to_end, uncancelled
from peer_cli.transfer.dataplane import (
    TransferLostError,
)
from peer_cli.transfer.fetch import DownloadContext, Fetch, Source
from peer_cli.transfer.manifest import (
    Agreement,
    Manifest,
    ManifestError,
    agree,
    check_manifest,
    chunks_of,
)
from peer_cli.transfer.plan import Schedule
from peer_cli.transfer.staging import Staging, staging_of

# A source that hashes a game sends news twice a second, however short the stall timeout is.
HASHING_PATIENCE_S = 3.0

_T = TypeVar("_T")


class DownloadError(Exception):
    """A download that failed. `code` is kebab-case; the text says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class PeersGoneError(DownloadError):
    """It failed because no source was left."""


class Download:
    """Downloads one game; run once. Cancelling `run` rolls everything back."""

    def __init__(
        self,
        context: DownloadContext,
        games_dir: Path,
        entry: CatalogEntry,
        sources: Sequence[Source],
    ) -> None:
        self._context = context
        self._games_dir = games_dir
        self._entry = entry
        self._sources = {source.peer_id: source for source in sources}
        self._losses: list[str] = []
        self._all_lost_by_network = True

    async def run(self) -> messages.Throughput:
        """Download, verify and commit. Raises DownloadError; the disk is rolled back then."""
        agreement = await self._agree()
        manifest = agreement.manifest
        game_id = self._entry.game_id
        self._context.emit(
            messages.GotGameFiles(
                game_id=game_id,
                file_descriptions=[
                    messages.FileDescription(relative_path=f"{game_id}/{f.path}", size=f.size)
                    for f in manifest.files
                ],
            )
        )
        staging = await self._on_disk(
            lambda: staging_of(self._games_dir, self._context.state_dir, manifest)
        )
        try:
            await self._on_disk(staging.open)
            throughput = await self._fetch_all(staging, agreement)
            await uncancelled(self._on_disk(staging.commit))
        except OSError as error:
            await uncancelled(self._on_disk(staging.roll_back))
            cause = error.strerror or error
            raise DownloadError("write-failed", f"cannot write {game_id}: {cause}") from error
        except (DownloadError, asyncio.CancelledError):
            await uncancelled(self._on_disk(staging.roll_back))
            raise
        return throughput

    async def _agree(self) -> Agreement:
        """Ask every source what the game is made of and let the strictly largest group win."""
        offers = await asyncio.gather(*map(self._ask_manifest, self._sources.values()))
        valid = [offer for offer in offers if offer is not None]
        if not valid:
            raise self._no_source_left()
        agreement = agree(valid, self._entry.content_digest)
        if agreement is None:
            told = ", ".join(f"{self._sources[peer].addr}" for peer, _ in valid)
            raise DownloadError(
                "ambiguous-metadata",
                f"the sources disagree on the files of {self._entry.game_id} "
                f"{self._entry.version}, and no group of them is the largest: {told}",
            )
        return agreement

    async def _ask_manifest(self, source: Source) -> tuple[str, Manifest] | None:
        game_id, version = self._entry.game_id, self._entry.version
        try:
            reply = await source.session.ask(
                lambda request: wire.GetManifest(request=request, game_id=game_id),
                max(self._context.stall_s, HASHING_PATIENCE_S),
            )
            if not isinstance(reply, wire.ManifestReply):
                raise ManifestError("it is no manifest")
            manifest = await self._on_disk(lambda: check_manifest(reply, game_id, version))
            return source.peer_id, manifest
        except (SessionLostError, DeniedError, ManifestError) as error:
            self._note_loss(source, error)
            return None

    async def _fetch_all(self, staging: Staging, agreement: Agreement) -> messages.Throughput:
        manifest = agreement.manifest
        chunks = chunks_of(manifest)
        held = await self._on_disk(lambda: staging.held(chunks))
        resumed = sum(length for ranges in held.values() for _, length in ranges)
        lacking = await self._on_disk(lambda: staging.lacking_space(manifest.total_bytes - resumed))
        if lacking:
            raise DownloadError(
                "write-failed", f"cannot write {manifest.game_id}: {lacking} bytes too few are free"
            )
        await self._on_disk(staging.create_files)
        members = [self._sources[peer_id] for peer_id in agreement.members]
        fetch = Fetch(
            self._context, staging, members, Schedule(chunks, agreement.members, held),
            resumed, self._note_loss,
        )  # fmt: skip
        await fetch.run()
        if not fetch.schedule.finished:
            raise self._no_source_left()
        return fetch.throughput(len(chunks))

    async def _on_disk(self, work: Callable[[], _T]) -> _T:
        return await run_to_end(self._context.pool, work)

    def _note_loss(self, source: Source, error: Exception) -> None:
        self._losses.append(f"{source.addr}: {error}")
        if not isinstance(error, SessionLostError | TransferLostError):
            self._all_lost_by_network = False

    def _no_source_left(self) -> DownloadError:
        reason = f"no source of {self._entry.game_id} is left ({'; '.join(self._losses)})"
        if self._all_lost_by_network:
            return PeersGoneError("peers-gone", reason)
        return DownloadError("no-usable-source", reason)
