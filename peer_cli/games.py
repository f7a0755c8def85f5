"""The operations on games: download, install, uninstall, remove; each ends in a terminal event.

Every operation ends alike: look at the disk, free the game, tell the others, and only then emit
the terminal event, so that a command sent on reading it meets the settled state.
"""

import asyncio
import threading
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from peer_cli import messages
from peer_cli.catalog import Catalog
from peer_cli.install import transaction
from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.launch_settings import apply_launch_settings
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.library import Library
from peer_cli.messages import CommandError
from peer_cli.names import UnsafeName, check_game_id
from peer_cli.operations import Operations
from peer_cli.threads import run_to_end, run_to_outcome
from peer_cli.transfer import staging
from peer_cli.transfer.download import Download, DownloadError, PeersGoneError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.removal import remove_downloaded
from peer_cli.transfer.streamed import StreamedInstall

_FAILED: dict[
    messages.Operation,
    type[
        messages.DownloadFailed
        | messages.InstallFailed
        | messages.UninstallFailed
        | messages.RemoveFailed
    ],
] = {
    "Downloading": messages.DownloadFailed,
    "StreamInstalling": messages.DownloadFailed,
    "Installing": messages.InstallFailed,
    "Uninstalling": messages.UninstallFailed,
    "Removing": messages.RemoveFailed,
}


class Games:
    """Starts operations and sees them through. Commands that cannot begin raise CommandError."""

    def __init__(
        self,
        library: Library,
        catalog: Catalog,
        context: DownloadContext,
        unpacker: Unpacker,
        sources: Callable[[str], Sequence[Source]],
        announce: Callable[[], None],
    ) -> None:
        """`announce` is called when what others should be told of the library has changed."""
        self.operations = Operations(self._operations_changed)
        self._library = library
        self._catalog = catalog
        self._context = context
        self._unpacker = unpacker
        self._sources = sources
        self._announce = announce

    def download(self, game_id: str, *, install: bool) -> None:
        """Begin to download a game from all eligible sources."""
        sources = self._check_obtainable(game_id)
        download = Download(self._context, self._library.games_dir, self._catalog[game_id], sources)
        work = self._download(game_id, download, install=install)
        self._begin(game_id, "Downloading", work)

    def stream_install(self, game_id: str) -> None:
        """Begin to install a game straight from a source's archives."""
        sources = self._check_obtainable(game_id)
        version = self._catalog[game_id].version
        streamed = StreamedInstall(self._context, self._library.root(game_id), version, sources)
        work = self._stream_install(game_id, streamed)
        self._begin(game_id, "StreamInstalling", work)

    def install(self, game_id: str) -> None:
        """Begin to extract a downloaded game."""
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.downloaded or not self._has_archives(game_id):
            raise CommandError(
                "nothing-to-install", f"there is no downloaded archive of {game_id} to install"
            )
        self._begin(game_id, "Installing", self._install(game_id))

    def uninstall(self, game_id: str) -> None:
        """Begin to remove an installed game's `local/`."""
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.installed:
            raise CommandError("nothing-to-uninstall", f"{game_id} is not installed")
        self._begin(game_id, "Uninstalling", self._uninstall(game_id))

    def remove(self, game_id: str) -> None:
        """Begin to delete the downloaded files of a game that is not installed."""
        try:
            check_game_id(game_id)
        except UnsafeName as error:
            raise CommandError("nothing-to-remove", str(error)) from error
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is not None and game.installed:
            raise CommandError("still-installed", f"{game_id} is installed; uninstall it first")
        left = staging.interrupted(self._library.games_dir, self._context.state_dir, game_id)
        if game is None and left is None:
            raise CommandError("nothing-to-remove", f"{game_id} is not downloaded")
        self._begin(game_id, "Removing", self._remove(game_id))

    async def play(self, command: messages.Play) -> messages.PlayOutcome:
        """Stamp the launch settings of an installed game, once per install."""
        game_id = command.game_id
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.installed:
            raise CommandError("not-installed", f"{game_id} is not installed")
        try:
            outcome = await asyncio.to_thread(
                apply_launch_settings,
                self._library.root(game_id) / transaction.LOCAL,
                self._context.state_dir,
                game_id,
                command.username,
                command.language,
            )
        except ValueError as error:
            raise CommandError("bad-argument", f"Bad arguments of play: {error}") from error
        except OSError as error:
            raise CommandError("write-failed", f"cannot stamp {game_id}: {error}") from error
        return messages.PlayOutcome(
            already_applied=outcome.already_applied,
            account_name_written=outcome.account_name_written,
            language_written=outcome.language_written,
            persona_name_written=outcome.persona_name_written,
        )

    async def library_changed(self, game_ids: frozenset[str]) -> None:
        """Look at these games on disk again (at all when empty), and tell what changed."""
        if await self._library.rescan(game_ids):
            self._context.emit(messages.LocalLibraryChanged(games=self._library.rows()))
            self._announce()

    def _check_obtainable(self, game_id: str) -> Sequence[Source]:
        if game_id not in self._catalog:
            raise CommandError("not-in-catalog", f"game {game_id} is not in the local catalog")
        self.operations.check_free(game_id)
        sources = self._sources(game_id)
        if not sources:
            raise CommandError("no-peers", f"no peers have game {game_id}")
        return sources

    def _has_archives(self, game_id: str) -> bool:
        return any(transaction.archives_of(self._library.root(game_id)))

    def _operations_changed(self) -> None:
        self._context.emit(
            messages.ActiveOperationsChanged(active_operations=self.operations.rows())
        )
        self._announce()

    def _begin(
        self, game_id: str, operation: messages.Operation, work: Coroutine[Any, Any, None]
    ) -> None:
        self.operations.begin(game_id, operation, self._see_through(game_id, work))

    async def _see_through(self, game_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Run an operation; a defect in it must not leave the game under it for ever."""
        try:
            await work
        except Exception:  # noqa: BLE001 - the outermost edge: every operation ends in an event
            traceback.print_exc()
            failed = _FAILED[self.operations.of(game_id)]
            reason = "The peer has a defect, see its stderr."
            await self._settle(
                game_id, failed(game_id=game_id, code="internal-error", reason=reason)
            )

    async def _settle(self, game_id: str, terminal: messages.Event) -> None:
        await self.library_changed(frozenset([game_id]))
        self.operations.end(game_id)
        self._context.emit(terminal)

    async def _download(self, game_id: str, download: Download, *, install: bool) -> None:
        finished = await self._obtain(game_id, download)
        if finished is None:
            return
        if not install or not self._has_archives(game_id):
            await self._settle(game_id, finished)
            return
        await self._go_on_installing(game_id, finished)
        await self._install(game_id)

    async def _stream_install(self, game_id: str, streamed: StreamedInstall) -> None:
        game = self._library.game(game_id)
        if game is not None and game.installed:
            reason = f"{game_id} is already installed; uninstall it first"
            failed = messages.DownloadFailed(
                game_id=game_id, code="already-installed", reason=reason
            )
            await self._settle(game_id, failed)
            return
        finished = await self._obtain(game_id, streamed)
        if finished is None:
            return
        root, state_dir = self._library.root(game_id), self._context.state_dir

        def commit() -> None:
            try:
                transaction.commit_staging(root, state_dir)
            except InstallError:
                streamed.discard()
                raise

        await self._go_on_installing(game_id, finished)
        # Not interruptible: everything is there, and a commit must not be torn.
        await self._finish_install(game_id, run_to_end(self._context.pool, commit))

    async def _obtain(
        self, game_id: str, source: Download | StreamedInstall
    ) -> messages.DownloadFinished | None:
        """See a download or stream through; settle it when it does not succeed."""
        failed: messages.Event
        try:
            throughput = await self.operations.interruptible(game_id, source.run())
        except PeersGoneError:
            failed = messages.DownloadPeersGone(game_id=game_id)
        except DownloadError as error:
            failed = messages.DownloadFailed(game_id=game_id, code=error.code, reason=str(error))
        except asyncio.CancelledError:
            failed = messages.DownloadCancelled(game_id=game_id)
        else:
            return messages.DownloadFinished(game_id=game_id, throughput=throughput)
        await self._settle(game_id, failed)
        return None

    async def _go_on_installing(self, game_id: str, finished: messages.DownloadFinished) -> None:
        await self.library_changed(frozenset([game_id]))
        self.operations.switch(game_id, "Installing")
        self._context.emit(finished)

    async def _install(self, game_id: str) -> None:
        root = self._library.root(game_id)

        cancelled = threading.Event()

        def install() -> None:
            transaction.install(root, self._context.state_dir, self._unpacker, cancelled)

        work = run_to_outcome(self._context.pool, install, cancelled.set)
        await self._finish_install(game_id, self.operations.interruptible(game_id, work))

    async def _finish_install(self, game_id: str, work: Coroutine[Any, Any, None]) -> None:
        self._context.emit(messages.InstallBegin(game_id=game_id))
        try:
            await work
        except InstallError as error:
            failed = messages.InstallFailed(game_id=game_id, code=error.code, reason=error.reason)
            await self._settle(game_id, failed)
        except asyncio.CancelledError:  # before it began
            cancelled = InstallCancelled()
            failed = messages.InstallFailed(
                game_id=game_id, code=cancelled.code, reason=cancelled.reason
            )
            await self._settle(game_id, failed)
        else:
            await self._settle(game_id, messages.InstallFinished(game_id=game_id))

    async def _uninstall(self, game_id: str) -> None:
        root = self._library.root(game_id)
        try:
            await run_to_end(self._context.pool, lambda: transaction.uninstall(root))
        except InstallError as error:
            failed = messages.UninstallFailed(game_id=game_id, code=error.code, reason=str(error))
            await self._settle(game_id, failed)
        else:
            await self._settle(game_id, messages.UninstallFinished(game_id=game_id))

    def _remove_files(self, root: Path) -> None:
        left = staging.interrupted(root.parent, self._context.state_dir, root.name)
        if left is not None:
            left.roll_back()
        if self._library.game(root.name) is not None:
            remove_downloaded(root)

    async def _remove(self, game_id: str) -> None:
        root = self._library.root(game_id)
        try:
            await run_to_end(self._context.pool, lambda: self._remove_files(root))
        except OSError as error:
            failed = messages.RemoveFailed(
                game_id=game_id, code="write-failed", reason=f"cannot remove {game_id}: {error}"
            )
            await self._settle(game_id, failed)
        else:
            await self._settle(game_id, messages.RemoveFinished(game_id=game_id))
