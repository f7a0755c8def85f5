"""Downloads whose trouble is on this side: the disk, and being cancelled."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peer_cli import messages
from peer_cli.transfer import receive
from peer_cli.transfer.download import DownloadError
from peer_cli.transfer.staging import Staging, staging_of
from tests.peer_cli.transfer.download_bench import GAME, OLD, TIMEOUT_S, Bench, run
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    CHUNK,
    Files,
    content,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.scripted_source import ScriptedSource, listening


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


def test_a_write_error_is_told_at_once_and_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        """`os`, but one of the files takes no byte."""

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def open(self, path: Path, flags: int) -> int:
            return os.open("/dev/full" if path.name == "b.bin" else path, flags)

    async def scenario(bench: Bench) -> None:
        write_files(bench.root, OLD)
        monkeypatch.setattr(receive, "os", FullDisk())
        async with listening(ScriptedSource("a", GAME), ScriptedSource("b", GAME)) as sources:
            with pytest.raises(DownloadError) as caught:
                await bench.download(sources)
        assert caught.value.code == "write-failed"
        bench.check_no_staging()
        assert read_files(bench.root) == OLD

    run(tmp_path, scenario)


def test_too_little_space_is_known_before_a_byte_flows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Staging, "lacking_space", lambda staging, needed: 5)

    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        async with listening(source) as sources:
            with pytest.raises(DownloadError, match="5 bytes too few") as caught:
                await bench.download(sources)
        assert caught.value.code == "write-failed"
        assert source.asked == []
        assert not bench.root.exists()
        bench.check_no_staging()

    run(tmp_path, scenario)


def test_a_root_that_cannot_be_made_is_a_write_error(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.root.write_text("in the way")
        async with listening(ScriptedSource("a", GAME)) as sources:
            with pytest.raises(DownloadError) as caught:
                await bench.download(sources)
        assert caught.value.code == "write-failed"
        assert bench.root.read_text() == "in the way"

    run(tmp_path, scenario)


def test_an_interrupted_download_fetches_only_what_is_missing(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        staging = staging_of(bench.games_dir, bench.state_dir, manifest_of(GAME))
        staging.open()
        staging.create_files()
        damaged = bytearray(GAME["a.eti"])
        damaged[BLOCK + 1] ^= 1
        write_files(staging.new, {"a.eti": bytes(damaged), "b.bin": GAME["b.bin"]})
        source = ScriptedSource("a", GAME)
        async with listening(source) as sources:
            throughput = await bench.download(sources)
        bench.check_complete()
        wanted = sorted((r.path, r.offset, r.length) for r in source.asked)
        assert wanted == [
            ("a.eti", BLOCK, BLOCK),
            ("deep/er/c.bin", 0, 7),
            ("empty.bin", 0, 0),
            ("version.ini", 0, 2),
        ]
        assert throughput.bytes == BLOCK + 7 + 2
        total = sum(map(len, GAME.values()))
        progress = bench.of(messages.DownloadProgress)
        assert [progress[0].downloaded_bytes, progress[-1].downloaded_bytes] == [
            total - throughput.bytes,
            total,
        ]

    run(tmp_path, scenario)


def test_many_small_files_share_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer_cli.transfer.plan.MAX_RANGES", 8)
    game = {"version.ini": b"1\n"} | {f"{n:02}.bin": content(str(n), n % 7) for n in range(40)}

    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", game)
        async with listening(source) as sources:
            throughput = await bench.download(sources)
        bench.check_complete(game)
        assert throughput.chunks == 41
        assert len(source.asked) == 41

    run(tmp_path, scenario)


# --- cancelling -------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, OLD], ids=["new", "update"])
@pytest.mark.parametrize("served", [0, CHUNK + 5])
def test_a_cancelled_download_is_rolled_back(
    tmp_path: Path, before: Files | None, served: int
) -> None:
    async def scenario(bench: Bench) -> None:
        if before:
            write_files(bench.root, before)
        source = ScriptedSource("a", GAME)
        source.fault, source.fault_after = "stalls", served
        async with listening(source) as sources:
            downloading = asyncio.create_task(bench.download(sources))
            await source.connected.wait()
            downloading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await downloading
        bench.check_no_staging()
        assert read_files(bench.root) == (before or {})
        assert bench.root.exists() == bool(before)

    run(tmp_path, scenario)


class Gate:
    """Holds up a step of the download in its thread."""

    def __init__(self) -> None:
        self.reached, self.opened, self.passed = (threading.Event() for _ in range(3))

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.reached.set()
            assert self.opened.wait(TIMEOUT_S)
            try:
                return original(*arguments)
            finally:
                self.passed.set()

        return call


@pytest.mark.parametrize("step", ["open", "held", "create_files", "commit", "roll_back"])
def test_a_cancel_at_any_step_leaves_nothing_or_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    gate = Gate()
    monkeypatch.setattr(Staging, step, gate.around(getattr(Staging, step)))

    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        if step == "roll_back":
            source.fault = "dies"
        async with listening(source) as sources:
            downloading = asyncio.create_task(bench.download(sources))
            await asyncio.to_thread(gate.reached.wait, TIMEOUT_S)
            downloading.cancel()
            # As far as it gets without the thread: to its end, if it forgets to wait for it.
            await asyncio.wait([downloading], timeout=0.2)
            gate.opened.set()
            await asyncio.to_thread(gate.passed.wait, TIMEOUT_S)
            await asyncio.wait([downloading])
        if step == "commit":  # too late: it is done
            bench.check_complete()
        else:
            bench.check_no_staging()
            assert not bench.root.exists()

    run(tmp_path, scenario)
