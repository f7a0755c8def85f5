"""One download: agrees on the manifest, fetches from all sources at once, verifies, commits."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from headless.errors import CodedError
from headless.threads import run_to_end, uncancelled
from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.network.session import SessionLostError
from peer_cli.transfer.agreement import Agreement, agree
from peer_cli.transfer.dataplane import TransferLostError
from peer_cli.transfer.fetch import DownloadContext, Fetch, Source, deserves_ban
from peer_cli.transfer.manifest import Manifest, chunks_of
from peer_cli.transfer.plan import Schedule
from peer_cli.transfer.staging import NameClashError, Staging, UnsettledError, staging_of

_T = TypeVar("_T")


class DownloadError(CodedError):
    """A download that failed; the text says why."""


class PeersGoneError(DownloadError):
    """The download failed because no source is left."""


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
        self._lost: set[str] = set()
        self._all_lost_by_network = True

    async def run(self) -> messages.Throughput:
        """Download, verify and commit. Raises DownloadError after rolling back the disk."""
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
        staging = await self._place(manifest)
        try:
            await self._on_disk(staging.open)
            throughput = await self._fetch_all(staging, agreement)
            await uncancelled(self._on_disk(staging.commit))
        except UnsettledError as error:
            raise DownloadError("write-failed", str(error)) from error
        except NameClashError as error:
            await self._roll_back(staging)
            raise DownloadError("name-clash", f"cannot write {game_id}: {error}") from error
        except OSError as error:
            await self._roll_back(staging)
            raise DownloadError(
                "write-failed", f"cannot write {game_id}: {_cause(error, staging.root)}"
            ) from error
        except (DownloadError, asyncio.CancelledError):
            await self._roll_back(staging)
            raise
        return throughput

    async def _place(self, manifest: Manifest) -> Staging:
        try:
            return await self._on_disk(
                lambda: staging_of(self._games_dir, self._context.state_dir, manifest)
            )
        except OSError as error:
            raise DownloadError(
                "write-failed", f"cannot write {manifest.game_id}: {error}"
            ) from error

    async def _roll_back(self, staging: Staging) -> None:
        # `remove`, or the next download of the game, deletes what cannot be deleted now.
        with contextlib.suppress(OSError):
            await uncancelled(self._on_disk(staging.roll_back))

    async def _agree(self) -> Agreement:
        """Let the sources agree on the game's manifest. Raises DownloadError."""
        agreement = await agree(
            self._context, self._entry, list(self._sources.values()), self._note_loss
        )
        if agreement is not None:
            return agreement
        rest = [s for peer_id, s in self._sources.items() if peer_id not in self._lost]
        if not rest:
            raise self._no_source_left()
        told = ", ".join(f"{source.addr}" for source in rest)
        game = f"{self._entry.game_id} {self._entry.version}"
        if self._entry.content_digest is not None:
            raise DownloadError(
                "wrong-content", f"no source has {game} with the catalog's digest: {told}"
            )
        raise DownloadError(
            "ambiguous-metadata",
            f"the sources disagree on the files of {game}, and no group of them is the largest "
            f"(one address counts once): {told}",
        )

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
        self._lost.add(source.peer_id)
        if deserves_ban(source, error):
            self._context.ban(self._entry.game_id, source, str(error))
        if not isinstance(error, SessionLostError | TransferLostError):
            self._all_lost_by_network = False

    def _no_source_left(self) -> DownloadError:
        reason = f"no source of {self._entry.game_id} is left ({'; '.join(self._losses)})"
        if self._all_lost_by_network:
            return PeersGoneError("peers-gone", reason)
        return DownloadError("no-usable-source", reason)


def _cause(error: OSError, root: Path) -> str:
    """Describe an error, with the path if that is inside the root."""
    cause = error.strerror or str(error)
    if not isinstance(error.filename, str | Path):
        return cause
    place = Path(error.filename)
    return f"{place.relative_to(root)}: {cause}" if place.is_relative_to(root) else cause
