"""What a streamed install tells while it receives; whole ones are in tests/peer_cli/streamed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from headless.envelope import Event
from network.address import Address
from network.limits import RateLimiter
from peer_cli.catalog import CatalogEntry
from peer_cli.install.unpacker import Unpacker
from peer_cli.transfer.dataplane import TransferCancelledError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.streamed import EVENTS_AT_ONCE, StreamedInstall, _Attempt
from tests.peer_cli.gate import Gate
from tests.peer_cli.install.rar_bytes import archive, file_block
from tests.peer_cli.transfer.game_files import use_small_blocks
from tests.peer_cli.transfer.scripted_source import ScriptedSource, listening

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


def test_a_source_of_wrong_blocks_is_banned_and_the_next_one_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_blocks(monkeypatch)
    packed = archive(file_block("a", b"content" * 2000))
    game = {"version.ini": b"1\n", "a.eti": packed}

    async def scenario() -> None:
        bad, good = ScriptedSource("bad", game), ScriptedSource("good", game)
        bad.fault, bad.fault_after = "lies", len(packed) // 2
        banned: list[str] = []
        entry = CatalogEntry("g", "1", content_digest=good.manifest.digest())
        with ThreadPoolExecutor(4) as pool:
            async with listening(bad, good) as sources:
                context = DownloadContext(
                    tmp_path, RateLimiter(None), pool, 5.0, Mock(), Gate().caught_up,
                    lambda _, source, reason: banned.append(f"{source.peer_id}: {reason}"),
                )  # fmt: skip
                await StreamedInstall(context, tmp_path / "g", entry, Unpacker(), sources).run()
        assert banned == ["bad: it delivered wrong bytes of a.eti at 4096"]
        [unpacked] = [path for path in (tmp_path / "g").rglob("*") if path.is_file()]
        assert (unpacked.name, unpacked.read_bytes()) == ("a", b"content" * 2000)

    async def limited() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(limited())
