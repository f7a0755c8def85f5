"""Whole downloads from scripted sources: bytes over real sockets, files on the real disk."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import pytest
from blake3 import blake3
from game_files import (
    BLOCK,
    CHUNK,
    Files,
    content,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)
from scripted_source import Fault, ScriptedSource, listening

from peer_cli import messages
from peer_cli.catalog import CatalogEntry
from peer_cli.limits import RateLimiter
from peer_cli.network import wire
from peer_cli.network.session import DeniedError
from peer_cli.transfer import fetch as fetch_module
from peer_cli.transfer.download import Download, DownloadError, PeersGoneError
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.staging import Staging, staging_of

TIMEOUT_S = 10.0
GAME = {
    "version.ini": b"1\n",
    "a.eti": content("a", 4 * CHUNK),
    "b.bin": content("b", CHUNK + 1),
    "deep/er/c.bin": content("c", 7),
    "empty.bin": b"",
}
OLD = {"version.ini": b"0\n", "a.eti": b"old", "gone.bin": b"old"}

_E = TypeVar("_E", bound=messages.Event)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


class Bench:
    """The downloading side."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.games_dir, self.state_dir = folder / "games", folder / "state"
        self.games_dir.mkdir()
        self.state_dir.mkdir()
        self.root = self.games_dir / "g"
        self.events: list[messages.Event] = []
        self.stall_s = TIMEOUT_S
        self._pool = pool

    async def download(
        self, sources: list[Source], *, content_digest: bytes | None = None
    ) -> messages.Throughput:
        context = DownloadContext(
            self.state_dir, RateLimiter(None), self._pool, self.stall_s, self.events.append
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


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        *product(("dies", "lies"), (0, 1, BLOCK, 2 * BLOCK + 100, CHUNK + 5)),
        *product(("stalls",), (0, 2 * BLOCK + 100)),
    ],
)
def test_the_survivor_takes_over(tmp_path: Path, fault: Fault, after: int) -> None:
    async def scenario(bench: Bench) -> None:
        bad, good = ScriptedSource("bad", GAME), ScriptedSource("good", GAME)
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
        bench.check_complete()
        bench.check_chunks()
        delivered = bench.delivered()
        # Only whole verified blocks count, and those are not fetched again.
        assert delivered["bad"] == after // BLOCK * BLOCK
        assert delivered["good"] == sum(map(len, GAME.values())) - delivered["bad"]
        assert sum(r.length for r in good.asked) == delivered["good"]

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


# --- agreement --------------------------------------------------------------------------------

OTHER = {**GAME, "a.eti": content("other", 4 * CHUNK)}


def test_only_the_largest_group_serves(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        scripted = [
            ScriptedSource("a", GAME),
            ScriptedSource("x", OTHER),
            ScriptedSource("b", GAME),
        ]
        async with listening(*scripted) as sources:
            await bench.download(sources)
        bench.check_complete()
        (begin,) = bench.of(messages.DownloadBegin)
        assert [row.peer_id for row in begin.sources] == ["a", "b"]
        assert scripted[1].asked == []
        assert set(bench.delivered()) == {"a", "b"}

    run(tmp_path, scenario)


@pytest.mark.parametrize("count", [1, 2])
def test_without_a_largest_group_nothing_is_fetched(tmp_path: Path, count: int) -> None:
    async def scenario(bench: Bench) -> None:
        write_files(bench.root, OLD)
        scripted = [ScriptedSource(f"a{n}", GAME) for n in range(count)]
        scripted += [ScriptedSource(f"b{n}", OTHER) for n in range(count)]
        async with listening(*scripted) as sources:
            with pytest.raises(DownloadError) as caught:
                await bench.download(sources)
        assert caught.value.code == "ambiguous-metadata"
        assert all(source.asked == [] for source in scripted)
        assert bench.events == []
        assert read_files(bench.root) == OLD

    run(tmp_path, scenario)


def test_the_catalogs_digest_decides(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        scripted = [
            ScriptedSource("x", OTHER),
            ScriptedSource("y", OTHER),
            ScriptedSource("a", GAME),
        ]
        async with listening(*scripted) as sources:
            await bench.download(sources, content_digest=manifest_of(GAME).digest())
            bench.check_complete()
            with pytest.raises(DownloadError):
                await bench.download(sources, content_digest=bytes(32))
        bench.check_complete()

    run(tmp_path, scenario)


# --- the own disk -----------------------------------------------------------------------------


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
        monkeypatch.setattr(fetch_module, "os", FullDisk())
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
        write_files(staging.folder, {"a.eti": bytes(damaged), "b.bin": GAME["b.bin"]})
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


def test_the_digest_of_a_block_is_checked_not_the_word_of_the_source(tmp_path: Path) -> None:
    """A source that serves other bytes than its manifest says is found out at once."""

    async def scenario(bench: Bench) -> None:
        liar = ScriptedSource("liar", GAME)
        liar.files["a.eti"] = content("other", 4 * CHUNK)
        good = ScriptedSource("good", GAME)
        async with listening(liar, good) as sources:
            await bench.download(sources)
        bench.check_complete()
        bench.check_chunks()
        for chunk in bench.of(messages.DownloadChunkFinished):
            if chunk.relative_path == "g/a.eti":
                assert chunk.peer_id == "good"
        assert blake3(GAME["a.eti"]).digest() != blake3(liar.files["a.eti"]).digest()

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
            with pytest.raises(DownloadError, match="no manifest") as caught:
                await bench.download(sources)
        assert caught.value.code == "no-usable-source"

    run(tmp_path, scenario)
