import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from peer_cli.install import transaction
from peer_cli.install.errors import InstallCancelled, InstallError
from peer_cli.install.transaction import (
    BACKUP,
    LOCAL,
    STAGING,
    archives_of,
    commit_staging,
    install,
    prepare_staging,
    recover,
    recover_game,
    uninstall,
)
from peer_cli.install.unpacker import Unpacker
from store.deletion import delete_tree
from tests.peer_cli.install.rar_bytes import archive, file_block

OLD = {"bin/old.txt": b"old", "data/more.txt": b"old too", "last.txt": b"old as well"}
NEW = {"bin/new.txt": b"new", "readme.txt": b"new too"}
LIBRARY = Unpacker()
# Every change that a transaction makes to the disk passes one of these.
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open"}
KILLED = 9


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read_tree(folder: Path) -> dict[str, bytes] | None:
    if not folder.exists():
        return None
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def at_rest(root: Path) -> bool:
    return not (root / STAGING).exists() and not (root / BACKUP).exists()


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run the action in a process that is killed just before its `step`-th change to the disk."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in CHANGES:
                left -= 1
                if left < 0:
                    os._exit(KILLED)

        sys.addaudithook(count)
        action()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == KILLED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "games" / "ggoo"
    root.mkdir(parents=True)
    (root / "version.ini").write_text("20200721")
    (root / "b.eti").write_bytes(archive(file_block("readme.txt", b"new too")))
    (root / "A.ETI").write_bytes(archive(file_block("bin/new.txt", b"new")))
    return root


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def marker_of(state_dir: Path) -> Path:
    marker = state_dir / "games/ggoo/launch_settings_applied"
    marker.parent.mkdir(parents=True, exist_ok=True)
    return marker


def run_install(root: Path, state_dir: Path, unpacker: Unpacker = LIBRARY) -> object:
    return install(root, state_dir, unpacker, threading.Event())


def test_install_unpacks_all_archives_in_order(root: Path, state_dir: Path) -> None:
    files: list[str] = []
    marker_of(state_dir).touch()
    summary = install(
        root, state_dir, LIBRARY, threading.Event(), on_file=lambda name, size: files.append(name)
    )
    assert read_tree(root / LOCAL) == NEW
    assert files == ["bin/new.txt", "readme.txt"]
    assert (summary.archives, summary.files, summary.total_bytes) == (2, 2, 10)
    assert at_rest(root)
    assert not marker_of(state_dir).exists()


def test_install_replaces_an_older_one_whole(root: Path, state_dir: Path) -> None:
    write_tree(root / LOCAL, OLD)
    run_install(root, state_dir)
    assert read_tree(root / LOCAL) == NEW
    assert at_rest(root)


def test_the_fixture_unpacker_joins_the_archives(root: Path, state_dir: Path) -> None:
    expected = (root / "A.ETI").read_bytes() + (root / "b.eti").read_bytes()
    run_install(root, state_dir, Unpacker(fixture=True))
    assert read_tree(root / LOCAL) == {"fixture-payload.txt": expected}


def test_a_failed_install_changes_nothing(root: Path, state_dir: Path) -> None:
    write_tree(root / LOCAL, OLD)
    marker_of(state_dir).touch()
    (root / "c.eti").write_bytes(archive(file_block("x", b"once"), file_block("x", b"twice")))
    with pytest.raises(InstallError, match="more than once"):
        run_install(root, state_dir)
    assert read_tree(root / LOCAL) == OLD
    assert at_rest(root)
    assert marker_of(state_dir).exists()


def test_a_later_archive_replaces_what_an_earlier_one_has_brought(
    root: Path, state_dir: Path
) -> None:
    (root / "c.eti").write_bytes(archive(file_block("readme.txt", b"of the patch")))
    run_install(root, state_dir)
    assert read_tree(root / LOCAL) == {**NEW, "readme.txt": b"of the patch"}
    assert at_rest(root)


def test_a_cancelled_install_changes_nothing(root: Path, state_dir: Path) -> None:
    write_tree(root / LOCAL, OLD)
    cancelled = threading.Event()
    with pytest.raises(InstallCancelled):
        install(root, state_dir, LIBRARY, cancelled, on_file=lambda name, size: cancelled.set())
    assert read_tree(root / LOCAL) == OLD
    assert at_rest(root)


def test_a_cancel_reaches_a_helper_that_says_nothing(
    root: Path, state_dir: Path, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    tool = tmp_path / "unrar"
    tool.write_text(f"#!/bin/sh\nexec 9< {started}\nexec sleep 1000\n")
    tool.chmod(0o755)
    cancelled = threading.Event()

    def cancel() -> None:
        with started.open("wb") as fifo:  # waits for the program
            cancelled.set()
            ended = select.poll()
            ended.register(fifo, 0)
            ended.poll()  # returns when no such program runs any more

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    with pytest.raises(InstallCancelled):
        install(root, state_dir, Unpacker(unrar=str(tool)), cancelled)
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert at_rest(root)


def test_without_archives_there_is_nothing_to_install(tmp_path: Path, state_dir: Path) -> None:
    (tmp_path / "game").mkdir()
    for missing in (tmp_path / "game", tmp_path / "none"):
        with pytest.raises(InstallError) as caught:
            run_install(missing, state_dir)
        assert caught.value.code in ("no-archives", "write-failed")


def test_archives_are_those_of_the_root_only(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.eti").touch()
    (root / "link.eti").symlink_to(tmp_path / "outside.eti")
    (root / "inside.eti").symlink_to(root / "b.eti")
    (root / "folder.eti").mkdir()
    (root / "gone.eti").symlink_to(root / "nothing")
    assert [path.name for path in archives_of(root)] == ["A.ETI", "b.eti", "inside.eti"]


def test_a_helper_that_dies_is_told(
    root: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(InstallError, match="exit code 1") as caught:
        run_install(root, state_dir)
    assert caught.value.code == "unpacker-failed"
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(InstallError, match="cannot be started") as caught:
        run_install(root, state_dir)
    assert caught.value.code == "unpacker-failed"
    assert at_rest(root)


def test_uninstall_removes_local_and_nothing_else(root: Path, state_dir: Path) -> None:
    before = read_tree(root)
    run_install(root, state_dir)
    uninstall(root)
    assert read_tree(root) == before
    with pytest.raises(InstallError) as caught:
        uninstall(root)
    assert caught.value.code == "not-installed"


def staged(root: Path, old: dict[str, bytes] | None) -> None:
    if old is not None:
        write_tree(root / LOCAL, old)
    write_tree(prepare_staging(root), NEW)


def outcomes_of_kills(
    make: Callable[[int], Path], action: Callable[[Path], object]
) -> Iterator[dict[str, bytes] | None]:
    """Kill the action at each step, and its recovery at each of its own; yield every `local`."""
    step, killed = 0, True
    while killed:
        recovery_step, recovery_killed = 0, True
        while recovery_killed:
            root = make(step * 1000 + recovery_step)
            killed = killed_at(step, partial(action, root))
            recovery_killed = killed_at(recovery_step, partial(recover_game, root))
            assert recover(root.parent) == []
            assert at_rest(root)
            yield read_tree(root / LOCAL)
            recovery_step += 1
        step += 1
    assert step > 3


@pytest.mark.parametrize("old", [OLD, None])
def test_a_commit_killed_anywhere_leaves_old_or_new(
    tmp_path: Path, state_dir: Path, old: dict[str, bytes] | None
) -> None:
    def make(number: int) -> Path:
        root = tmp_path / str(number) / "ggoo"
        root.mkdir(parents=True)
        staged(root, old)
        return root

    trees = list(outcomes_of_kills(make, lambda root: commit_staging(root, state_dir)))
    assert all(tree in (old, NEW) for tree in trees)
    assert trees[0] == old
    assert trees[-1] == NEW


def test_a_folder_that_cannot_be_looked_into_is_no_defect(root: Path) -> None:
    hidden = root / ("a/" * 3000)  # as one without permission is, for root too
    with pytest.raises(InstallError, match="Cannot remove") as caught:
        uninstall(hidden)
    assert caught.value.code == "write-failed"


def test_an_uninstall_killed_anywhere_leaves_all_or_nothing(tmp_path: Path) -> None:
    def make(number: int) -> Path:
        root = tmp_path / str(number) / "ggoo"
        write_tree(root / LOCAL, OLD)
        return root

    trees = list(outcomes_of_kills(make, uninstall))
    assert all(tree in (OLD, None) for tree in trees)
    assert trees[0] == OLD
    assert trees[-1] is None


def test_a_new_install_never_bears_an_old_marker(tmp_path: Path, state_dir: Path) -> None:
    step, killed = 0, True
    while killed:
        root = tmp_path / str(step) / "ggoo"
        root.mkdir(parents=True)
        staged(root, OLD)
        marker_of(state_dir).touch()
        killed = killed_at(step, partial(commit_staging, root, state_dir))
        recover_game(root)
        assert read_tree(root / LOCAL) == OLD or not marker_of(state_dir).exists()
        step += 1


def test_a_commit_that_fails_puts_the_old_one_back(
    root: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(root, OLD)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == STAGING and target.name == LOCAL:
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InstallError, match="Permission denied") as caught:
        commit_staging(root, state_dir)
    assert caught.value.code == "write-failed"
    assert read_tree(root / LOCAL) == OLD
    assert at_rest(root)


def test_recovery_tells_what_it_cannot_mend(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / STAGING).mkdir()
    (root.parent / "other" / STAGING).mkdir(parents=True)
    delete = delete_tree

    def refuse(path: Path) -> None:
        if path.parent == root:
            raise PermissionError(13, "Permission denied")
        delete(path)

    monkeypatch.setattr(transaction, "delete_tree", refuse)
    (problem,) = recover(root.parent)
    assert "ggoo" in problem
    assert at_rest(root.parent / "other")
