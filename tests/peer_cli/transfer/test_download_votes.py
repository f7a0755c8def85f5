"""Which manifest the sources of a download agree on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from peer_cli import messages
from peer_cli.network import wire
from peer_cli.network.session import Question
from peer_cli.transfer import agreement as agreement_module
from peer_cli.transfer.download import DownloadError
from tests.peer_cli.transfer.download_bench import GAME, OLD, Bench, run
from tests.peer_cli.transfer.game_files import (
    CHUNK,
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


def test_identities_of_one_address_outvote_nobody(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        honest = [ScriptedSource("a", GAME), ScriptedSource("b", GAME)]
        sybils = [ScriptedSource(name, OTHER) for name in "xyz"]
        for sybil in sybils:
            sybil.ip = "127.0.2.1"
        async with listening(*honest, *sybils) as sources:
            await bench.download(sources)
        bench.check_complete()
        assert set(bench.delivered()) == {"a", "b"}

    run(tmp_path, scenario)


def test_a_source_may_hash_again_for_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file written just before is hashed for the digest, and once more for the manifest."""
    monkeypatch.setattr(agreement_module, "HASHING_PATIENCE_S", 0.05)
    patience: list[float] = []

    class Hashing(ScriptedSource):
        async def ask(self, question: Callable[[int], Question], *rest: Any) -> wire.Answer:
            if isinstance(question(1), wire.GetDigest):
                await asyncio.sleep(0.5)
            if isinstance(question(1), wire.GetManifest):
                patience.extend(rest)
            return await super().ask(question, *rest)

    async def scenario(bench: Bench) -> None:
        bench.stall_s = 0.05
        async with listening(Hashing("a", GAME)) as sources:
            await bench.download(sources)

    run(tmp_path, scenario)
    assert len(patience) == 1
    assert patience[0] >= 1.0


def test_who_votes_for_a_manifest_that_it_does_not_have_is_left_out(tmp_path: Path) -> None:
    class TwoFaced(ScriptedSource):
        async def ask(self, question: Callable[[int], Question], *rest: Any) -> wire.Answer:
            if isinstance(question(1), wire.GetManifest):
                self.manifest = manifest_of(OTHER)
            return await super().ask(question, *rest)

    async def scenario(bench: Bench) -> None:
        two_faced, good = TwoFaced("a", GAME), ScriptedSource("b", GAME)
        async with listening(two_faced, good) as sources:
            await bench.download(sources)
        bench.check_complete()
        assert set(bench.delivered()) == {"b"}
        assert bench.banned == [("g", "a")]

    run(tmp_path, scenario)


def test_a_minority_does_not_win_because_the_majority_has_left(tmp_path: Path) -> None:
    class Leaves(ScriptedSource):
        async def ask(self, question: Callable[[int], Question], *rest: Any) -> wire.Answer:
            self.lost = isinstance(question(1), wire.GetManifest)
            return await super().ask(question, *rest)

    async def scenario(bench: Bench) -> None:
        scripted = [Leaves("a", GAME), Leaves("b", GAME), ScriptedSource("x", OTHER)]
        async with listening(*scripted) as sources:
            with pytest.raises(DownloadError):
                await bench.download(sources)
        assert bench.events == []

    run(tmp_path, scenario)


def test_who_is_not_ready_when_the_others_are_agreed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement_module, "HASHING_PATIENCE_S", 0.05)

    class Hashing(ScriptedSource):
        async def ask(self, question: Callable[[int], Question], *rest: Any) -> wire.Answer:
            await asyncio.Event().wait()
            raise AssertionError

    async def scenario(bench: Bench) -> None:
        bench.stall_s = 0.05
        scripted = [ScriptedSource("a", GAME), ScriptedSource("b", GAME), Hashing("c", GAME)]
        async with listening(*scripted) as sources:
            await bench.download(sources)
        bench.check_complete()
        assert bench.banned == []  # it may hash for long, and be honest

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
