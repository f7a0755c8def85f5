"""The operations on games: download, install, uninstall, remove; each ends in a terminal event.

Every operation ends the same way: rescan the disk, release the game, tell the other peers, then
emit the terminal event, so that a command sent in response finds everything settled.
"""

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from headless.envelope import CommandError, Event
from headless.threads import run_to_end, run_to_outcome
from peer_cli import messages
from peer_cli.catalog import Catalog
from peer_cli.install import transaction
from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.launch_settings import apply_launch_settings
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.library import Library
from peer_cli.names import check_game_id
from peer_cli.operations import Operations
from peer_cli.transfer.download import Download, DownloadError, PeersGoneError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.recovery import interrupted
from peer_cli.transfer.removal import is_downloaded, remove_downloaded
from peer_cli.transfer.staging import UnsettledError
from peer_cli.transfer.streamed import StreamedInstall
from store.names import UnsafeName

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
    """Runs the operations. Commands that cannot start raise CommandError."""

    def __init__(
        self,
        library: Library,
        catalog: Catalog,
        context: DownloadContext,
        unpacker: Unpacker,
        sources: Callable[[str], Sequence[Source]],
        announce: Callable[[], None],
        *,
        read_only: bool,
    ) -> None:
        """`announce` is called when the library that other peers see has changed.

        `read_only` refuses every operation.
        """
        self.operations = Operations(self._operations_changed)
        self._library = library
        self._catalog = catalog
        self._context = context
        self._unpacker = unpacker
        self._sources = sources
        self._announce = announce
        self._read_only = read_only

    def download(self, game_id: str, *, install: bool) -> None:
        """Start to download a game from all eligible sources."""
        sources = self._check_obtainable(game_id)
        download = Download(self._context, self._library.games_dir, self._catalog[game_id], sources)
        work = self._download(game_id, download, install=install)
        self._begin(game_id, "Downloading", work)

    def stream_install(self, game_id: str) -> None:
        """Start to install a game straight from a source's archives."""
        sources = self._check_obtainable(game_id)
        root, entry = self._library.root(game_id), self._catalog[game_id]
        streamed = StreamedInstall(self._context, root, entry, self._unpacker, sources)
        work = self._stream_install(game_id, streamed)
        self._begin(game_id, "StreamInstalling", work)

    def install(self, game_id: str) -> None:
        """Start to extract a downloaded game."""
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.downloaded or not self._has_archives(game_id):
            raise CommandError(
                "nothing-to-install", f"there is no downloaded archive of {game_id} to install"
            )
        self._check_writable()
        self._begin(game_id, "Installing", self._install(game_id))

    def uninstall(self, game_id: str) -> None:
        """Start to remove an installed game's `local/`."""
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.installed:
            raise CommandError("nothing-to-uninstall", f"{game_id} is not installed")
        self._check_writable()
        self._begin(game_id, "Uninstalling", self._uninstall(game_id))

    def remove(self, game_id: str) -> None:
        """Start to delete the downloaded files of a game that is not installed."""
        try:
            check_game_id(game_id)
        except UnsafeName as error:
            raise CommandError("nothing-to-remove", str(error)) from error
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is not None and game.installed:
            raise CommandError("still-installed", f"{game_id} is installed; uninstall it first")
        try:
            left = interrupted(self._library.games_dir, self._context.state_dir, game_id)
        except OSError as error:
            raise CommandError("unreadable", f"cannot tell what is there: {error}") from error
        if game is None and left is None:
            raise CommandError("nothing-to-remove", f"{game_id} is not downloaded")
        self._check_writable()
        self._begin(game_id, "Removing", self._remove(game_id))

    async def play(self, command: messages.Play) -> messages.PlayOutcome:
        """Stamp the launch settings into an installed game, once per install."""
        game_id = command.game_id
        self.operations.check_free(game_id)
        game = self._library.game(game_id)
        if game is None or not game.installed:
            raise CommandError("not-installed", f"{game_id} is not installed")
        self._check_writable()
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
        """Rescan these games (all if empty), and announce what changed."""
        if await self._library.rescan(game_ids):
            self.announce_library()

    def announce_library(self) -> None:
        """Announce the library, to the user and to other peers."""
        self._context.emit(messages.LocalLibraryChanged(games=self._library.rows()))
        self._announce()

    def _check_obtainable(self, game_id: str) -> Sequence[Source]:
        if game_id not in self._catalog:
            raise CommandError("not-in-catalog", f"game {game_id} is not in the local catalog")
        self.operations.check_free(game_id)
        sources = self._sources(game_id)
        if not sources:
            raise CommandError("no-peers", f"no peers have game {game_id}")
        self._check_writable()
        return sources

    def _check_writable(self) -> None:
        if self._read_only:
            raise CommandError("read-only", "this peer was started with --read-only")

    def _has_archives(self, game_id: str) -> bool:
        try:
            return any(transaction.archives_of(self._library.root(game_id)))
        except OSError:
            return True  # the install reports why they cannot be read

    def _operations_changed(self) -> None:
        self._context.emit(
            messages.ActiveOperationsChanged(active_operations=self.operations.rows())
        )
        self._announce()

    def _begin(
        self, game_id: str, operation: messages.Operation, work: Coroutine[Any, Any, None]
    ) -> None:
        self.operations.begin(game_id, operation, self._run_operation(game_id, work))

    async def _run_operation(self, game_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Run an operation; a bug in it must not leave the game busy for ever."""
        try:
            await work
        except Exception:  # noqa: BLE001 - the outermost edge: every operation ends in an event
            traceback.print_exc()
            failed = _FAILED[self.operations.of(game_id)]
            reason = "The peer has a bug; see its stderr."
            await self._settle(
                game_id, failed(game_id=game_id, code="internal-error", reason=reason)
            )

    async def _settle(self, game_id: str, terminal: Event) -> None:
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
        await self._continue_with_install(game_id, finished)
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

        await self._continue_with_install(game_id, finished)
        # Not interruptible: every byte is there, and nothing may interrupt the commit.
        await self._finish_install(game_id, run_to_end(self._context.pool, commit))

    async def _obtain(
        self, game_id: str, source: Download | StreamedInstall
    ) -> messages.DownloadFinished | None:
        """Run a download or stream to its end; settle the game if that fails."""
        failed: Event
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

    async def _continue_with_install(
        self, game_id: str, finished: messages.DownloadFinished
    ) -> None:
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
            failed = messages.InstallFailed(game_id=game_id, code=error.code, reason=str(error))
            await self._settle(game_id, failed)
        except asyncio.CancelledError:  # cancelled before it began
            cancelled = InstallCancelled()
            failed = messages.InstallFailed(
                game_id=game_id, code=cancelled.code, reason=str(cancelled)
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
        left = interrupted(root.parent, self._context.state_dir, root.name)
        if left is not None:
            with contextlib.suppress(OSError):  # rolled back, so the older version is removed too
                left.settle()
            left.roll_back()
        if is_downloaded(root):
            remove_downloaded(root)

    async def _remove(self, game_id: str) -> None:
        root = self._library.root(game_id)
        try:
            await run_to_end(self._context.pool, lambda: self._remove_files(root))
        except (OSError, UnsettledError) as error:
            failed = messages.RemoveFailed(
                game_id=game_id, code="write-failed", reason=f"cannot remove {game_id}: {error}"
            )
            await self._settle(game_id, failed)
        else:
            await self._settle(game_id, messages.RemoveFinished(game_id=game_id))
