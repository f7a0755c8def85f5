"""The own library as it is now: rows, content, and what others are told of it."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from peer_cli import messages
from peer_cli.library import scan
from peer_cli.library.index import ContentIndex
from peer_cli.names import check_served_path, resolve_served
from peer_cli.network import wire


class Library:
    """The games folder: rows kept in step by rescans, content through the index.

    Lives on the event loop; disk work happens in threads.
    """

    def __init__(self, games_dir: Path, index: ContentIndex) -> None:
        self.games_dir = games_dir
        self._index = index
        self._games: dict[str, scan.LocalGame] = {}
        self._scanning = asyncio.Lock()

    def game(self, game_id: str) -> scan.LocalGame | None:
        """Return the row of a game, None when it is not listed."""
        return self._games.get(game_id)

    def rows(self) -> list[messages.LocalGameRow]:
        """Return the rows of all listed games in order of their ids."""
        return [
            messages.LocalGameRow(
                id=game.id,
                version=game.version,
                downloaded=game.downloaded,
                installed=game.installed,
                availability=game.availability,
                size=game.size,
            )
            for _, game in sorted(self._games.items())
        ]

    def advertised(self, hidden: set[str]) -> list[wire.Game]:
        """Return what others are told: all listed games but the hidden ones."""
        return [
            wire.Game(
                id=row.id,
                version=row.version,
                availability=row.availability,
                downloaded=row.downloaded,
                installed=row.installed,
                size=row.size,
            )
            for row in self.rows()
            if row.id not in hidden
        ]

    async def rescan(self, game_ids: frozenset[str] = frozenset()) -> bool:
        """Look at the disk again, at the given games or at all; tell whether rows changed."""
        async with self._scanning:
            if game_ids:
                found = await asyncio.to_thread(self._scan_some, game_ids)
                games = {k: v for k, v in self._games.items() if k not in game_ids} | found
            else:
                games = await asyncio.to_thread(scan.scan_library, self.games_dir)
            changed = games != self._games
            self._games = games
            return changed

    def root(self, game_id: str) -> Path:
        """Return the folder of a game, which need not exist."""
        return self.games_dir / game_id

    def files(
        self,
        game_id: str,
        cancelled: threading.Event,
        on_progress: Callable[[int, int], None],
    ) -> list[wire.File]:
        """Hash what is not in the index yet, and return the files of a game. Blocking.

        `on_progress` gets bytes done and bytes in all. Raises OSError, index.FileChanged, and
        InterruptedError when cancelled; UnsafeName when a link changed under it.
        """
        root = self.root(game_id)
        served = scan.served_files(root)
        total = sum(file.size for file in served)
        done = 0

        def progress(hashed: int) -> None:
            nonlocal done
            if cancelled.is_set():
                raise InterruptedError
            done += hashed
            on_progress(done, total)

        files: list[wire.File] = []
        for file in served:
            path = resolve_served(root, check_served_path(file.relative_path))
            blocks = self._index.file_blocks(path, on_progress=progress)
            files.append(wire.File(file.relative_path, file.size, list(blocks)))
        return files

    def _scan_some(self, game_ids: frozenset[str]) -> dict[str, scan.LocalGame]:
        found = {game_id: scan.scan_game(self.root(game_id)) for game_id in game_ids}
        return {game_id: game for game_id, game in found.items() if game is not None}
