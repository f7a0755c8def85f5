"""What peers do with changes of a folder, made at one or several of them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_cli.messages.events import Conflict, FileRenamed, Halted
from tests.sync_cli.world import MiB, World, fetch, same, tell

Worlds = Callable[..., World]


def test_files_folders_links_bits_and_times_arrive(worlds: Worlds) -> None:
    world = worlds("abc")
    a, b = world["a"], world["b"]
    a.write("d/e/f.txt", "deep", 1_234_567_890_123_456_789)
    a.write("run", "x").chmod(0o755)
    a.write("nothing", "")
    (a.root / "empty").mkdir()
    (a.root / "link").symlink_to("/etc/passwd")
    world.sync()
    assert same(world) == {
        "d": None, "d/e": None, "d/e/f.txt": b"deep", "run": b"x", "nothing": b"",
        "empty": None, "link": "-> /etc/passwd",
    }  # fmt: skip
    assert (b.root / "d/e/f.txt").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert os.access(b.root / "run", os.X_OK)
    (b.root / "run").chmod(0o644)
    world.sync()
    assert not os.access(a.root / "run", os.X_OK)


def test_a_touch_sends_nothing(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.write("x", "x")
    world.sync()
    before = a.folder.sequence
    os.utime(a.root / "x", ns=(5, 5))
    world.sync()
    assert a.folder.sequence == before


def test_a_change_that_leaves_size_and_time_is_seen(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.write("x", "one", 1_000)
    world.sync()
    with (a.root / "x").open("r+") as file:
        file.write("two")
    os.utime(a.root / "x", ns=(1_000, 1_000))
    world.sync()
    assert same(world)["x"] == b"two"


def test_an_old_copy_never_beats_a_newer_one_and_deletions_reach_who_was_away(
    worlds: Worlds,
) -> None:
    world = worlds("abc")
    a, c = world["a"], world["c"]
    a.write("x", "old")
    a.write("y", "y")
    world.sync()
    a.write("x", "new", 5)  # its time says that it is older
    (a.root / "y").unlink()
    world.sync("ab")
    os.utime(c.root / "x")
    world.sync("bc")
    world.sync()
    assert same(world) == {"x": b"new"}


def test_offline_edits_on_two_sides_make_one_copy(worlds: Worlds) -> None:
    world = worlds("abc")
    a, b, c = world["a"], world["b"], world["c"]
    a.write("d/notes.txt", "first")
    world.sync()
    a.write("d/notes.txt", "of a", 2_000_000_000_000_000_000)
    b.write("d/notes.txt", "of b", 1_700_000_000_000_000_007)
    world.scan()
    world.sync("ac")
    world.sync("bc")
    world.sync()
    copy = "d/notes.sync-conflict-20231114-221320-000000007-bbbbbbb.txt"
    assert same(world) == {"d": None, "d/notes.txt": b"of a", copy: b"of b"}
    told = [event for peer in (a, b, c) for event in peer.told(Conflict)]
    assert told == [Conflict(path="d/notes.txt", kept_as=copy, winner=a.peer_id)]
    (b.root / copy).unlink()
    world.sync()
    assert same(world) == {"d": None, "d/notes.txt": b"of a"}


def test_a_conflict_copy_gets_no_copy(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    name = "x.sync-conflict-20231114-221320-000000007-bbbbbbb.txt"
    a.write(name, "of a", 2_000)
    b.write(name, "of b", 1_000)
    world.sync()
    assert same(world) == {name: b"of a"}
    (kept,) = (b.root / ".sync/kept").iterdir()
    assert kept.read_bytes() == b"of b"


def test_delete_against_change(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("d/x", "x")
    a.write("y", "y")
    world.sync()
    shutil.rmtree(a.root / "d")
    b.write("d/x", "changed")
    (b.root / "y").unlink()
    world.sync()
    assert same(world) == {"d": None, "d/x": b"changed"}


def test_a_new_file_keeps_its_folder(worlds: Worlds) -> None:
    world = worlds("abc")
    a, b = world["a"], world["b"]
    a.write("d/x", "x")
    world.sync()
    shutil.rmtree(a.root / "d")
    b.write("d/new", "new")
    world.sync("bc")
    world.sync()
    assert same(world) == {"d": None, "d/new": b"new"}


def test_a_folder_replaced_by_a_link_while_others_change_what_is_in_it(
    worlds: Worlds, tmp_path: Path
) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("d/x", "x")
    a.write("d/y", "y")
    world.sync()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("not to be touched")
    shutil.rmtree(a.root / "d")
    (a.root / "d").symlink_to(outside)
    b.write("d/x", "changed")
    (b.root / "d/y").unlink()
    b.write("d/z", "new")
    b.scan()
    tell(b, a)  # before a has scanned
    fetch(a, {b.peer_id: b})
    world.sync()
    content = same(world)
    assert [path.name for path in outside.iterdir()] == ["x"]
    assert (outside / "x").read_text() == "not to be touched"
    assert content["d/x"] == b"changed"
    assert content["d/z"] == b"new"
    assert f"-> {outside}" in content.values()


def test_a_file_where_another_makes_a_folder(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("p", "a file")
    b.write("p/x", "in a folder")
    world.sync()
    content = same(world)
    assert content["p/x"] == b"in a folder"
    assert b"a file" in content.values()


def test_the_same_content_on_two_sides_is_no_conflict_and_not_sent(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "same", 1_000)
    b.write("x", "same", 2_000)
    world.sync()
    assert same(world) == {"x": b"same"}
    assert a.fetched_bytes == b.fetched_bytes == 0
    assert (a.root / "x").stat().st_mtime_ns == 2_000


def test_an_unscanned_edit_is_not_overwritten_nor_deleted(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    for path in ("x", "y"):
        a.write(path, "first")
    world.sync()
    a.write("x", "of a", 1_000_000_000)
    (a.root / "y").unlink()
    a.scan()
    b.write("x", "of b, unscanned", 2_000_000_000)
    b.write("y", "of b, unscanned")
    b.write("z", "new")
    world.sync(scan=False)
    assert b.content()["y"] == b"of b, unscanned"
    world.sync()
    content = same(world)
    assert content["x"] == b"of b, unscanned"
    assert b"of a" in content.values()


def test_a_file_that_appears_is_not_overwritten(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "of a", 2_000)
    a.scan()
    b.write("x", "of b, unscanned", 1_000)
    world.sync(scan=False)
    world.sync()
    assert sorted(map(str, same(world).values())) == ["b'of a'", "b'of b, unscanned'"]


def test_a_renamed_file_and_folder_are_not_sent(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("large", os.urandom(3 * MiB))
    for number in range(50):
        a.write(f"d/{number}", f"content {number}")
    world.sync()
    before = b.fetched_bytes
    inode = (b.root / "large").stat().st_ino
    (a.root / "large").rename(a.root / "moved")
    (a.root / "d").rename(a.root / "e")
    world.sync()
    assert "moved" in same(world)
    assert b.fetched_bytes == before
    assert (b.root / "moved").stat().st_ino == inode
    assert FileRenamed(path="moved", source="large") in b.events
    assert not b.told(Halted)


def test_names_that_are_swapped_are_not_sent(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "one" * 1000)
    a.write("y", "two" * 1000)
    world.sync()
    before = b.fetched_bytes
    (a.root / "x").rename(a.root / "z")
    (a.root / "y").rename(a.root / "x")
    (a.root / "z").rename(a.root / "y")
    world.sync()
    assert same(world)["x"] == b"two" * 1000
    assert b.fetched_bytes == before


def test_only_changed_blocks_are_sent_and_holes_stay(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    file = a.write("large", os.urandom(MiB))
    os.truncate(file, 64 * MiB)
    world.sync()
    assert b.fetched_bytes == MiB
    assert (b.root / "large").stat().st_blocks * 512 < 4 * MiB
    with file.open("r+b") as opened:
        opened.seek(5 * MiB + 7)
        opened.write(b"changed")
    world.sync()
    same(world)
    assert b.fetched_bytes == 2 * MiB


def test_what_came_before_a_restart_is_used(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("large", os.urandom(3 * MiB))
    a.scan()
    tell(a, b)
    b.folder.settle()
    (need,) = b.folder.needs(10)
    incoming = b.folder.begin(need)
    data = a.folder.read_block(need.entry.hash, 1)
    assert data is not None
    assert incoming.put(1, data)
    assert not incoming.put(0, data), "a wrong block"
    b.restart()
    (need,) = b.folder.needs(10)
    incoming = b.folder.begin(need)
    assert incoming.missing() == [0, 2]
    assert incoming.reused_bytes == MiB
    b.folder.give_up(incoming)
    world.sync()
    same(world)
    assert not list((b.root / ".sync/tmp").iterdir())


def test_an_edit_right_after_a_file_was_put_there_is_seen(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "first")
    world.sync()
    a.write("x", "of a")
    a.scan()
    rename = os.rename

    def rename_and_edit(source: bytes, target: bytes, **folders: int) -> None:
        rename(source, target, **folders)
        rename(b.write("aside", "of b, later"), b.root / "x")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename_and_edit)
        world.sync(scan=False)
    world.sync()
    assert same(world) == {"x": b"of b, later"}


def test_who_waits_until_all_is_in_step_is_told_when_the_last_change_is_scanned(
    worlds: Worlds,
) -> None:
    world = worlds("ab")
    world.sync()
    folder = world["a"].folder
    seen: list[bool] = []
    folder.on_change(lambda: seen.append(folder.in_step()))
    for scanned in (folder.note_scanned, lambda: folder.scan([b"x"])):
        folder.note_changes()
        assert not folder.in_step()
        seen.clear()
        scanned()
        folder.note_scanned()
        assert seen[-1]
