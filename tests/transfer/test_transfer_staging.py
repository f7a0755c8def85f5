import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from game_files import (
    BLOCK,
    Files,
    content,
    manifest_of,
    read_files,
    use_small_blocks,
    write_files,
)

from peer_cli.transfer.manifest import Manifest, chunks_of
from peer_cli.transfer.staging import (
    Staging,
    discard,
    is_interrupted,
    recover,
    staging_of,
)

OLD = {
    "version.ini": b"1\n",
    "same.bin": content("same", 100),
    "changed.bin": content("old", 9000),
    "gone.bin": b"gone",
    "gone/too.bin": b"gone",
    "file": b"becomes a folder",
    "folder/inner": b"becomes a file",
}
NEW = {
    "version.ini": b"2\n",
    "same.bin": content("same", 100),
    "changed.bin": content("new", 9 * BLOCK + 5),
    "empty.bin": b"",
    "deep/er/added.bin": content("added", BLOCK),
    "file/inner": b"became a folder",
    "folder": b"became a file",
}
KEPT = {"local/save.dat": b"mine", "local/version.ini": b"not the game's"}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)


def opened(place: "Place", manifest: Manifest) -> Staging:
    staging = staging_of(place.games_dir, place.state_dir, manifest)
    staging.open()
    return staging


class Place:
    """A games folder, a state folder, and one game in them."""

    def __init__(self, folder: Path) -> None:
        self.games_dir, self.state_dir = folder / "games", folder / "state"
        self.games_dir.mkdir(parents=True)
        self.state_dir.mkdir()
        self.root = self.games_dir / "g"
        self.reports: list[str] = []

    @property
    def journal(self) -> Path:
        return self.state_dir / "downloads" / "g.journal"

    def open(self, files: Files = NEW, version: str = "2") -> Staging:
        return opened(self, manifest_of(files, version=version))

    def staged(self, files: Files = NEW, version: str = "2") -> Staging:
        """A download of which every byte is here, ready to commit."""
        staging = self.open(files, version)
        staging.create_files()
        write_files(staging.folder, files)
        return staging

    def recover(self) -> None:
        recover(self.games_dir, self.state_dir, self.reports.append)

    def game(self) -> dict[str, bytes]:
        """What is in the root but for what is staged."""
        files = read_files(self.root).items()
        return {path: data for path, data in files if not path.startswith(".lanspread/")}

    def check_settled(self, files: Files) -> None:
        assert self.game() == files
        assert not (self.root / ".lanspread").exists()
        assert not list((self.state_dir / "downloads").iterdir())
        assert self.reports == []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- opening, creating, holding ---------------------------------------------------------------


def test_files_are_made_at_full_size_aside_from_the_game(place: Place) -> None:
    write_files(place.root, OLD)
    staging = place.open()
    staging.create_files()
    sizes = {path: len(data) for path, data in read_files(staging.folder).items()}
    assert sizes == {path: len(data) for path, data in NEW.items()}
    assert place.game() == OLD
    assert place.journal.exists()
    assert [path.name for path in place.journal.parent.iterdir()] == ["g.journal"]


def test_nothing_is_held_of_a_new_download(place: Place) -> None:
    staging = place.open()
    chunks = chunks_of(staging.manifest)
    assert staging.held(chunks) == {}
    staging.create_files()
    assert staging.held(chunks) == {}


def test_only_what_verifies_is_held(place: Place) -> None:
    staging = place.staged()
    path = staging.path("changed.bin")
    with path.open("r+b") as file:
        file.seek(2 * BLOCK + 7)
        file.write(b"x")  # block 2 is wrong
        file.truncate(9 * BLOCK)  # and the last one is missing
    staging.path("deep/er/added.bin").unlink()
    chunks = {chunk.index: chunk for chunk in chunks_of(staging.manifest)}
    held = staging.held(list(chunks.values()))
    found = sorted(
        (chunks[index].path, offset, length) for index, r in held.items() for offset, length in r
    )
    good = [n for n in range(9) if n != 2]
    assert [row for row in found if row[0] == "changed.bin"] == [
        ("changed.bin", number * BLOCK, BLOCK) for number in good
    ]
    assert [row for row in found if row[0] != "changed.bin"] == [
        (path, 0, len(NEW[path]))
        for path in sorted(NEW)
        if path not in ("changed.bin", "deep/er/added.bin", "empty.bin")
    ]
    for index, ranges in held.items():
        chunk = chunks[index]
        for offset, length in ranges:
            assert chunk.offset <= offset < offset + length <= chunk.offset + chunk.length


def test_an_interrupted_download_goes_on(place: Place) -> None:
    first = place.open()
    first.create_files()
    write_files(first.folder, {"changed.bin": NEW["changed.bin"]})
    place.recover()
    second = place.open()
    assert second == first
    held = second.held(chunks_of(second.manifest))
    assert sum(length for r in held.values() for _, length in r) == len(NEW["changed.bin"])
    write_files(second.folder, NEW)
    second.commit()
    place.check_settled(NEW)


def test_another_content_starts_afresh(place: Place) -> None:
    place.staged()
    other = place.open({**NEW, "changed.bin": b"other"}, "2")
    assert read_files(other.folder) == {}
    assert other.held(chunks_of(other.manifest)) == {}


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"garbage", b"\xa5\xff\xff\xff\xff\xff"])
def test_a_damaged_journal_starts_afresh(place: Place, damage: bytes) -> None:
    place.staged()
    place.journal.write_bytes(damage)
    staging = place.open()
    assert read_files(staging.folder) == {}


def test_a_full_disk_is_known_before(place: Place) -> None:
    staging = place.open()
    assert staging.lacking_space(0) == 0
    assert staging.lacking_space(1) == 0
    free = shutil.disk_usage(staging.folder).free
    assert 0 < staging.lacking_space(free + (1 << 50)) <= (1 << 50) + (1 << 40)


# --- commit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [{}, OLD, KEPT, {**OLD, **KEPT}], ids=["", "old", "local", "+"])
def test_a_commit_replaces_the_game_and_nothing_else(place: Place, before: Files) -> None:
    write_files(place.root, before)
    place.staged().commit()
    kept = {path: data for path, data in before.items() if path.startswith("local/")}
    place.check_settled({**NEW, **kept})


def test_version_ini_comes_last(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(place.root, OLD)
    staging = place.staged()
    rename = Path.rename
    seen: list[dict[str, bytes]] = []

    def watch(source: Path, target: Path) -> Path:
        seen.append(place.game())
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", watch)
    staging.commit()
    assert [NEW.keys() - game.keys() for game in seen] == [{"version.ini"}]


class CrashError(BaseException):
    """The peer is gone, at this very moment."""


@contextmanager
def crashing_at(step: int, *, after: bool) -> Iterator[Callable[[], int]]:
    """Crash just before or after the `step`th change to the disk; yields the number of steps."""
    steps = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == step and not after:
                raise CrashError
            result = original(*arguments, **options)
            if steps == step and after:
                raise CrashError
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in [
            (Path, "unlink"), (Path, "rename"), (Path, "replace"), (os, "fsync"),
            (shutil, "rmtree"), (os, "ftruncate"),
        ]:  # fmt: skip
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield lambda: steps


def steps_of(work: Callable[[], None]) -> int:
    with crashing_at(0, after=False) as count:
        work()
    return count()


BEFORE = {**OLD, **KEPT}
AFTER = {**NEW, **KEPT}


def crash_commit(place: Place, step: int, *, after: bool) -> None:
    write_files(place.root, BEFORE)
    staging = place.staged()
    with crashing_at(step, after=after), pytest.raises(CrashError):
        staging.commit()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_step_of_a_commit_is_mended(tmp_path: Path, after: bool) -> None:
    counting = Place(tmp_path / "counting")
    write_files(counting.root, BEFORE)
    steps = steps_of(counting.staged().commit)
    assert steps > 20
    outcomes: set[str] = set()
    for step in range(1, steps + 1):
        place = Place(tmp_path / str(step))
        crash_commit(place, step, after=after)
        if (place.root / "version.ini").exists():  # what is offered is whole
            assert place.game() in (BEFORE, AFTER), step
        place.recover()
        if place.game() == BEFORE:  # the commit had not begun: everything is still staged
            assert read_files(place.root / ".lanspread") == NEW
            outcomes.add("old")
            place.staged().commit()
        else:
            outcomes.add("new")
        place.check_settled(AFTER)
    assert outcomes == {"old", "new"}


def test_a_crash_while_a_crash_is_mended_is_mended_too(tmp_path: Path) -> None:
    for step in range(1, 100):
        place = Place(tmp_path / str(step))
        crash_commit(place, 12, after=True)  # some files are moved already
        try:
            with crashing_at(step, after=False):
                place.recover()
        except CrashError:
            place.recover()
            place.check_settled(AFTER)
        else:
            place.check_settled(AFTER)
            assert step > 5
            return
    raise AssertionError


def test_a_crash_while_downloading_leaves_the_old_version_alone(tmp_path: Path) -> None:
    def download(place: Place) -> None:
        place.open().create_files()

    counting = Place(tmp_path / "counting")
    for step in range(1, steps_of(lambda: download(counting)) + 1):
        place = Place(tmp_path / str(step))
        write_files(place.root, BEFORE)
        with crashing_at(step, after=False), pytest.raises(CrashError):
            download(place)
        place.recover()
        assert place.game() == BEFORE
        place.staged().commit()
        place.check_settled(AFTER)


# --- links in the root ------------------------------------------------------------------------


def test_a_link_is_replaced_and_not_followed(place: Place) -> None:
    write_files(place.root, {"version.ini": b"1\n", "b.bin": b"old"})
    (place.root / "a.bin").symlink_to("b.bin")
    new = {"version.ini": b"2\n", "a.bin": b"new a", "b.bin": b"new b"}
    place.staged(new).commit()
    place.check_settled(new)


def test_a_link_out_of_the_root_is_replaced_and_not_followed(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.eti"
    outside.write_bytes(b"mine")
    write_files(place.root, {"version.ini": b"1\n"})
    (place.root / "a.eti").symlink_to(outside)
    new = {"version.ini": b"2\n", "a.eti": b"new"}
    place.staged(new).commit()
    assert outside.read_bytes() == b"mine"
    place.check_settled(new)


@pytest.mark.parametrize("inside", [False, True], ids=["out", "in"])
def test_a_linked_folder_is_replaced_and_not_followed(
    place: Place, tmp_path: Path, inside: bool
) -> None:
    outside = (place.root if inside else tmp_path) / "elsewhere"
    outside.mkdir(parents=True)
    (place.root).mkdir(exist_ok=True)
    (place.root / "sub").symlink_to(outside)
    new = {"version.ini": b"2\n", "sub/x.bin": b"new", "sub/er/y.bin": b"new"}
    place.staged(new).commit()
    assert list(outside.iterdir()) == []
    place.check_settled(new)


# --- roll back, discard, recover --------------------------------------------------------------


@pytest.mark.parametrize("before", [None, {}, OLD, KEPT], ids=["none", "empty", "old", "local"])
def test_rolling_back_leaves_the_root_as_it_was(place: Place, before: Files | None) -> None:
    if before is not None:
        place.root.mkdir()
        write_files(place.root, before)
    place.staged().roll_back()
    assert place.root.exists() == (before is not None)
    assert read_files(place.root) == (before or {})
    assert not place.journal.exists()


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


def test_discarding_drops_an_interrupted_download(place: Place) -> None:
    write_files(place.root, OLD)
    place.staged()
    discard(place.games_dir, place.state_dir, "g")
    place.check_settled(OLD)
    discard(place.games_dir, place.state_dir, "g")  # nothing there: no harm
    place.check_settled(OLD)


def test_staging_that_no_journal_knows_is_dropped(place: Place) -> None:
    write_files(place.root, {**OLD, ".lanspread/changed.bin": b"stray"})
    place.recover()
    assert read_files(place.root) == OLD


def test_recovering_nothing_is_nothing(place: Place) -> None:
    place.recover()
    assert list(place.games_dir.iterdir()) == []
    assert place.reports == []


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\xa5\xff\xff\xff\xff\xff"])
def test_a_damaged_journal_is_reported_and_dropped(place: Place, damage: bytes) -> None:
    write_files(place.root, OLD)
    place.staged()
    place.journal.write_bytes(damage)
    place.recover()
    assert len(place.reports) == 1
    assert str(place.journal) in place.reports.pop()
    place.check_settled(OLD)


def test_a_game_that_cannot_be_recovered_does_not_hold_up_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_commit(place, 12, after=True)
    other = opened(place, manifest_of(NEW, game_id="h", version="2"))
    other.create_files()
    write_files(other.folder, NEW)
    with crashing_at(12, after=True), pytest.raises(CrashError):
        other.commit()
    finish = Staging.finish_commit

    def fail_for_g(staging: Staging) -> None:
        if staging.manifest.game_id == "g":
            raise OSError(30, "Read-only file system")
        finish(staging)

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "finish_commit", fail_for_g)
        place.recover()
    assert read_files(place.games_dir / "h") == NEW
    assert len(place.reports) == 1
    assert "g" in place.reports.pop()
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
    assert read_files(staging.folder) == read_files(first.folder) == NEW


# --- several libraries ------------------------------------------------------------------------


def test_a_journal_of_another_library_is_left_for_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "one")
    crash_commit(place, 12, after=True)
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


def test_discarding_is_for_this_library_only(tmp_path: Path) -> None:
    place = Place(tmp_path / "one")
    place.staged()
    discard(tmp_path / "other", place.state_dir, "g")
    assert read_files(place.root / ".lanspread") == NEW
    assert is_interrupted(place.state_dir, "g")
    discard(place.games_dir, place.state_dir, "g")
    assert not is_interrupted(place.state_dir, "g")
