"""A download whose disk fails at every call in turn: the older version or the new one, and again.

What is disturbed is all that a download asks of the games and state folders, from the first look
to the last deletion; see tests/peer_cli/faults.py.
"""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from peer_cli.transfer.download import DownloadError
from peer_cli.transfer.fetch import Source
from peer_cli.transfer.recovery import recover
from tests.peer_cli.faults import ALL, Calls, failing
from tests.peer_cli.transfer.download_bench import OLD, Bench
from tests.peer_cli.transfer.game_files import (
    BLOCK,
    Files,
    content,
    read_files,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.scripted_source import ScriptedSource, listening

GAME = {
    "version.ini": b"1\n",
    "a.eti": content("a", 2 * BLOCK + 1),
    "deep/er/c.bin": content("c", 7),
    "empty.bin": b"",
}
# What the descriptors of a process are short of shows where one is opened.
OPENS = ("open", "scandir", "listdir")
STEPS_AT_MOST = 1000


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of them


def game(bench: Bench) -> Files:
    files = read_files(bench.root)
    return {path: data for path, data in files.items() if not path.startswith(".lanspread/")}


async def outcome_of(bench: Bench, sources: list[Source]) -> str:
    try:
        await bench.download(sources)
    except DownloadError as error:
        return error.code
    return "done"


def sweep_download(attempt: Callable[[int, ThreadPoolExecutor], Awaitable[Calls]]) -> int:
    """Call `attempt` with 1, 2, ... until nothing is disturbed; return how many were."""

    async def every() -> int:
        with ThreadPoolExecutor(8) as pool:
            for nth in range(1, STEPS_AT_MOST):
                if not (await attempt(nth, pool)).hit:
                    return nth - 1
        raise AssertionError("it never ends")

    return asyncio.run(every())


@pytest.mark.parametrize("before", [{}, OLD], ids=["new", "update"])
@pytest.mark.parametrize(
    ("code", "calls"),
    [
        (errno.EIO, ALL),
        (errno.ENOSPC, ALL),
        (errno.EACCES, ALL),
        (errno.EXDEV, ("rename", "replace")),
        (errno.EMFILE, OPENS),
    ],
)
def test_a_call_that_fails_costs_a_try_and_nothing_else(
    many: Path, before: Files, code: int, calls: tuple[str, ...]
) -> None:
    outcomes: set[str] = set()

    async def attempt(nth: int, pool: ThreadPoolExecutor) -> Calls:
        folder = many / str(nth)
        folder.mkdir()
        bench = Bench(folder, pool)
        if before:
            write_files(bench.root, before)
        async with listening(ScriptedSource("a", GAME)) as sources:
            with failing(folder, nth, code, calls=calls) as met:
                outcome = await outcome_of(bench, sources)
            outcomes.add(outcome)
            assert outcome in ("done", "write-failed"), met
            assert game(bench) == (GAME if outcome == "done" else before), met
            reports: list[str] = []
            recover(bench.games_dir, bench.state_dir, reports.append)  # the next start
            assert (game(bench), reports) == (GAME if outcome == "done" else before, []), met
            await bench.download(sources)
        bench.check_complete(GAME)
        return met

    assert sweep_download(attempt) > (1 if calls != ALL else 50)
    assert "write-failed" in outcomes


@pytest.mark.parametrize("calls", [("rename",), ALL], ids=["renames", "all"])
def test_a_disk_that_dies_under_an_update_leaves_a_whole_version_at_the_next_start(
    many: Path, calls: tuple[str, ...]
) -> None:
    """Where only renaming fails, deleting works: both versions stay until one is in place."""

    async def attempt(nth: int, pool: ThreadPoolExecutor) -> Calls:
        folder = many / str(nth)
        folder.mkdir()
        bench = Bench(folder, pool)
        write_files(bench.root, OLD)
        async with listening(ScriptedSource("a", GAME)) as sources:
            with failing(folder, nth, errno.EIO, calls=calls, for_good=True) as met:
                assert await outcome_of(bench, sources) in ("done", "write-failed"), met
            if (bench.root / "version.ini").exists():
                assert game(bench) in (OLD, GAME), met
            recover(bench.games_dir, bench.state_dir, lambda report: None)
            assert game(bench) in (OLD, GAME), met
            await bench.download(sources)
        bench.check_complete(GAME)
        return met

    assert sweep_download(attempt) > (50 if calls == ALL else 5)
