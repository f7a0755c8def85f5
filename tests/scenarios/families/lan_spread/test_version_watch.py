"""The watcher sees every way in which a version.ini can come to be."""

import errno
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import BackendError
from scenarios.families.lan_spread import version_watch
from scenarios.families.lan_spread.version_watch import (
    Polled,
    Tell,
    VersionWatch,
    Watcher,
    watcher,
)


@pytest.fixture
def games(tmp_path: Path) -> Path:
    folder = tmp_path / "games"
    (folder / "old" / "local").mkdir(parents=True)
    (folder / "old" / "version.ini").write_text("1")
    return folder


@pytest.fixture(params=[watcher, Polled])
def watch(games: Path, request: pytest.FixtureRequest) -> Iterator[VersionWatch]:
    told = request.param()
    yield VersionWatch(games, told)
    told.close()


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
    told = watcher()
    watch = VersionWatch(games, told)
    (games / "later").symlink_to("later")
    (games / "old" / "version.ini").write_text("2")
    assert ids(watch) == {"old"}
    told.close()


def test_each_folder_has_its_own_changes(games: Path) -> None:
    told = watcher()
    other = games.parent / "other"
    (other / "old").mkdir(parents=True)
    one, two = VersionWatch(games, told), VersionWatch(other, told)
    (other / "old" / "version.ini").write_text("2")
    assert [ids(one), ids(two)] == [set(), {"old"}]
    told.close()


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


def test_what_is_given_up_may_be_stopped_later(games: Path) -> None:
    told = watcher()
    watch = VersionWatch(games, told)
    watch.abandon()
    told.close()
    assert watch.stop() == []


class Deaf:
    def watch(self, games: Path, tell: Tell) -> Callable[[], None]:
        return lambda: None

    def close(self) -> None:
        pass


def test_a_watcher_that_sees_nothing_says_so(games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_watch, "FLUSH_S", 0.1)
    with pytest.raises(TimeoutError, match="does not report"):
        VersionWatch(games, Deaf()).stop()


def caught_up(told: Watcher, folder: Path) -> None:
    """Wait until the watcher has read all that happened before."""
    heard = threading.Event()
    folder.mkdir()
    for number in itertools.count():  # what happens while the queue is full is lost
        (folder / str(number)).mkdir()
        told.watch(folder / str(number), lambda _: heard.set())
        (folder / str(number) / "game").mkdir()
        if heard.wait(0.05):
            return


def test_more_at_once_than_the_system_keeps_is_an_error(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux forgets what comes next; that must not pass for "nothing appeared"."""
    if sys.platform != "linux":
        pytest.skip("Linux tells of this")
    monkeypatch.setattr(version_watch, "FLUSH_S", 0.1)
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    told, held, go_on = watcher(), threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        go_on.wait()

    (tmp_path / "holding").mkdir()
    told.watch(tmp_path / "holding", hold)
    watch = VersionWatch(games, told)
    (tmp_path / "holding" / "game").mkdir()
    held.wait()
    names = [games / "old" / name for name in ("local", "elsewhere")]
    for number in range(kept + 1):
        names[number % 2].rename(names[1 - number % 2])
    go_on.set()
    caught_up(told, tmp_path / "later")
    with pytest.raises(TimeoutError, match="does not report"):
        watch.stop()
    told.close()


def refuse(number: int) -> Callable[..., None]:
    def refused(*_: object) -> None:
        raise OSError(number, "no more")

    return refused


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has these limits")
def test_limits_of_the_system_are_named(games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = watcher()
    monkeypatch.setattr("inotify_simple.INotify.add_watch", refuse(errno.ENOSPC))
    with pytest.raises(BackendError, match="max_user_watches"):
        VersionWatch(games, told)
    monkeypatch.undo()
    told.close()
    monkeypatch.setattr(version_watch, "INotify", refuse(errno.EMFILE))
    with pytest.raises(BackendError, match="max_user_instances"):
        watcher()
