"""The watcher sees every way in which a version.ini can come to be."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.families.lan_spread import version_watch
from scenarios.families.lan_spread.version_watch import Polled, VersionWatch, source_of


@pytest.fixture
def games(tmp_path: Path) -> Path:
    folder = tmp_path / "games"
    (folder / "old" / "local").mkdir(parents=True)
    (folder / "old" / "version.ini").write_text("1")
    return folder


@pytest.fixture(params=[source_of, Polled])
def watch(games: Path, request: pytest.FixtureRequest) -> Iterator[VersionWatch]:
    made = VersionWatch(games, request.param(games))
    yield made
    made.abandon()


def ids(watch: VersionWatch) -> set[str]:
    return {seen.game_id for seen in watch.stop()}


def test_nothing_happened(games: Path, watch: VersionWatch) -> None:
    (games / "old" / "other.ini").write_text("2")
    (games / "old" / "local" / "version.ini").write_text("2")
    (games / "version.ini").write_text("2")
    (games / "empty").mkdir()
    assert watch.stop() == []
    assert sorted(path.name for path in games.iterdir()) == ["empty", "old", "version.ini"]


def test_a_new_game_by_rename(games: Path, watch: VersionWatch) -> None:
    staged = games / "new" / ".lanspread" / "version.ini"
    staged.parent.mkdir(parents=True)
    staged.write_text("2")
    before = time.time()
    staged.rename(games / "new" / "version.ini")
    seen = watch.stop()
    assert {one.game_id for one in seen} == {"new"}
    assert before <= seen[0].wall <= time.time()


def test_a_new_game_at_once(games: Path, watch: VersionWatch) -> None:
    root = games.parent / "ready"
    root.mkdir()
    (root / "version.ini").write_text("2")
    root.rename(games / "new")
    assert ids(watch) == {"new"}


def test_what_is_no_folder_is_passed_over(games: Path) -> None:
    (games / "loop").symlink_to("loop")
    (games / "nowhere").symlink_to("gone")
    (games / "file").write_text("1")
    watch = VersionWatch(games)
    (games / "later").symlink_to("later")
    (games / "old" / "version.ini").write_text("2")
    assert ids(watch) == {"old"}


def test_replaced_by_rename(games: Path, watch: VersionWatch) -> None:
    staged = games / "old" / ".version.ini.tmp"
    staged.write_text("2")
    staged.replace(games / "old" / "version.ini")
    assert ids(watch) == {"old"}


def test_written_in_place(games: Path, watch: VersionWatch) -> None:
    (games / "old" / "version.ini").write_text("2")
    assert ids(watch) == {"old"}


def test_there_for_a_moment_only(games: Path, watch: VersionWatch) -> None:
    (games / "old" / "version.ini").rename(games / "old" / "gone")
    (games / "old" / "gone").rename(games / "old" / "version.ini")
    (games / "old" / "version.ini").unlink()
    assert ids(watch) == {"old"}


def test_removed_is_no_appearance(games: Path, watch: VersionWatch) -> None:
    (games / "old" / "version.ini").unlink()
    assert ids(watch) == set()


def test_stopping_twice_is_once(games: Path, watch: VersionWatch) -> None:
    (games / "old" / "version.ini").write_text("2")
    first = watch.stop()
    (games / "old" / "version.ini").write_text("3")
    assert watch.stop() == first


def test_a_watcher_that_sees_nothing_says_so(
    watch: VersionWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_watch, "FLUSH_S", 0.1)
    watch._take = lambda changes: None  # type: ignore[method-assign]  # as if the system reported nothing
    with pytest.raises(TimeoutError, match="does not report"):
        watch.stop()


def test_more_at_once_than_the_system_keeps_is_an_error(
    games: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux forgets what comes next; that must not pass for "nothing appeared"."""
    if sys.platform != "linux":
        pytest.skip("Linux tells of this")
    monkeypatch.setattr(version_watch, "FLUSH_S", 0.1)
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    source = source_of(games)
    for number in range(kept // 2 + 1):  # two changes each
        (games / "old" / str(number)).write_text("x")
    with pytest.raises(TimeoutError, match="does not report"):
        VersionWatch(games, source).stop()
