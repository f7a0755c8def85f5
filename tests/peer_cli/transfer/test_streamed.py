"""What a streamed install tells while it receives; whole ones are in tests/peer_cli/streamed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from headless.envelope import Event
from network.address import Address
from network.limits import RateLimiter
from peer_cli.transfer.dataplane import TransferCancelledError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.streamed import EVENTS_AT_ONCE, _Attempt
from tests.peer_cli.gate import Gate

ENTRIES = 3 * EVENTS_AT_ONCE


@pytest.mark.parametrize("cancelled", [False, True])
def test_no_more_entries_are_taken_while_nobody_reads_of_them(
    tmp_path: Path, cancelled: bool
) -> None:
    async def scenario() -> None:
        events: list[Event] = []
        reader = Gate()
        reader.open.clear()
        source = Source("a", Address("127.0.0.1", 1), Mock())
        with ThreadPoolExecutor(1) as pool:
            context = DownloadContext(
                tmp_path, RateLimiter(None), pool, 5.0, events.append, reader.caught_up, Mock()
            )
            attempt = _Attempt(context, "g", source)

            def receive() -> None:
                for number in range(ENTRIES):
                    attempt.on_file(f"{number}", 1)

            receiving = asyncio.get_running_loop().run_in_executor(pool, receive)
            await reader.asked.wait()
            assert len(events) == EVENTS_AT_ONCE
            if cancelled:
                attempt.cancel(lambda: None)
                with pytest.raises(TransferCancelledError):
                    await receiving
            else:
                reader.open.set()
                await receiving
                await asyncio.sleep(0)
            assert len(events) == (EVENTS_AT_ONCE if cancelled else ENTRIES)

    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())
