"""Low limits of the rate on the legacy wire."""

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest

from network.address import Address
from network.limits import RateLimiter
from sync_cli.legacy import stream, wire
from sync_cli.legacy.fetch import Fetcher
from sync_cli.legacy.files import Incoming
from sync_cli.legacy.serve import LegacyServer

LOW = 512 << 10
CONTENT = bytes(4 * LOW)  # more than is read at a time without a limit


def test_a_source_with_a_low_limit_is_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "OPERATION_S", 1.0)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.txt").write_bytes(CONTENT)

    async def run() -> None:
        server = LegacyServer(tmp_path / "there", RateLimiter(LOW))
        fetcher = Fetcher(partial(Incoming, tmp_path), None, RateLimiter(None))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            holder = wire.Holder("127.0.0.1", listening.getsockname()[1], 1_700_000_000)
            fetching = asyncio.create_task(fetcher.fetch("a.txt", holder, lambda _: None))
            there, _ = await asyncio.get_running_loop().sock_accept(listening)
            there.setblocking(False)
            await server.greet(there, Address("127.0.0.1", 1))
            await fetching
        await server.stop()

    asyncio.run(run())
    assert (tmp_path / "a.txt").read_bytes() == CONTENT
