import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from watchfiles import Change, _rust_notify

from peer_cli.library.watch import changed_games, watch_library

BASE = Path("/games")
EVERYTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("kind", "path", "game"),
    [
        (Change.added, "ggoo", "ggoo"),
        (Change.deleted, "ggoo", "ggoo"),
        (Change.added, "ggoo/version.ini", "ggoo"),
        (Change.modified, "ggoo/sub/file", "ggoo"),
        (Change.added, "ggoo/local", "ggoo"),
        (Change.deleted, "ggoo/local", "ggoo"),
        (Change.modified, "ggoo/local", None),
        (Change.added, "ggoo/local/file", None),
        (Change.deleted, "ggoo/.local.backup", None),
        (Change.added, "ggoo/.version.ini.tmp", None),
        (Change.modified, "ggoo/.lanspread/journal", None),
        (Change.added, ".hidden/x", None),
        (Change.deleted, "", None),
        (Change.added, "../elsewhere", None),
    ],
)
def test_which_changes_count(kind: Change, path: str, game: str | None) -> None:
    change = (int(kind), str(BASE / path) if path else str(BASE))
    assert changed_games(BASE, [change]) == (frozenset() if game is None else {game})


class Reports:
    """What was reported, and waiting for more of it."""

    def __init__(self) -> None:
        self.seen: list[frozenset[str]] = []
        self._arrived = asyncio.Event()

    def add(self, games: frozenset[str]) -> None:
        self.seen.append(games)
        self._arrived.set()

    async def until(self, *expected: frozenset[str]) -> list[frozenset[str]]:
        """Wait until one of `expected` was reported; forget it, and return what came before it."""
        async with asyncio.timeout(10):
            while not any(games in expected for games in self.seen):
                self._arrived.clear()
                await self._arrived.wait()
        before = []
        while (games := self.seen.pop(0)) not in expected:
            before.append(games)
        return before


@asynccontextmanager
async def watching(games_dir: Path, *, rescan_every: float = 3600) -> AsyncIterator[Reports]:
    reports = Reports()
    task = asyncio.create_task(watch_library(games_dir, reports.add, rescan_every=rescan_every))
    try:
        await reports.until(EVERYTHING)
        yield reports
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def games_dir(tmp_path: Path) -> Path:
    root = tmp_path / "games" / "ggoo"
    (root / "sub").mkdir(parents=True)
    (root / "version.ini").write_text("1")
    return root.parent


def drop_in(games_dir: Path) -> None:
    (games_dir / "new" / "sub").mkdir(parents=True)
    (games_dir / "new" / "new.eti").write_text("x")
    (games_dir / "new" / "version.ini").write_text("1")


def write_aside(games_dir: Path) -> None:
    (games_dir / "ggoo" / ".version.ini.tmp").write_text("2")
    (games_dir / "ggoo" / ".version.ini.tmp").replace(games_dir / "ggoo" / "version.ini")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "dropped in": (drop_in, "new"),
    "deleted": (lambda games: shutil.rmtree(games / "ggoo"), "ggoo"),
    "moved away": (lambda games: (games / "ggoo").rename(games.parent / "away"), "ggoo"),
    "rewritten": (lambda games: (games / "ggoo/version.ini").write_text("2"), "ggoo"),
    "replaced": (write_aside, "ggoo"),
    "in a subfolder": (lambda games: (games / "ggoo/sub/file").write_text("x"), "ggoo"),
    "installed": (lambda games: (games / "ggoo/local").mkdir(), "ggoo"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(games_dir: Path, name: str) -> None:
    change, game = CHANGES[name]

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            change(games_dir)
            await reports.until(frozenset({game}))

    asyncio.run(scenario())


def test_what_was_dropped_in_is_watched_from_then_on(games_dir: Path) -> None:
    async def scenario() -> None:
        async with watching(games_dir) as reports:
            (games_dir / "new").mkdir()
            await reports.until(frozenset({"new"}))
            (games_dir / "new" / "sub").mkdir()
            await reports.until(frozenset({"new"}))
            (games_dir / "new" / "sub" / "file").write_text("x")
            await reports.until(frozenset({"new"}))
            (games_dir / "new" / "version.ini").write_text("1")
            await reports.until(frozenset({"new"}))

    asyncio.run(scenario())


def test_a_game_deleted_and_made_anew_is_still_watched(games_dir: Path) -> None:
    async def scenario() -> None:
        async with watching(games_dir) as reports:
            shutil.rmtree(games_dir / "ggoo")
            (games_dir / "ggoo").mkdir()
            await reports.until(frozenset({"ggoo"}))
            (games_dir / "ggoo" / "version.ini").write_text("2")
            await reports.until(frozenset({"ggoo"}))

    asyncio.run(scenario())


def put_in_place(games_dir: Path) -> None:
    games_dir.rename(games_dir.parent / "old")
    (games_dir.parent / "other").rename(games_dir)


def delete_and_make(games_dir: Path) -> None:
    shutil.rmtree(games_dir)
    games_dir.mkdir()


def point_elsewhere(games_dir: Path) -> None:
    games_dir.unlink()
    games_dir.symlink_to("other")


@pytest.mark.parametrize("replace", [put_in_place, delete_and_make, point_elsewhere])
def test_the_whole_folder_can_be_replaced(games_dir: Path, replace: Callable[[Path], None]) -> None:
    (games_dir.parent / "other").mkdir()
    shown = games_dir
    if replace is point_elsewhere:
        shown = games_dir.parent / "shown"
        shown.symlink_to("games")

    async def scenario() -> None:
        async with watching(shown) as reports:
            replace(shown)
            await reports.until(EVERYTHING)
            (shown / "new").mkdir()
            # The new folder may come as part of everything or, once that is watched, on its own.
            await reports.until(EVERYTHING, frozenset({"new"}))
            (shown / "new" / "version.ini").write_text("1")
            await reports.until(frozenset({"new"}))

    asyncio.run(scenario())


def test_a_folder_that_comes_back_is_reported(games_dir: Path) -> None:
    away = games_dir.parent / "away"

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            shutil.move(games_dir, away)
            await reports.until(EVERYTHING)
            shutil.move(away, games_dir)
            await reports.until(EVERYTHING)
            (games_dir / "ggoo" / "version.ini").write_text("2")
            await reports.until(frozenset({"ggoo"}))

    asyncio.run(scenario())


def test_what_happens_in_local_is_not_reported(games_dir: Path) -> None:
    (games_dir / "ggoo" / "local").mkdir()

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            (games_dir / "ggoo" / "local" / "save").write_text("x")
            (games_dir / "ggoo" / ".local.installing").mkdir()
            (games_dir / "ggoo" / ".local.installing" / "file").write_text("x")
            (games_dir / "last").mkdir()
            assert await reports.until(frozenset({"last"})) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("link", ["ggoo/local/z:", "ggoo/link", "ggoo/sub/link"])
def test_links_are_not_followed(games_dir: Path, link: str) -> None:
    """A Wine prefix has a link to the root of the file system."""
    outside = games_dir.parent / "outside"
    outside.mkdir()
    (games_dir / "ggoo" / "local").mkdir()
    (games_dir / link).symlink_to(outside)

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            (outside / "file").write_text("x")
            (games_dir / "last").mkdir()
            assert await reports.until(frozenset({"last"})) == []

    asyncio.run(scenario())


def test_a_game_moved_away_is_not_watched_there(games_dir: Path) -> None:
    away = games_dir.parent / "away"

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            shutil.move(games_dir / "ggoo", away)
            await reports.until(frozenset({"ggoo"}))
            (away / "file").write_text("x")
            (away / "sub" / "file").write_text("x")
            (games_dir / "last").mkdir()
            assert await reports.until(frozenset({"last"})) == []

    asyncio.run(scenario())


class Meddling:
    """Makes watchers, after doing something to the folders just before number `turn`."""

    def __init__(self, turn: int, action: Callable[[], object]) -> None:
        self._real = _rust_notify.RustNotify
        self._before = turn
        self._action = action

    def __call__(
        self, paths: list[str], debug: bool, poll: bool, delay: int, recursive: bool, ignore: bool
    ) -> _rust_notify.RustNotify:
        if self._before == 0:
            self._action()
        self._before -= 1
        return self._real(paths, debug, poll, delay, recursive, ignore)


def test_a_folder_made_while_watching_begins_is_watched(
    games_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = games_dir / "ggoo" / "late"
    monkeypatch.setattr(_rust_notify, "RustNotify", Meddling(0, late.mkdir))

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            (late / "file").write_text("x")
            await reports.until(frozenset({"ggoo"}))

    asyncio.run(scenario())


def test_a_change_while_the_watch_is_renewed_is_not_lost(
    games_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = games_dir / "ggoo" / "version.ini"
    meddling = Meddling(1, lambda: version.write_text("2"))
    monkeypatch.setattr(_rust_notify, "RustNotify", meddling)

    async def scenario() -> None:
        async with watching(games_dir) as reports:
            (games_dir / "new").mkdir()
            # The old watch may or may not have told of it.
            await reports.until(EVERYTHING)

    asyncio.run(scenario())


def test_the_slow_rescan_comes_by_itself(games_dir: Path) -> None:
    async def scenario() -> None:
        async with watching(games_dir, rescan_every=0.05) as reports:
            await reports.until(EVERYTHING)
            await reports.until(EVERYTHING)

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [OSError("no watches left"), RuntimeError("too many watchers")])
def test_where_the_system_cannot_watch_everything_is_rescanned(
    games_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_rust_notify, "RustNotify", fail)

    async def scenario() -> None:
        async with watching(games_dir, rescan_every=0.05) as reports:
            await reports.until(EVERYTHING)
            await reports.until(EVERYTHING)

    asyncio.run(scenario())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(error) in lines[0]


class LateNotify:
    """A watcher that finds a change only when it is told to stop."""

    def __init__(self, paths: list[str], *_: object) -> None:
        self._path = paths[0] + "/late"

    def watch(self, *arguments: object) -> set[tuple[int, str]]:
        stop = arguments[-1]
        assert isinstance(stop, threading.Event)
        stop.wait(20)
        return {(int(Change.modified), self._path)}


@pytest.mark.parametrize("late", [False, True])
def test_cancelling_ends_the_call_its_reports_and_its_thread(
    games_dir: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    if late:
        monkeypatch.setattr(_rust_notify, "RustNotify", LateNotify)
    before = set(threading.enumerate())
    reports: list[frozenset[str]] = []

    async def scenario() -> None:
        first = asyncio.Event()

        def on_change(games: frozenset[str]) -> None:
            reports.append(games)
            first.set()

        task = asyncio.create_task(watch_library(games_dir, on_change, rescan_every=3600))
        await first.wait()
        (games_dir / "late").mkdir()
        watchers = set(threading.enumerate()) - before
        task.cancel()
        # A few turns of the loop bring the cancellation; more would mean waiting for the thread.
        for _ in range(3):
            await asyncio.sleep(0)
        assert task.cancelled()
        assert watchers
        for thread in watchers:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()

    asyncio.run(scenario())
    assert reports == [EVERYTHING]


def test_names_that_cannot_be_told_do_not_end_watching(
    games_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        async with watching(games_dir) as reports:
            (games_dir / "ggoo" / "caf\udce9").touch()
            await reports.until(EVERYTHING)
            (games_dir / "ggoo" / "more").touch()
            await reports.until(frozenset({"ggoo"}))

    asyncio.run(scene())
    assert capsys.readouterr().err == ""


def test_a_folder_that_cannot_be_looked_into_does_not_end_watching(
    games_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (games_dir / "circle").symlink_to("circle")

    async def scene() -> None:
        async with watching(games_dir) as reports:
            (games_dir / "ggoo" / "more").touch()
            await reports.until(frozenset({"ggoo"}))

    asyncio.run(scene())
    assert capsys.readouterr().err == ""
