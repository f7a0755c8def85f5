"""Kills a peer before each step of each operation: nothing is lost, back again, or left over."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_cli.database import Database
from tests.sync_cli.world import MiB, Peer, World, content_of, fetch, tell

_CHANGES = {
    "os.link",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.utime",
    "os.chmod",
    "os.truncate",
}
LARGE = os.urandom(2 * MiB) + bytes(MiB) + os.urandom(100)


def put_new(a: Peer, b: Peer) -> None:
    a.write("new.txt", "new")
    a.write("d/large", LARGE)
    a.write("d/bit", "x").chmod(0o755)
    (a.root / "link").symlink_to("d/large")
    (a.root / "empty").mkdir()


def replace(a: Peer, b: Peer) -> None:
    a.write("old.txt", "replaced")
    a.write("old-large", LARGE[:-1])


def delete(a: Peer, b: Peer) -> None:
    (a.root / "old.txt").unlink()
    shutil.rmtree(a.root / "old")


def rename(a: Peer, b: Peer) -> None:
    (a.root / "old-large").rename(a.root / "moved-large")
    (a.root / "old").rename(a.root / "moved")


def conflict(a: Peer, b: Peer) -> None:
    b.write("old.txt", "of b, earlier", 1_000_000_000)
    b.write("old/1", "of b, later", 3_000_000_000)
    a.write("old.txt", "of a, later", 2_000_000_000)
    a.write("old/1", "of a, earlier", 2_000_000_000)


def delete_against_change(a: Peer, b: Peer) -> None:
    shutil.rmtree(a.root / "old")
    b.write("old/1", "changed")


def swap_kinds(a: Peer, b: Peer) -> None:
    shutil.rmtree(a.root / "old")
    a.write("old", "a file now")
    (a.root / "old.txt").unlink()
    a.write("old.txt/inside", "a folder now")


def copy_and_touch_bits(a: Peer, b: Peer) -> None:
    shutil.copy(a.root / "old-large", a.root / "copy-large")
    (a.root / "old.txt").chmod(0o755)


OPERATIONS = [
    put_new,
    replace,
    delete,
    rename,
    conflict,
    delete_against_change,
    swap_kinds,
    copy_and_touch_bits,
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_killed_before_every_step(tmp_path: Path, operation: Callable[[Peer, Peer], None]) -> None:
    origin = tmp_path / "origin"
    world = World(origin, "ab")
    world["a"].write("old.txt", "old")
    world["a"].write("old-large", LARGE)
    for number in range(3):
        world["a"].write(f"old/{number}", f"old {number}")
    world.sync()
    operation(world["a"], world["b"])
    world.scan()
    world.close()
    expected = _run_to_end(_copy(origin, tmp_path / "whole"))
    for step in range(1, 1000):
        base = _copy(origin, tmp_path / f"step-{step}")
        killed = _killed_at(step, lambda base=base: _exchange(base))  # type: ignore[misc]
        assert _run_to_end(base) == expected, f"killed before step {step}"
        shutil.rmtree(base)
        if not killed:
            assert step > 3
            return
    pytest.fail("it never came to its end")


def _copy(origin: Path, base: Path) -> Path:
    """Copy peers; their files keep neither inode nor change time, as after a restored backup."""
    shutil.copytree(origin, base, symlinks=True)
    return base


def _exchange(base: Path) -> None:
    """What is interrupted: b scans, takes all that a has, and applies it."""
    world = World(base, "ab")
    a, b = world["a"], world["b"]
    b.scan()
    tell(a, b)
    fetch(b, {a.peer_id: a})


def _run_to_end(base: Path) -> dict[str, object]:
    world = World(base, "ab")
    try:
        world.sync()
        a, b = world["a"], world["b"]
        assert a.content() == b.content()
        assert a.folder.in_step()
        assert b.folder.in_step()
        for peer in (a, b):
            assert not list((peer.root / ".sync/tmp").iterdir())
            assert not list((peer.root / ".sync/kept").iterdir())
    finally:
        world.close()
    return content_of(base / "a" / "folder")


def _killed_at(step: int, work: Callable[[], None]) -> bool:
    """Run work in a process that ends before its step; tell whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            _arm(step)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the other process has to hear of it
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 9


def _arm(step: int) -> None:
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        flags = arguments[2] if event == "open" else None
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in _CHANGES or writes:
            count()

    set_meta = Database.set_meta

    def counted(self: Database, key: str, value: str) -> None:
        count()  # right before a transaction with changes is committed
        set_meta(self, key, value)
        count()

    Database.set_meta = counted  # type: ignore[method-assign]
    sys.addaudithook(hook)
