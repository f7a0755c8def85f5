"""Operations from their command to their terminal event (peer_cli.games), without a peer around."""

import asyncio
import contextlib
import errno
import threading
from pathlib import Path

import pytest

from headless.envelope import CommandError
from peer_cli import messages
from peer_cli.library.library import Library
from peer_cli.transfer.download import Download
from peer_cli.transfer.staging import Staging, UnsettledError, staging_of
from tests.peer_cli.faults import failing
from tests.peer_cli.transfer.game_files import (
    content,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.operations_bench import GAME, TIMEOUT_S, Bench, refused, run
from tests.peer_cli.transfer.scripted_source import ScriptedSource, listening


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


def test_a_download_ends_settled(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", GAME)) as bench.sources:
            bench.games.download("g", install=False)
            assert bench.games.operations.rows() == [
                messages.ActiveOperation(game_id="g", operation="Downloading")
            ]
            await bench.until(messages.DownloadFinished)
        assert bench.terminals() == [("download-finished", False, True)]
        assert read_files(bench.root) == GAME
        assert bench.announced[-1] == {"g"}

    run(tmp_path, scenario)


def test_a_game_without_archives_is_not_installed(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", GAME)) as bench.sources:
            bench.games.download("g", install=True)
            await bench.until(messages.DownloadFinished)
        assert bench.terminals() == [("download-finished", False, True)]

    run(tmp_path, scenario)


def test_a_failed_download_ends_settled(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.fault = "dies"
        async with listening(source) as bench.sources:
            bench.games.download("g", install=True)
            await bench.until(messages.DownloadPeersGone)
        assert bench.terminals() == [("download-peers-gone", False, False)]
        assert not bench.root.exists()

    run(tmp_path, scenario)


def test_what_cannot_begin_is_refused_in_the_contracts_words(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            download = bench.games.download
            assert refused(lambda: download("x", install=True)) == (
                "not-in-catalog",
                "game x is not in the local catalog",
            )
            assert refused(lambda: download("h", install=True)) == (
                "no-peers",
                "no peers have game h",
            )
            download("g", install=True)
            for command in (
                lambda: download("g", install=True),
                lambda: bench.games.stream_install("g"),
                lambda: bench.games.install("g"),
                lambda: bench.games.uninstall("g"),
                lambda: bench.games.remove("g"),
            ):
                assert refused(command) == (
                    "operation-in-progress",
                    "operation already in progress for g",
                )
            await source.connected.wait()
            await bench.cancel()
        assert refused(lambda: bench.games.install("g"))[0] == "nothing-to-install"
        assert refused(lambda: bench.games.uninstall("g"))[0] == "nothing-to-uninstall"
        assert refused(lambda: bench.games.remove("g"))[0] == "nothing-to-remove"

    run(tmp_path, scenario)


def test_a_cancel_is_answered_when_all_is_rolled_back(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            bench.games.download("g", install=True)
            await source.connected.wait()
            await bench.cancel()
            assert not bench.root.exists()
            assert bench.games.operations.rows() == []
            assert bench.terminals() == [("download-cancelled", False, False)]
            with pytest.raises(CommandError) as caught:
                await bench.cancel()
            assert caught.value.code == "no-active-operation"

    run(tmp_path, scenario)


def check_free_again(bench: Bench, terminal: str) -> None:
    assert [name for name, _, _ in bench.terminals()] == [terminal]
    assert bench.games.operations.rows() == []


def test_a_cancel_right_after_the_download(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", GAME)) as bench.sources:
            bench.games.download("g", install=True)
            await bench.cancel()
            check_free_again(bench, "download-cancelled")

    run(tmp_path, scenario)


class SlowScan:
    """Holds up the look at the disk with which every operation settles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        rescan = Library.rescan

        async def slow(library: Library, game_ids: frozenset[str] = frozenset()) -> bool:
            self.reached.set()
            await self.opened.wait()
            return await rescan(library, game_ids)

        monkeypatch.setattr(Library, "rescan", slow)


def test_two_cancels_of_one_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(bench: Bench) -> None:
        scan = SlowScan(monkeypatch)
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            bench.games.download("g", install=True)
            await source.connected.wait()
            cancels = [asyncio.create_task(bench.cancel())]
            await scan.reached.wait()
            cancels.append(asyncio.create_task(bench.cancel()))
            await asyncio.sleep(0)  # let the second one begin
            scan.opened.set()
            done, late = await asyncio.gather(*cancels, return_exceptions=True)
            assert done is None
            assert late is None or isinstance(late, CommandError)  # there is nothing left to cancel
            check_free_again(bench, "download-cancelled")

    run(tmp_path, scenario)


@pytest.mark.parametrize("fault", [False, True], ids=["finished", "failed"])
def test_a_cancel_when_the_download_is_just_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: bool
) -> None:
    async def scenario(bench: Bench) -> None:
        scan = SlowScan(monkeypatch)
        source = ScriptedSource("a", GAME)
        if fault:
            source.fault = "dies"
        async with listening(source) as bench.sources:
            bench.games.download("g", install=False)
            await scan.reached.wait()
            cancelling = asyncio.create_task(bench.cancel())
            await asyncio.sleep(0)
            scan.opened.set()
            with contextlib.suppress(CommandError):  # it came too late
                await cancelling
            ends = messages.DownloadFinished, messages.DownloadPeersGone, messages.DownloadCancelled
            await bench.until(*ends)
            check_free_again(bench, "download-peers-gone" if fault else "download-finished")

    run(tmp_path, scenario)


def test_a_defect_ends_in_an_event_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def defect(download: Download) -> messages.Throughput:
        raise RuntimeError("a defect")

    async def scenario(bench: Bench) -> None:
        monkeypatch.setattr(Download, "run", defect)
        async with listening(ScriptedSource("a", GAME)) as bench.sources:
            bench.games.download("g", install=True)
            failed = await bench.until(messages.DownloadFailed)
        assert isinstance(failed, messages.DownloadFailed)
        assert failed.code == "internal-error"
        check_free_again(bench, "download-failed")

    run(tmp_path, scenario)
    assert "a defect" in capsys.readouterr().err


def test_removing_a_game(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", GAME)

    async def scenario(bench: Bench) -> None:
        bench.games.remove("g")
        await bench.until(messages.RemoveFinished)
        assert bench.terminals() == [("remove-finished", False, False)]
        assert not bench.root.exists()
        assert bench.announced[-1] == set()

    run(tmp_path, scenario)


def test_an_installed_game_is_not_removed(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", {**GAME, "local/x": b"x"})

    async def scenario(bench: Bench) -> None:
        assert refused(lambda: bench.games.remove("g"))[0] == "still-installed"

    run(tmp_path, scenario)


def test_uninstalling_keeps_the_download(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", {**GAME, "local/x": b"x"})

    async def scenario(bench: Bench) -> None:
        bench.games.uninstall("g")
        await bench.until(messages.UninstallFinished)
        assert bench.terminals() == [("uninstall-finished", False, True)]
        assert read_files(bench.root) == GAME

    run(tmp_path, scenario)


def test_a_game_under_an_operation_is_not_advertised(tmp_path: Path) -> None:
    write_files(tmp_path / "games" / "g", GAME)

    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            bench.games.download("g", install=False)
            assert bench.announced[-1] == set()
            await source.connected.wait()
            await bench.games.operations.cancel_all()
            assert bench.announced[-1] == {"g"}
        assert read_files(bench.root) == GAME

    run(tmp_path, scenario)


def test_cancelling_all_waits_for_all(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.games.operations.cancel_all()  # nothing to do
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            bench.games.download("g", install=False)
            await source.connected.wait()
            await bench.games.operations.cancel_all()
            check_free_again(bench, "download-cancelled")
        assert not bench.root.exists()

    run(tmp_path, scenario)


@pytest.mark.parametrize("game_id", ["./g", "../downloads/g", "x" * 5000, "g\0", "", "unknown"])
def test_only_a_games_id_can_be_removed(tmp_path: Path, game_id: str) -> None:
    async def scenario(bench: Bench) -> None:
        source = ScriptedSource("a", GAME)
        source.may_send.clear()
        async with listening(source) as bench.sources:
            bench.games.download("g", install=False)
            await source.connected.wait()
            try:
                assert refused(lambda: bench.games.remove(game_id))[0] == "nothing-to-remove"
            finally:
                await bench.games.operations.cancel_all()

    run(tmp_path, scenario)


def test_an_interrupted_download_can_be_removed(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        staging = staging_of(bench.root.parent, tmp_path / "state", manifest_of(GAME))
        staging.open()
        staging.create_files()
        bench.games.remove("g")
        await bench.until(messages.RemoveFinished)
        assert not bench.root.exists()
        assert refused(lambda: bench.games.remove("g"))[0] == "nothing-to-remove"

    run(tmp_path, scenario)


def test_a_commit_that_is_stuck_can_be_removed_when_the_disk_is_back(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        write_files(bench.root, {"version.ini": b"0\n", "old.bin": b"old"})
        staging = staging_of(bench.root.parent, tmp_path / "state", manifest_of(GAME))
        staging.open()
        staging.create_files()
        write_files(staging.new, GAME)
        with failing(bench.root, 3, errno.EIO, calls=("rename",), for_good=True):
            with pytest.raises(UnsettledError):
                staging.commit()
            before = read_files(bench.root)
            assert {b"0\n", b"old", *GAME.values()} <= set(before.values())
            bench.games.remove("g")
            failed = await bench.until(messages.RemoveFailed)
        assert isinstance(failed, messages.RemoveFailed)
        assert "next start" in failed.reason
        assert read_files(bench.root) == before
        bench.games.remove("g")
        await bench.until(messages.RemoveFinished)
        assert not bench.root.exists()
        assert list((tmp_path / "state" / "downloads").iterdir()) == []

    run(tmp_path, scenario)


def test_a_cancel_that_comes_too_late_does_not_spoil_the_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, opened = threading.Event(), threading.Event()
    commit = Staging.commit

    def slow(staging: Staging) -> None:
        reached.set()
        assert opened.wait(TIMEOUT_S)
        commit(staging)

    monkeypatch.setattr(Staging, "commit", slow)
    game = {"version.ini": b"1\n", "g.eti": content("g", 5000)}

    async def scenario(bench: Bench) -> None:
        async with listening(ScriptedSource("a", game)) as bench.sources:
            bench.games.download("g", install=True)
            await asyncio.to_thread(reached.wait, TIMEOUT_S)
            cancelling = asyncio.create_task(bench.cancel())
            await asyncio.sleep(0)  # let it begin
            opened.set()
            with pytest.raises(CommandError) as caught:
                await cancelling
            assert caught.value.code == "too-late"
            await bench.until(messages.InstallFinished, messages.InstallFailed)
        names = [name for name, _, _ in bench.terminals()]
        assert names == ["download-finished", "install-finished"]

    run(tmp_path, scenario)
