"""What is never done to a folder: brakes, lost state, ignored files, old deletions."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_cli.folder import FolderError, HaltedError, IndexRenewedError, Options
from sync_cli.messages.events import FileDeleted, Halted
from sync_cli.model import MAX_PART_BYTES, path_text
from tests.sync_cli.world import Peer, World, same, tell

Worlds = Callable[..., World]


def test_a_lost_index_loses_and_deletes_nothing(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.write("x", "x")
    a.write("y", "y")
    world.sync()
    a.folder.close()
    shutil.rmtree(a.state)
    a.state.mkdir()
    a.folder = a._open()
    (a.root / "x").unlink()
    a.write("y", "changed without an index", 10)
    world.sync()
    content = same(world)
    assert content["x"] == b"x"
    assert b"changed without an index" in content.values()


def test_a_restored_index_goes_on_under_a_new_id(worlds: Worlds, tmp_path: Path) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "x")
    world.sync()
    a.folder.close()
    shutil.copytree(a.state, tmp_path / "backup")
    a.folder = a._open()
    a.write("y", "y")
    world.sync()
    a.folder.close()
    shutil.rmtree(a.state)
    shutil.copytree(tmp_path / "backup", a.state)
    a.folder = a._open()
    old = a.folder.index_id
    with pytest.raises(IndexRenewedError):
        a.folder.meet(b.peer_id, b.folder.index_id, b.folder.taken(a.peer_id))
    assert a.folder.index_id != old
    a.write("x", "changed")
    world.sync()
    assert same(world) == {"x": b"changed", "y": b"y"}


def test_a_damaged_index_is_kept_and_a_new_one_begins(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.write("x", "x")
    world.sync()
    a.folder.close()
    (a.state / "index.sqlite").write_bytes(b"no database at all" * 1000)
    a.folder = a._open()
    world.sync()
    assert same(world) == {"x": b"x"}
    assert list(a.state.glob("index.sqlite.broken-*"))


def test_odd_names_are_kept(worlds: Worlds) -> None:
    world = worlds("ab")
    names = [b"new\nline", b"\xff", b"dots...", b"x" * MAX_PART_BYTES, "🎉".encode(), b"\\x41"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(world["a"].root), name))).write_bytes(name)  # noqa: PTH118
    world.sync()
    assert {os.fsencode(path) for path in same(world)} == set(names)
    shown = {path_text(row.entry.path) for row in world["b"].folder.files()}
    assert {"\\xff", "\\\\x41", "new\nline"} < shown


def test_ignored_files_are_neither_sent_nor_deleted(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("early.log", "sent before")
    a.write("d/x", "x")
    world.sync()
    a.write(".syncignore", "*.log\nbuild/\n")
    world.sync()
    a.write("d/late.log", "not sent")
    a.write("build/out", "not sent")
    (a.root / "early.log").unlink()
    world.sync()
    assert "d/late.log" not in b.content()
    assert "build" not in b.content()
    assert b.content()["early.log"] == b"sent before"
    shutil.rmtree(b.root / "d")
    world.sync()
    assert a.content()["d/late.log"] == b"not sent"
    assert "d/x" not in a.content()
    assert a.folder.in_step()
    assert b.folder.in_step()
    world.sync()
    assert "d" not in b.content()
    a.write(".syncignore", "")
    world.sync()
    assert b.content()["build/out"] == b"not sent"
    same(world)


def test_links_may_be_left_out(worlds: Worlds) -> None:
    world = worlds("ab", Options(links=False))
    a, b = world["a"], world["b"]
    a.write("x", "x")
    (a.root / "link").symlink_to("x")
    world.sync()
    assert b.content() == {"x": b"x"}
    assert b.folder.in_step()


def test_a_folder_that_is_gone_deletes_nothing(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "x")
    world.sync()
    a.root.rename(a.root.with_name("away"))
    world.sync()
    assert a.folder.halted == "folder-gone"
    a.root.mkdir()
    world.sync()
    assert a.folder.halted == "marker-gone"
    assert [event.code for event in a.told(Halted)] == ["folder-gone", "marker-gone"]  # type: ignore[attr-defined]
    assert b.content() == {"x": b"x"}
    a.restart()
    world.sync()
    assert b.content() == {"x": b"x"}
    a.root.joinpath(".sync").exists()
    shutil.rmtree(a.root)
    a.root.with_name("away").rename(a.root)
    world.sync()
    assert a.folder.halted is None
    same(world)


def test_half_of_the_files_gone_halts_until_resume(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    for number in range(20):
        a.write(f"d/{number}", str(number))
    world.sync()
    for number in range(11):
        (a.root / f"d/{number}").unlink()
    world.sync()
    assert a.folder.halted == "many-gone"
    assert len(b.content()) == 21
    a.write("more", "not told while halted")
    world.sync()
    assert len(b.content()) == 21
    a.folder.resume()
    world.sync()
    assert len(same(world)) == 11


def test_all_files_may_move_to_another_folder(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    for number in range(40):
        a.write(f"d/{number}", f"content {number}")
    a.write("x", "content")
    world.sync()
    fetched = b.fetched_bytes
    (a.root / "d").rename(a.root / "e")
    (a.root / "x").rename(a.root / "y")  # the disk's clock says that it may still change
    world.sync()
    assert set(same(world)) == {"y", "e", *(f"e/{number}" for number in range(40))}
    assert b.fetched_bytes == fetched
    assert not a.told(Halted)


def test_ten_files_may_go_without_a_question(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    for number in range(10):
        a.write(str(number), str(number))
    world.sync()
    for number in range(10):
        (a.root / str(number)).unlink()
    world.sync()
    assert same(world) == {}
    assert len(world["b"].told(FileDeleted)) == 10


def test_resume_accepts_an_emptied_folder_only_at_the_second_time(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    for number in range(20):
        a.write(str(number), str(number))
    world.sync()
    shutil.rmtree(a.root)
    with pytest.raises(HaltedError):
        a.folder.resume()
    a.root.mkdir()
    world.sync()
    a.folder.resume()
    world.sync()
    assert a.folder.halted == "many-gone"
    assert len(b.content()) == 20


def test_a_missing_folder_is_an_error_only_at_the_first_start(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.folder.close()
    a.root.joinpath(".sync").rename(a.root.with_name("gone"))
    shutil.rmtree(a.root)
    a.folder = a._open()
    a.scan()
    assert a.folder.halted == "folder-gone"
    a.folder.close()
    shutil.rmtree(a.state)
    a.state.mkdir()
    with pytest.raises(FolderError, match="Create it"):
        a._open()
    a.root.mkdir()
    a.folder = a._open()


def test_tombstones_go_when_they_are_old_and_known_to_all(worlds: Worlds) -> None:
    world = worlds("ab", Options(tombstone_s=0.2))
    a, b = world["a"], world["b"]
    a.write("x", "x")
    a.write("y", "y")
    world.sync()
    (a.root / "x").unlink()
    a.scan()
    time.sleep(0.3)
    a.folder.expire([b.peer_id])
    assert a.entry("x") is not None, "b does not know of it"
    world.sync()
    a.folder.expire([b.peer_id])
    assert a.entry("x") is None


def test_who_was_away_for_longer_than_tombstones_deletes_nothing_by_absence(
    worlds: Worlds,
) -> None:
    world = worlds("abc", Options(tombstone_s=0.3))
    a, b, c = world["a"], world["b"], world["c"]
    a.write("deleted", "by a")
    a.write("changed", "1")
    a.write("missing", "at c")
    world.sync()
    c.folder.close()
    (a.root / "deleted").unlink()
    a.write("changed", "2")
    world.sync("ab")
    for _ in range(4):
        time.sleep(0.1)
        a.folder.expire([b.peer_id])
        b.folder.expire([a.peer_id])
    assert [peer.peer_id for peer in a.folder.peers()] == [b.peer_id]
    (c.root / "missing").unlink()
    c.folder = c._open()
    c.folder.scan()
    world.sync()
    assert same(world) == {"deleted": b"by a", "changed": b"2", "missing": b"at c"}


def test_a_second_peer_cannot_have_the_same_folder(worlds: Worlds) -> None:
    a = worlds("a")["a"]
    with pytest.raises(FolderError, match="in use"):
        a._open()


def test_a_file_that_changes_is_not_read(worlds: Worlds) -> None:
    world = worlds("ab")
    a = world["a"]
    a.write("x", "x" * 100)
    a.folder.scan()
    assert a.folder.restless() or a.entry("x") is not None
    a.scan()
    entry = a.entry("x")
    assert entry is not None
    with (a.root / "x").open("a") as file:
        file.write("more")
    assert a.folder.read_block(entry.hash, 0) is None
    assert b"x" in a.folder.restless()
    world.sync()
    assert same(world)["x"] == b"x" * 100 + b"more"


def test_history_tells_who_made_what(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "one")
    world.sync()
    b.write("x", "two")
    world.sync()
    (a.root / "x").unlink()
    world.sync()
    rows = b.folder.history(b"x")
    assert [(row.what, row.entry.author) for row in rows] == [
        ("taken", a.peer_id),
        ("changed here", b.peer_id),
        ("deleted", a.peer_id),
    ]


def holders(peer: Peer) -> dict[bytes, tuple[str, ...]]:
    return {row.entry.path: row.holders for row in peer.folder.files()}


def test_holders_are_those_that_have_it(worlds: Worlds) -> None:
    world = worlds("abc")
    a, b, c = world["a"], world["b"], world["c"]
    a.write("x", "one")
    world.sync("ab")
    assert holders(a) == {b"x": (b.peer_id,)}
    tell(a, c)
    assert holders(a) == {b"x": (b.peer_id,)}
    world.sync()
    assert holders(a) == {b"x": (b.peer_id, c.peer_id)}
