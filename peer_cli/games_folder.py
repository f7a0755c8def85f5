"""Owns the peer's games folder: locks it, and recovers it before anything is shown."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from headless.threads import run_to_end
from peer_cli.install import transaction
from peer_cli.library.folder import LibraryError, claim_games_dir
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.settings import Settings
from peer_cli.startup import report
from peer_cli.transfer import recovery
from store.folder_lock import FolderLock


class GamesFolder:
    """Holds the locks of the games folder and the state folder until `close`."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        index: ContentIndex,
        games_lock: FolderLock,
        state_lock: FolderLock,
    ) -> None:
        self._settings = settings
        self._library = library
        self._index = index
        self._games_lock = games_lock
        self._state_lock = state_lock
        self._moving = asyncio.Lock()

    def recover(self, games_dir: Path) -> None:
        """Recover a games folder after a crash. Blocking."""
        if self._settings.read_only:
            return
        recovery.recover(games_dir, self._settings.state_dir, report)
        for problem in transaction.recover(games_dir):
            report(problem)
        self._index.forget_missing(games_dir)

    async def move(self, text: str, check_idle: Callable[[], None]) -> bool:
        """Switch to another games folder; tell whether the library's rows changed.

        Raises LibraryError, and whatever `check_idle` raises when operations are active; the peer
        then keeps its folder.
        """
        async with self._moving:
            check_idle()
            path, lock = await asyncio.to_thread(self._claim, text)
            left_behind = lock
            try:
                if lock is not self._games_lock:
                    await run_to_end(None, partial(self.recover, path))
                # Check again: an operation may have started meanwhile.
                changed = await self._library.move(path, check_idle)
                left_behind, self._games_lock = self._games_lock, lock
            finally:
                if left_behind not in (self._games_lock, self._state_lock):
                    left_behind.release()
        return changed

    def close(self) -> None:
        """Release the locks."""
        for lock in {self._games_lock, self._state_lock}:
            lock.release()

    def _claim(self, text: str) -> tuple[Path, FolderLock]:
        """Lock a games folder, unless this peer has it locked."""
        if not text:
            raise LibraryError("The path of the games folder is empty.")
        path = Path(text).absolute()
        for lock in (self._games_lock, self._state_lock):
            with contextlib.suppress(OSError, ValueError):  # what follows reports the error
                if lock.is_of(path):
                    return path, lock
        settings = self._settings
        return path, claim_games_dir(path, settings.name, report, read_only=settings.read_only)
