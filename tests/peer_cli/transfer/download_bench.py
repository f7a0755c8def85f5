"""The downloading side of a download, and what it has to hold in the end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from headless.envelope import Event
from network.limits import RateLimiter
from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.transfer.download import Download
from peer_cli.transfer.fetch import DownloadContext, Source
from tests.peer_cli.gate import Gate
from tests.peer_cli.transfer.game_files import (
    CHUNK,
    Files,
    content,
    read_files,
)

TIMEOUT_S = 10.0
GAME = {
    "version.ini": b"1\n",
    "a.eti": content("a", 4 * CHUNK),
    "b.bin": content("b", CHUNK + 1),
    "deep/er/c.bin": content("c", 7),
    "empty.bin": b"",
}
OLD = {"version.ini": b"0\n", "a.eti": b"old", "gone.bin": b"old"}

_E = TypeVar("_E", bound=Event)


class Bench:
    """The downloading side."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.games_dir, self.state_dir = folder / "games", folder / "state"
        self.games_dir.mkdir()
        self.state_dir.mkdir()
        self.root = self.games_dir / "g"
        self.events: list[Event] = []
        self.reader = Gate()
        self.stall_s = TIMEOUT_S
        self.banned: list[tuple[str, str]] = []
        self._pool = pool

    async def download(
        self, sources: list[Source], *, content_digest: bytes | None = None
    ) -> messages.Throughput:
        context = DownloadContext(
            self.state_dir,
            RateLimiter(None),
            self._pool,
            self.stall_s,
            self.events.append,
            self.reader.caught_up,
            lambda game_id, source, _: self.banned.append((game_id, source.peer_id)),
        )
        entry = CatalogEntry("g", "1", content_digest=content_digest)
        return await Download(context, self.games_dir, entry, sources).run()

    def of(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.events if isinstance(event, kind)]

    def check_complete(self, files: Files = GAME) -> None:
        assert read_files(self.root) == files
        self.check_no_staging()

    def check_no_staging(self) -> None:
        assert not (self.root / ".lanspread").exists()
        assert list((self.state_dir / "downloads").glob("*")) == []

    def check_chunks(self, files: Files = GAME) -> None:
        """Every byte was told exactly once, and is of the source that the event names."""
        told = self.of(messages.DownloadChunkFinished)
        for path, data in files.items():
            chunks = sorted((e for e in told if e.relative_path == f"g/{path}"), key=offset_of)
            lengths = [min(CHUNK, len(data) - at) for at in range(0, max(len(data), 1), CHUNK)]
            assert [chunk.length for chunk in chunks] == lengths, path
            for number, chunk in enumerate(chunks):
                assert chunk.offset == number * CHUNK
                position = chunk.offset
                for part in sorted(chunk.ranges, key=lambda r: r.offset):
                    assert part.offset == position
                    position += part.length
                assert position == chunk.offset + chunk.length
                assert chunk.ranges[-1].peer_id == chunk.peer_id

    def delivered(self) -> Counter[str]:
        """How many bytes each source has delivered."""
        counter: Counter[str] = Counter()
        for chunk in self.of(messages.DownloadChunkFinished):
            for part in chunk.ranges:
                counter[part.peer_id] += part.length
        return counter


def offset_of(event: messages.DownloadChunkFinished) -> int:
    return event.offset


def run(folder: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def limited() -> None:
        with ThreadPoolExecutor(8) as pool:
            async with asyncio.timeout(TIMEOUT_S):
                await scenario(Bench(folder, pool))

    asyncio.run(limited())
