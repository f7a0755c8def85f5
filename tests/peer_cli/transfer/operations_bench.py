"""Games of one folder without a peer around, and what they tell."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headless.envelope import CommandError, Event
from network.limits import RateLimiter
from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.games import Games
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.transfer.fetch import DownloadContext, Source
from tests.peer_cli.gate import Gate
from tests.peer_cli.transfer.game_files import content

TIMEOUT_S = 10.0
GAME = {"version.ini": b"1\n", "a.bin": content("a", 50_000)}
CANCELLABLE: tuple[messages.Operation, ...] = ("Downloading", "StreamInstalling")


class Bench:
    """Games of one folder, and the events they told with what was active at that moment."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.root = folder / "games" / "g"
        (folder / "state").mkdir()
        (folder / "games").mkdir(exist_ok=True)
        self.index = ContentIndex(folder / "state" / "index.db")
        self.library = Library(folder / "games", self.index, print)
        self.told: list[tuple[Event, bool, bool]] = []
        self.sources: list[Source] = []
        self.announced: list[set[str]] = []
        context = DownloadContext(
            folder / "state", RateLimiter(None), pool, TIMEOUT_S, self._emit, Gate().caught_up,
            lambda *_: None,
        )  # fmt: skip
        self.games = Games(
            self.library,
            {"g": CatalogEntry("g", "1"), "h": CatalogEntry("h", "1")},
            context,
            Unpacker(fixture=True),
            lambda game_id: self.sources if game_id == "g" else [],
            self._announce,
            read_only=False,
        )
        self._ended = asyncio.Event()

    def _emit(self, event: Event) -> None:
        listed = self.library.game("g") is not None
        self.told.append((event, bool(self.games.operations.rows()), listed))
        if isinstance(event, messages.ActiveOperationsChanged | messages.DownloadProgress):
            return
        self._ended.set()

    def _announce(self) -> None:
        games = self.library.advertised(self.games.operations.games())
        self.announced.append({game.id for game in games})

    async def until(self, *kinds: type[Event]) -> Event:
        """Wait until an event of one of these kinds was told; return it."""
        while True:
            for event, _, _ in self.told:
                if isinstance(event, kinds):
                    return event
            self._ended.clear()
            await self._ended.wait()

    def terminals(self) -> list[tuple[str, bool, bool]]:
        """The terminal events: name, whether an operation was active, whether it was listed."""
        ends = ("-finished", "-failed", "-cancelled", "-gone")
        return [
            (event.event, active, listed)
            for event, active, listed in self.told
            if event.event.endswith(ends) and not event.event.startswith("download-chunk")
        ]

    async def cancel(self) -> None:
        await self.games.operations.cancel("g", CANCELLABLE)


def run(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def limited() -> None:
        with ThreadPoolExecutor(8) as pool:
            bench = Bench(folder, pool)
            try:
                await bench.library.rescan()
                async with asyncio.timeout(TIMEOUT_S):
                    await scenario(bench)
            finally:
                bench.index.close()

    asyncio.run(limited())


def refused(work: Callable[[], None]) -> tuple[str, str]:
    with pytest.raises(CommandError) as caught:
        work()
    return caught.value.code, str(caught.value)
