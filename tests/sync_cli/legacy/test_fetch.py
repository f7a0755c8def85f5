"""What a fetch from a legacy peer leaves."""

import asyncio
import threading
from pathlib import Path

import pytest

from network.limits import RateLimiter
from sync_cli.legacy import wire
from sync_cli.legacy.fetch import Fetcher
from sync_cli.legacy.files import Incoming

PATIENCE_S = 10.0


class Slow(Incoming):
    """One that takes long to be opened, as on a busy disk."""

    def __init__(self, folder: Path, name: str, length: int) -> None:
        super().__init__(folder, name, length)
        self.opening, self.may_go_on, self.opened = (threading.Event() for _ in range(3))

    def open(self) -> None:
        self.opening.set()
        assert self.may_go_on.wait(PATIENCE_S)
        super().open()
        self.opened.set()


def test_a_fetch_that_is_cancelled_while_its_file_is_made_leaves_nothing(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wire.encode_header(5))
        await writer.drain()

    async def scenario() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        holder = wire.Holder("127.0.0.1", server.sockets[0].getsockname()[1], 1_700_000_000)
        incoming = Slow(tmp_path, "a.txt", 5)
        fetcher = Fetcher(lambda *_: incoming, None, RateLimiter(None))
        fetching = asyncio.create_task(fetcher.fetch("a.txt", holder, lambda _: None))
        assert await asyncio.to_thread(incoming.opening.wait, PATIENCE_S)
        fetching.cancel()
        asyncio.get_running_loop().call_soon(incoming.may_go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert await asyncio.to_thread(incoming.opened.wait, PATIENCE_S)
        assert not list((tmp_path / ".sync/legacy").iterdir())
        server.close()

    asyncio.run(scenario())
