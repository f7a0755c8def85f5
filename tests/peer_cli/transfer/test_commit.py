"""A commit in trouble: one version is whole and offered afterwards, and no byte is lost before."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from peer_cli.transfer.staging import Staging, UnsettledError
from tests.peer_cli.faults import CHANGES, Calls, CrashError, crashing, failing, sweep
from tests.peer_cli.transfer.game_files import read_files, use_small_blocks, write_files
from tests.peer_cli.transfer.staging_place import (
    AFTER,
    BEFORE,
    NEW,
    OLD,
    Place,
    crash_half_way,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of them, and no power cut


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def all_bytes(place: Place) -> set[bytes]:
    return set(read_files(place.root).values())


# --- trouble that can be known before ---------------------------------------------------------


def as_nobody(work: Callable[[], None]) -> None:
    """Run work without root's power over permissions, in a process of its own."""
    child = os.fork()
    if not child:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0


def give_away(folder: Path) -> None:
    """Give a folder to whom `as_nobody` runs as, and open the way to it."""
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, 65534, 65534)
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o755)


@pytest.mark.parametrize("shut", ["data", "gone", "kept/in", "folder"])
def test_a_folder_that_is_not_ours_to_change_is_known_before_a_byte_is_fetched(
    place: Place, shut: str
) -> None:
    old = {**OLD, "data/pak.bin": b"old", "kept/in/x": b"old"}
    new = {**NEW, "data/pak.bin": b"new", "kept/in/y": b"new"}
    write_files(place.root, old)
    (place.root / shut).chmod(0o555)
    give_away(place.folder)

    def work() -> None:
        staging = place.staging(new)
        with pytest.raises(PermissionError) as caught:
            staging.open()
        assert str(caught.value.filename) == str(place.root / shut)
        staging.roll_back()

    as_nobody(work)
    place.check_settled(old)


def test_a_folder_that_is_shut_meanwhile_leaves_the_older_version_whole(place: Place) -> None:
    old, new = {**OLD, "data/pak.bin": b"old"}, {**NEW, "data/pak.bin": b"new"}
    write_files(place.root, old)
    staging = place.staged(new)
    (place.root / "data").chmod(0o555)
    give_away(place.folder)

    def work() -> None:
        with pytest.raises(PermissionError):
            staging.commit()
        assert place.game() == old
        assert read_files(staging.new) == new
        staging.roll_back()

    as_nobody(work)
    place.check_settled(old)


def mounted(folder: Path, work: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a disk of its own at a folder, in a namespace that goes with it."""
    script = f"mount -t tmpfs tmpfs {folder} && echo old > {folder}/pak.bin && exec {work}"
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        text=True,
        check=False,
    )


def test_a_folder_on_another_disk_is_known_before_a_byte_is_fetched(place: Place) -> None:
    write_files(place.root, {"version.ini": b"1", "data/pak.bin": b"under the mount"})
    if mounted(place.root / "data", "true").returncode:
        pytest.skip("no mounts of one's own here")
    code = """
import sys
from pathlib import Path
from peer_cli.transfer.staging import staging_of
from tests.peer_cli.transfer.game_files import manifest_of

new = manifest_of({"version.ini": b"2", "data/pak.bin": b"new"}, version="2")
staging = staging_of(Path(sys.argv[1]), Path(sys.argv[2]), new)
try:
    staging.open()
except OSError as error:
    print(error)
staging.roll_back()
"""
    (place.folder / "update.py").write_text(code)
    work = f"{sys.executable} -P {place.folder}/update.py {place.games_dir} {place.state_dir}"
    done = mounted(place.root / "data", work)
    assert "on another disk" in done.stdout, done.stderr
    place.check_settled({"version.ini": b"1", "data/pak.bin": b"under the mount"})


# --- trouble that only shows when it comes ----------------------------------------------------


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EXDEV])
def test_a_call_that_fails_leaves_one_version_whole(many: Path, code: int) -> None:
    outcomes: set[str] = set()

    def attempt(nth: int) -> Calls:
        place = Place(many / str(nth))
        write_files(place.root, BEFORE)
        staging = place.staged()
        with failing(place.folder, nth, code) as calls:
            try:
                staging.commit()
                outcomes.add("done")
            except OSError:
                outcomes.add("old")
        if "old" in outcomes and (place.root / "version.ini").read_bytes() == b"1\n":
            assert place.game() == BEFORE, calls
            assert read_files(staging.new) == NEW, calls
            staging.roll_back()
            place.check_settled(BEFORE)
            place.staged().commit()
        else:
            assert place.game() == AFTER, calls
            place.recover()  # what could not be tidied up goes now
        place.check_settled(AFTER)
        return calls

    assert sweep(attempt) > 100
    assert outcomes == {"done", "old"}


@pytest.mark.parametrize("calls", [("rename",), CHANGES], ids=["renames", "all"])
def test_a_disk_that_dies_loses_no_byte(many: Path, calls: tuple[str, ...]) -> None:
    """Neither finishing nor undoing works; the next start has the disk back."""
    unsettled = 0

    def attempt(nth: int) -> Calls:
        nonlocal unsettled
        place = Place(many / str(nth))
        write_files(place.root, BEFORE)
        staging = place.staged()
        with failing(place.folder, nth, errno.EIO, calls=calls, for_good=True) as met:
            try:
                staging.commit()
            except UnsettledError:
                unsettled += 1
            except OSError:
                with suppress(OSError):
                    staging.roll_back()
        if (place.root / "version.ini").exists():
            assert place.game() in (BEFORE, AFTER), met
        else:
            assert all_bytes(place) >= set(BEFORE.values()) | set(NEW.values()), met
        place.recover()
        assert place.game() in (BEFORE, AFTER), met
        place.staged().commit()
        place.check_settled(AFTER)
        return met

    assert sweep(attempt) > 5
    assert unsettled > 5


def test_recovery_that_fails_leaves_one_version_whole(many: Path) -> None:
    def attempt(nth: int) -> Calls:
        place = Place(many / str(nth))
        crash_half_way(place)
        with failing(place.folder, nth, errno.EIO) as calls:
            place.recover()
        if (place.root / "version.ini").exists():
            assert place.game() in (BEFORE, AFTER), calls
        place.recover()
        assert place.game() in (BEFORE, AFTER), calls
        place.reports.clear()
        place.staged().commit()
        place.check_settled(AFTER)
        return calls

    assert sweep(attempt) > 50


def test_a_crash_while_it_is_undone_is_mended(many: Path) -> None:
    renames = len(OLD) + 3

    def attempt(step: int) -> Calls:
        place = Place(many / str(step))
        write_files(place.root, BEFORE)
        staging = place.staged()
        with (
            suppress(CrashError, OSError),
            crashing(place.folder, step) as calls,
            failing(place.folder, renames, errno.EIO, calls=("rename",)),
        ):
            staging.commit()
        place.recover()
        assert place.game() in (BEFORE, AFTER)
        place.staged().commit()
        place.check_settled(AFTER)
        return calls

    assert sweep(attempt) > 50


# --- what becomes of a commit that waits --------------------------------------------------------


def stuck(place: Place) -> Staging:
    """A commit of which both ways failed."""
    write_files(place.root, BEFORE)
    staging = place.staged()
    with (
        failing(place.folder, len(OLD) + 3, errno.EIO, calls=("rename",), for_good=True),
        pytest.raises(UnsettledError, match="next start"),
    ):
        staging.commit()
    assert not (place.root / "version.ini").exists()
    return staging


def test_the_next_download_settles_it_first(place: Place) -> None:
    stuck(place)
    third = {"version.ini": b"3\n", "other.bin": b"third"}
    staging = place.staged(third, version="3")
    assert place.game() == AFTER  # finished before anything else was begun
    staging.commit()
    place.check_settled({**third, **{k: v for k, v in AFTER.items() if k.startswith("local/")}})


def test_what_is_stuck_is_not_rolled_over(place: Place) -> None:
    stuck(place)
    before = read_files(place.root)
    with (
        failing(place.folder, 1, errno.EIO, calls=("rename",), for_good=True),
        pytest.raises(UnsettledError),
    ):
        place.open()
    assert read_files(place.root) == before


def test_an_older_version_that_no_journal_knows_is_kept_and_told_of(place: Place) -> None:
    stuck(place)
    before = read_files(place.root)
    place.journal.unlink()  # another state folder
    place.recover()
    assert read_files(place.root) == before
    assert "two versions of g" in place.reports.pop()
    with pytest.raises(UnsettledError, match="by hand"):
        place.open()
    assert read_files(place.root) == before


def test_staging_that_cannot_be_deleted_stops_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_files(place.games_dir / name, {**OLD, ".lanspread/new/x": b"stray"})
    with failing(place.games_dir / "b", 1, errno.EACCES, calls=("unlink",), for_good=True):
        place.recover()
    (report,) = place.reports
    assert "/b cannot be deleted" in report
    left = [path.parent.parent.name for path in place.games_dir.glob("*/.lanspread/new")]
    assert left == ["b"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_root_that_is_a_link_is_updated_and_rolled_back_like_any_other(
    place: Place, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    elsewhere = place.folder / "another disk"
    write_files(elsewhere, BEFORE)
    place.root.symlink_to(elsewhere)
    staging = place.staged()
    if fails:
        half_way = failing(place.folder, len(OLD) + 3, errno.EIO, calls=("rename",))
        with half_way, pytest.raises(OSError, match="Input/output"):
            staging.commit()
        staging.roll_back()
    else:
        staging.commit()
    assert place.root.is_symlink()
    place.check_settled(BEFORE if fails else AFTER)
