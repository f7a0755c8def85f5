"""What a crash, a failure or another library leaves behind, and what becomes of it."""

import contextlib
import errno
import shutil
from pathlib import Path

import pytest

from peer_cli.transfer.manifest import Manifest
from peer_cli.transfer.recovery import interrupted, recover
from peer_cli.transfer.staging import Staging, staging_of
from store.deletion import delete_tree
from tests.peer_cli.faults import Calls, CrashError, crashing, failing, sweep
from tests.peer_cli.transfer.game_files import (
    Files,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)
from tests.peer_cli.transfer.staging_place import (
    AFTER,
    BEFORE,
    KEPT,
    NEW,
    OLD,
    Place,
    calls_of,
    crash_commit,
    crash_half_way,
    opened,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- crashes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_of_a_commit_is_mended(tmp_path: Path, after: bool) -> None:
    counting = Place(tmp_path / "counting")
    write_files(counting.root, BEFORE)
    steps = calls_of(counting, counting.staged().commit)
    assert steps > 20
    outcomes: set[str] = set()
    for step in range(1, steps + 1):
        place = Place(tmp_path / str(step))
        crash_commit(place, step, after=after)
        if (place.root / "version.ini").exists():  # what is offered is whole
            assert place.game() in (BEFORE, AFTER), step
        place.recover()
        if place.game() == BEFORE:  # the commit had not begun: everything is still staged
            assert read_files(place.root / ".lanspread" / "new") == NEW
            outcomes.add("old")
            place.staged().commit()
        else:
            outcomes.add("new")
        place.check_settled(AFTER)
    assert outcomes == {"old", "new"}


def test_a_crash_while_a_crash_is_mended_is_mended_too(tmp_path: Path) -> None:
    def attempt(step: int) -> Calls:
        place = Place(tmp_path / str(step))
        crash_half_way(place)
        with contextlib.suppress(CrashError), crashing(place.folder, step) as calls:
            place.recover()
        place.recover()
        place.check_settled(AFTER)
        return calls

    assert sweep(attempt) > 20


def test_a_crash_while_downloading_leaves_the_old_version_alone(tmp_path: Path) -> None:
    def attempt(step: int) -> Calls:
        place = Place(tmp_path / str(step))
        write_files(place.root, BEFORE)
        with contextlib.suppress(CrashError), crashing(place.folder, step) as calls:
            place.open().create_files()
        place.recover()
        assert place.game() == BEFORE
        place.staged().commit()
        place.check_settled(AFTER)
        return calls

    assert sweep(attempt) > 20


# --- roll back, discard, recover --------------------------------------------------------------


@pytest.mark.parametrize("before", [None, {}, OLD, KEPT], ids=["none", "empty", "old", "local"])
def test_rolling_back_leaves_the_root_as_it_was(place: Place, before: Files | None) -> None:
    if before is not None:
        place.root.mkdir()
        write_files(place.root, before)
    place.staged().roll_back()
    assert place.root.exists() == (before is not None)
    assert read_files(place.root) == (before or {})
    assert not place.journals()


def test_a_root_that_somebody_else_uses_by_now_stays(place: Place) -> None:
    staging = place.staged()
    write_files(place.root, {"mine.txt": b"mine"})
    staging.roll_back()
    assert read_files(place.root) == {"mine.txt": b"mine"}


def test_a_made_root_is_remembered_over_a_restart(place: Place) -> None:
    place.staged()
    place.recover()
    place.open().roll_back()
    assert not place.root.exists()


def test_a_made_root_is_remembered_when_the_content_changes(place: Place) -> None:
    place.staged()
    place.staged({**NEW, "more": b"x"}).roll_back()
    assert not place.root.exists()


def test_rolling_back_drops_an_interrupted_download(place: Place) -> None:
    write_files(place.root, OLD)
    place.staged()
    left = interrupted(place.games_dir, place.state_dir, "g")
    assert left is not None
    left.roll_back()
    place.check_settled(OLD)
    assert interrupted(place.games_dir, place.state_dir, "g") is None


def test_staging_that_no_journal_knows_is_dropped(place: Place) -> None:
    write_files(place.root, {**OLD, ".lanspread/changed.bin": b"stray"})
    place.recover()
    assert read_files(place.root) == OLD


def test_recovering_nothing_is_nothing(place: Place) -> None:
    place.recover()
    assert list(place.games_dir.iterdir()) == []
    assert place.reports == []


def test_what_is_no_game_is_no_news(place: Place) -> None:
    (place.games_dir / "readme.txt").touch()
    (place.games_dir / "link").symlink_to("nowhere")
    with failing(place.games_dir / "lost+found", 1, errno.EACCES, calls=("lstat",), for_good=True):
        (place.games_dir / "lost+found").mkdir()
        place.recover()
    assert place.reports == []


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\xa5\xff\xff\xff\xff\xff"])
def test_a_damaged_journal_is_reported_and_dropped(place: Place, damage: bytes) -> None:
    write_files(place.root, OLD)
    place.staged()
    journal = place.journal
    journal.write_bytes(damage)
    place.recover()
    assert len(place.reports) == 1
    assert str(journal) in place.reports.pop()
    place.check_settled(OLD)


def test_a_journal_that_cannot_be_read_costs_nothing_but_a_line(place: Place) -> None:
    write_files(place.root, OLD)
    staged = place.staged()
    place.journal.unlink()
    place.journal.mkdir()
    other = opened(place, manifest_of(NEW, game_id="h", version="2"))
    place.recover()
    assert read_files(staged.folder / "new") == NEW  # the journal may know it
    assert other.folder.is_dir()
    assert len(place.reports) == 1
    assert "Is a directory" in place.reports[0]
    assert str(place.journal) in place.reports[0]


def test_journals_that_cannot_be_listed_cost_nothing_but_a_line(place: Place) -> None:
    staged = place.staged()
    downloads = place.state_dir / "downloads"
    downloads.rename(place.state_dir / "elsewhere")
    downloads.write_text("no folder")
    place.recover()
    assert read_files(staged.folder / "new") == NEW
    assert len(place.reports) == 1
    assert "Not a directory" in place.reports[0]


def test_staging_that_cannot_be_dropped_is_reported(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for game_id in ("a", "b", "c"):
        write_files(place.games_dir / game_id, {".lanspread/stray": b"stray"})
    delete = delete_tree

    def fail_for_a(path: Path) -> None:
        if path.parent.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        delete(path)

    monkeypatch.setattr("peer_cli.transfer.recovery.delete_tree", fail_for_a)
    place.recover()
    assert read_files(place.games_dir) == {"a/.lanspread/stray": b"stray"}
    assert len(place.reports) == 1
    assert f"What a download left in {place.games_dir / 'a'} cannot be" in place.reports[0]


def test_what_is_no_game_is_not_looked_into(place: Place) -> None:
    (place.games_dir / "circle").symlink_to("circle")
    (place.games_dir / "read me.txt").touch()
    place.recover()
    assert place.reports == []


def test_a_games_folder_is_known_by_any_path_to_it(place: Place) -> None:
    write_files(place.root, OLD)
    staged = place.staged()
    link = place.games_dir.with_name("link")
    link.symlink_to(place.games_dir)
    recover(link, place.state_dir, place.reports.append)
    assert read_files(staged.folder / "new") == NEW
    assert interrupted(link, place.state_dir, "g") is not None


def test_a_game_that_cannot_be_recovered_does_not_hold_up_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_half_way(place)
    other = opened(place, manifest_of(NEW, game_id="h", version="2"))
    other.create_files()
    write_files(other.new, NEW)
    with crashing(place.folder, 3, after=True, calls=("rename",)), pytest.raises(CrashError):
        other.commit()
    settle = Staging.settle

    def fail_for_g(staging: Staging) -> None:
        if staging.manifest.game_id == "g":
            raise OSError(30, "Read-only file system")
        settle(staging)

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "settle", fail_for_g)
        place.recover()
    assert read_files(place.games_dir / "h") == NEW
    assert len(place.reports) == 1
    assert "Read-only" in place.reports.pop()
    place.recover()  # the trouble is over: now it can be finished
    place.check_settled(AFTER)


def test_games_do_not_touch_each_other(place: Place) -> None:
    write_files(place.games_dir / "h", OLD)
    place.staged().commit()
    assert read_files(place.games_dir / "h") == OLD


def test_a_manifest_of_the_same_content_is_the_same_download(place: Place) -> None:
    first = place.staged()
    again = Manifest("g", "2", tuple(manifest_of(NEW, version="2").files))
    staging = opened(place, again)
    assert read_files(staging.new) == read_files(first.new) == NEW


# --- several libraries ------------------------------------------------------------------------


def test_a_journal_of_another_library_is_left_for_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "one")
    crash_half_way(place)
    other = tmp_path / "other"
    write_files(other / "h", OLD)
    recover(other, place.state_dir, place.reports.append)
    assert read_files(other / "h") == OLD
    assert place.journal.exists()
    place.recover()
    place.check_settled(AFTER)


def test_another_library_does_not_inherit_a_made_root(tmp_path: Path) -> None:
    place = Place(tmp_path / "one")
    place.staged()  # makes the root
    other = tmp_path / "other"
    (other / "g").mkdir(parents=True)
    staging = staging_of(other, place.state_dir, manifest_of(NEW, version="2"))
    staging.open()
    staging.roll_back()
    assert (other / "g").exists()


def test_an_interrupted_download_is_of_its_library_only(tmp_path: Path) -> None:
    place = Place(tmp_path / "one")
    place.staged()
    assert interrupted(tmp_path / "other", place.state_dir, "g") is None
    assert read_files(place.root / ".lanspread" / "new") == NEW
    assert interrupted(place.games_dir, place.state_dir, "g") is not None


# --- games folders that are moved, copied, or swapped -----------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_is_mended_where_the_games_are_now(tmp_path: Path, after: bool) -> None:
    counting = Place(tmp_path / "counting")
    write_files(counting.root, BEFORE)
    steps = calls_of(counting, counting.staged().commit)
    for step in range(1, steps + 1):
        place = Place(tmp_path / str(step))
        crash_commit(place, step, after=after)
        place.use(place.games_dir.rename(place.folder / "moved"))
        place.recover()
        assert place.game() in (BEFORE, AFTER), step
        if place.game() == BEFORE:
            assert read_files(place.root / ".lanspread" / "new") == NEW
            place.staged().commit()
        place.check_settled(AFTER)


def test_a_copy_made_before_the_commit_is_not_taken_for_verified(place: Place) -> None:
    write_files(place.root, BEFORE)
    staging = place.open()
    staging.create_files()  # nothing has come: all zeros
    copy = place.folder / "copy"
    shutil.copytree(place.games_dir, copy)
    write_files(staging.new, NEW)
    with crashing(place.folder, 5, after=True, calls=("rename",)), pytest.raises(CrashError):
        staging.commit()
    place.use(copy)
    place.recover()
    assert place.game() == BEFORE
    assert "other content" in place.reports.pop()
    place.staged().commit()
    place.check_settled(AFTER)


def test_a_commit_is_remembered_while_another_disk_is_in_its_place(place: Place) -> None:
    crash_half_way(place)
    away = place.folder / "away"
    place.games_dir.rename(away)
    write_files(place.root, OLD)
    place.recover()
    place.open(OLD, "1").roll_back()
    assert place.game() == OLD
    place.use(away)
    place.recover()
    place.check_settled(AFTER)


@pytest.mark.parametrize("name", [b"", b"../../identity", b"0" * 31, b"0" * 33, b"\xff" * 32])
def test_a_journal_that_is_named_wrongly_is_none(place: Place, name: bytes) -> None:
    write_files(place.root, OLD)
    staging = place.staged()
    (staging.folder / "journal").write_bytes(name)
    place.recover()
    place.check_settled(OLD)
