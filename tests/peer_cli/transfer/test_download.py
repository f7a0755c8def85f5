"""Whole downloads from scripted sources: bytes over real sockets, files on the real disk."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from network import pace
from peer_cli import messages
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question
from peer_cli.transfer import fetch as fetch_module
from peer_cli.transfer.download import DownloadError, PeersGoneError
from tests.peer_cli.transfer.download_bench import GAME, OLD, Bench, run
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
from tests.peer_cli.transfer.scripted_source import Fault, ScriptedSource, listening


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


def test_no_more_is_fetched_while_nobody_reads_of_it(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.reader.open.clear()
        async with listening(ScriptedSource("a", GAME)) as sources, asyncio.TaskGroup() as group:
            group.create_task(bench.download(sources))
            await bench.reader.asked.wait()
            assert bench.of(messages.DownloadBegin)
            assert not bench.of(messages.DownloadChunkFinished)
            bench.reader.open.set()
        bench.check_complete()

    run(tmp_path, scenario)


def test_a_download_from_one_source(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", GAME)) as sources:
            throughput = await bench.download(sources)
        bench.check_complete()
        bench.check_chunks()
        total = sum(map(len, GAME.values()))
        assert (throughput.bytes, throughput.chunks) == (total, 4 + 2 + 3)
        assert throughput.mib_per_s == pytest.approx(
            total / 2**20 / (throughput.duration_ms / 1000)
        )
        assert throughput.mbit_per_s == pytest.approx(
            total * 8 / 1e6 / (throughput.duration_ms / 1000)
        )
        (files,) = bench.of(messages.GotGameFiles)
        assert [(f.relative_path, f.size) for f in files.file_descriptions] == [
            (f"g/{path}", len(data)) for path, data in sorted(GAME.items())
        ]
        (begin,) = bench.of(messages.DownloadBegin)
        assert begin.total_bytes == total
        assert [row.addr for row in begin.sources] == [str(source.addr) for source in sources]
        progress = bench.of(messages.DownloadProgress)
        assert [p.downloaded_bytes for p in (progress[0], progress[-1])] == [0, total]
        kinds = [type(event) for event in bench.events]
        assert kinds[:3] == [
            messages.GotGameFiles,
            messages.DownloadBegin,
            messages.DownloadProgress,
        ]

    run(tmp_path, scenario)


def test_two_equal_sources_share_four_chunks_two_and_two(tmp_path: Path) -> None:
    game = {"version.ini": b"1\n", "a.eti": content("a", 4 * CHUNK)}

    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", game), ScriptedSource("b", game)) as sources:
            await bench.download(sources)
        bench.check_complete(game)
        chunks = [e for e in bench.of(messages.DownloadChunkFinished) if e.length == CHUNK]
        assert Counter(chunk.peer_id for chunk in chunks) == {"a": 2, "b": 2}

    run(tmp_path, scenario)


def test_an_older_version_is_replaced_and_local_kept(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        write_files(bench.root, {**OLD, "local/save": b"mine"})
        async with listening(ScriptedSource("a", GAME)) as sources:
            await bench.download(sources)
        bench.check_complete({**GAME, "local/save": b"mine"})

    run(tmp_path, scenario)


# --- sources that fail ------------------------------------------------------------------------


async def downloaded_beside_a_bad_one(
    bench: Bench, files: Files, fault: Fault, after: int
) -> ScriptedSource:
    """Download from a source with this fault and a good one, which is returned."""
    bad, good = ScriptedSource("bad", files), ScriptedSource("good", files)
    bad.fault, bad.fault_after = fault, after
    good.may_send.clear()  # so that the bad one is at it for sure
    if fault == "stalls":
        bench.stall_s = 0.4  # time enough for the good one
        good.may_send.set()
    async with listening(bad, good) as sources:
        downloading = asyncio.create_task(bench.download(sources))
        await bad.connected.wait()
        good.may_send.set()
        await downloading
    return good


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        *product(("dies", "lies"), (0, 1, BLOCK, 2 * BLOCK + 100, CHUNK + 5)),
        *product(("stalls",), (0, 2 * BLOCK + 100)),
    ],
)
def test_the_survivor_takes_over(tmp_path: Path, fault: Fault, after: int) -> None:
    async def scenario(bench: Bench) -> None:
        good = await downloaded_beside_a_bad_one(bench, GAME, fault, after)
        bench.check_complete()
        bench.check_chunks()
        delivered = bench.delivered()
        # Only whole verified blocks count, and those are not fetched again.
        assert delivered["bad"] == after // BLOCK * BLOCK
        assert delivered["good"] == sum(map(len, GAME.values())) - delivered["bad"]
        assert sum(r.length for r in good.asked) == delivered["good"]
        assert bench.banned == ([] if fault == "dies" else [("g", "bad")])

    run(tmp_path, scenario)


SMALL = {
    "version.ini": b"1\n",
    **{f"many/{n % 3}/{n}": content(str(n), 50) for n in range(40)},
    **{f"empty/{n}": b"" for n in range(3)},
}


@pytest.mark.parametrize(
    ("fault", "after", "counts"),
    [
        ("dies", 0, 0),
        ("dies", 300, 0),  # a half-received group counts for nothing
        ("dies", 700, 500),
        ("lies", 0, 0),
        ("lies", 320, 300),  # whole files before the wrong one count
        ("lies", 700, 700),
        ("stalls", 700, 500),
    ],
)
def test_the_survivor_takes_over_small_files(
    tmp_path: Path, fault: Fault, after: int, counts: int
) -> None:
    async def scenario(bench: Bench) -> None:
        good = await downloaded_beside_a_bad_one(bench, SMALL, fault, after)
        bench.check_complete(SMALL)
        bench.check_chunks(SMALL)
        assert bench.delivered()["bad"] == counts
        assert sum(r.length for r in good.asked) == bench.delivered()["good"]
        assert bench.banned == ([] if fault == "dies" else [("g", "bad")])

    run(tmp_path, scenario)


def test_a_source_that_sleeps_is_not_banned(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.stall_s = 0.1
        asleep = ScriptedSource("asleep", GAME)
        asleep.fault, asleep.is_responsive = "stalls", False
        async with listening(asleep) as sources:
            with pytest.raises(PeersGoneError):
                await bench.download(sources)
        assert bench.banned == []

    run(tmp_path, scenario)


def test_an_idle_source_takes_over_from_one_that_does_not_come_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "BALANCE_S", 0.02)
    monkeypatch.setattr(pace, "SEEN_S", 0.05)

    async def scenario(bench: Bench) -> None:
        slow, fast = ScriptedSource("slow", GAME), ScriptedSource("fast", GAME)
        slow.fault, slow.fault_after = "stalls", BLOCK + 100  # and that is no stall yet
        async with listening(slow, fast) as sources:
            await bench.download(sources)
        bench.check_complete()
        bench.check_chunks()
        assert bench.delivered()["slow"] == BLOCK
        assert bench.banned == []  # it was slow, and that is all that is known

    run(tmp_path, scenario)


def test_who_becomes_idle_takes_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "BALANCE_S", 3600.0)
    monkeypatch.setattr(pace.Rates, "known", lambda _: {"slow": 1.0, "fast": 1e9})
    monkeypatch.setattr(pace.Rates, "proven", lambda _: {"slow"})

    async def scenario(bench: Bench) -> None:
        slow, fast = ScriptedSource("slow", GAME), ScriptedSource("fast", GAME)
        slow.fault, slow.fault_after = "stalls", BLOCK + 100
        async with listening(slow, fast) as sources:
            await bench.download(sources)
        bench.check_complete()
        assert bench.banned == []

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("dies", PeersGoneError, "peers-gone"),
        ("stalls", PeersGoneError, "peers-gone"),
        ("lies", DownloadError, "no-usable-source"),
    ],
)
@pytest.mark.parametrize("before", [None, OLD], ids=["new", "update"])
def test_without_a_source_the_root_is_left_as_it_was(
    tmp_path: Path, fault: Fault, kind: type[DownloadError], code: str, before: Files | None
) -> None:
    async def scenario(bench: Bench) -> None:
        if before:
            write_files(bench.root, before)
        bench.stall_s = 0.1
        bad = [ScriptedSource(name, GAME) for name in "ab"]
        for source in bad:
            source.fault, source.fault_after = fault, CHUNK + BLOCK
        async with listening(*bad) as sources:
            with pytest.raises(DownloadError) as caught:
                await bench.download(sources)
            assert type(caught.value) is kind
            assert caught.value.code == code
            assert all(str(source.addr) in str(caught.value) for source in sources)
        bench.check_no_staging()
        assert read_files(bench.root) == (before or {})
        assert bench.root.exists() == bool(before)

    run(tmp_path, scenario)


def test_a_source_that_denies_is_left_out(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bad, good = ScriptedSource("bad", GAME), ScriptedSource("good", GAME)
        bad.denies = DeniedError("operation-active", "Not now.")
        async with listening(bad, good) as sources:
            await bench.download(sources)
            bench.check_complete()
            assert set(bench.delivered()) == {"good"}
            good.denies = bad.denies
            with pytest.raises(DownloadError, match="Not now") as caught:
                await bench.download(sources)
            assert caught.value.code == "no-usable-source"
        bench.check_complete()

    run(tmp_path, scenario)


def test_a_busy_source_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "BUSY_PAUSE_S", 0.0)

    class Busy(ScriptedSource):
        refusals = 3

        async def ask(self, question: Callable[[int], Question], *rest: Any) -> wire.Answer:
            if isinstance(question(1), wire.OpenTransfer) and self.refusals:
                self.refusals -= 1
                raise DeniedError("busy", "Not now.")
            return await super().ask(question, *rest)

    async def scenario(bench: Bench) -> None:
        busy = Busy("busy", GAME)
        async with listening(busy) as sources:
            await bench.download(sources)
            bench.check_complete()
            busy.refusals = 1 << 60
            monkeypatch.setattr(fetch_module, "BUSY_PATIENCE_S", 0.0)
            with pytest.raises(DownloadError, match="Not now"):
                await bench.download(sources)

    run(tmp_path, scenario)


def test_a_source_with_an_impossible_manifest_is_left_out(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bad = [ScriptedSource(name, GAME) for name in "xy"]
        for source in bad:
            source.manifest = manifest_of({**GAME, "../out.bin": b"x"})
        good = ScriptedSource("good", GAME)
        async with listening(*bad, good) as sources:
            await bench.download(sources)
        bench.check_complete()
        assert set(bench.delivered()) == {"good"}
        assert [path.name for path in bench.games_dir.iterdir()] == ["g"]

    run(tmp_path, scenario)


def test_no_source_at_all_is_peers_gone(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.lost = True
        async with listening(source) as sources:
            with pytest.raises(PeersGoneError):
                await bench.download(sources)
        assert not bench.root.exists()

    run(tmp_path, scenario)


def test_an_answer_of_the_wrong_kind_is_no_manifest(tmp_path: Path) -> None:
    class Confused(ScriptedSource):
        async def ask(self, *_: object, **__: object) -> wire.Ticket:
            return wire.Ticket(request=1, ticket=bytes(32))

    async def scenario(bench: Bench) -> None:
        async with listening(Confused("a", GAME)) as sources:
            with pytest.raises(DownloadError, match="not a manifest") as caught:
                await bench.download(sources)
        assert caught.value.code == "no-usable-source"

    run(tmp_path, scenario)
