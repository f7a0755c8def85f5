"""This peer's library: its rows, its content, and what other peers are told of it."""

import asyncio
import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from peer_cli import messages
from peer_cli.library import scan
from peer_cli.library.index import ContentIndex, UnreadableBlock, try_block
from peer_cli.names import ServedPaths, check_served_path
from peer_cli.network import wire

_LOOKED_UP = 1000  # files looked up in the index at once, which cannot be interrupted
FILE_WORK = 64 << 10
"""Work units, in bytes to hash, for finding and opening one file. Thousands of tiny files are work
too, and their progress should show."""


class Library:
    """The games folder: rescans keep its rows current, the index provides its content.

    Lives on the event loop; disk work runs in threads.
    """

    def __init__(
        self,
        games_dir: Path,
        index: ContentIndex,
        report: Callable[[str], None],
    ) -> None:
        """`report` gets a line when a problem appears or changes."""
        self.games_dir = games_dir
        self._index = index
        self._report = report
        self._folder_problems: list[str] = []
        self._reported: set[str] = set()
        self._unreadable: dict[str, UnreadableBlock] = {}
        self._games: dict[str, scan.LocalGame] = {}
        self._scanning = asyncio.Lock()

    def game(self, game_id: str) -> scan.LocalGame | None:
        """Return the row of a game, or None if it is not listed."""
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
                problem=msgspec.UNSET if game.problem is None else game.problem,
            )
            for _, game in sorted(self._games.items())
        ]

    def advertised(self, hidden: set[str]) -> list[wire.Game]:
        """Return what other peers see: all listed games that are not hidden and have no problem."""
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
            if row.id not in hidden and row.problem is msgspec.UNSET
        ]

    async def rescan(self, game_ids: frozenset[str] = frozenset()) -> bool:
        """Rescan the given games, or all if empty; tell whether rows changed."""
        async with self._scanning:
            if game_ids:
                found = await asyncio.to_thread(self._scan_some, game_ids)
                games = {k: v for k, v in self._games.items() if k not in game_ids} | found
                problems = None
            else:
                games, problems = await asyncio.to_thread(self._scan_all, self.games_dir)
            return self._take(games, problems)

    async def move(self, games_dir: Path, check: Callable[[], None]) -> bool:
        """Switch to another games folder, unless `check` raises; tell whether rows changed."""
        async with self._scanning:
            games, problems = await asyncio.to_thread(self._scan_all, games_dir)
            check()
            self.games_dir = games_dir
            return self._take(games, problems)

    def root(self, game_id: str) -> Path:
        """Return the folder of a game, which need not exist."""
        return self.games_dir / game_id

    def files(
        self,
        game_id: str,
        cancelled: threading.Event,
        on_progress: Callable[[int, int], None],
    ) -> list[wire.File]:
        """Return the files of a game, hashing what is not in the index yet. Blocking.

        `on_progress` gets the work done and the total: bytes, plus FILE_WORK for each file. Raises
        OSError (also when the game has a problem, see scan.LocalGame), index.FileChanged,
        InterruptedError when cancelled, and UnsafeName when a link changed meanwhile.
        """
        root = Path(os.path.realpath(self.root(game_id)))
        content = scan.look_through(root)
        if (problem := scan.summary(content.problems)) is not None:
            raise OSError(problem)
        served = content.files
        total = sum(file.size + FILE_WORK for file in served)
        done = 0

        def progress(hashed: int) -> None:
            nonlocal done
            if cancelled.is_set():
                raise InterruptedError
            done += hashed
            on_progress(done, total)

        files: list[wire.File] = []
        paths = ServedPaths(root)
        for start in range(0, len(served), _LOOKED_UP):
            some = served[start : start + _LOOKED_UP]
            known = self._index.known([file.place for file in some])
            for file, blocks in zip(some, known, strict=True):
                if blocks is None:
                    path = paths.resolve(check_served_path(file.relative_path))
                    try:
                        blocks = self._index.file_blocks(path, on_progress=progress)
                    except UnreadableBlock as error:
                        self.cannot_read(game_id, error)
                        raise
                progress(FILE_WORK)
                files.append(
                    wire.File(
                        file.relative_path, file.size, list(blocks), file.executable, file.mtime_ns
                    )
                )
        return files

    def cannot_read(self, game_id: str, error: UnreadableBlock) -> None:
        """Record an unreadable block; the next scan makes it the game's problem."""
        self._unreadable[game_id] = error

    def _scan_some(self, game_ids: frozenset[str]) -> dict[str, scan.LocalGame]:
        found = {game_id: scan.scan_game(self.root(game_id)) for game_id in game_ids}
        return {k: self._with_bad_block(game) for k, game in found.items() if game is not None}

    def _scan_all(self, games_dir: Path) -> tuple[dict[str, scan.LocalGame], list[str]]:
        found = scan.scan_library(games_dir)
        return {k: self._with_bad_block(game) for k, game in found.games.items()}, found.problems

    def _with_bad_block(self, game: scan.LocalGame) -> scan.LocalGame:
        """Add the problem that no scan sees: a block that is still unreadable."""
        error = self._unreadable.get(game.id)
        if error is None or game.problem is not None:
            return game
        if not try_block(error):
            problem = f"The file {error.path.name!a} cannot be read: {error.strerror}."
            return dataclasses.replace(
                game, availability=scan.Availability.LOCAL_ONLY, problem=problem
            )
        del self._unreadable[game.id]
        return game

    def _take(self, games: dict[str, scan.LocalGame], problems: list[str] | None) -> bool:
        """Make these the rows; `problems` is None if the folder itself was not scanned."""
        changed = games != self._games
        self._games = games
        if problems is not None:
            self._folder_problems = problems
        current = {
            f"The game {game.id} is not shared: {game.problem}"
            for game in games.values()
            if game.problem is not None
        }.union(self._folder_problems)
        for text in sorted(current - self._reported):
            self._report(text)
        self._reported = current
        return changed
