"""What a user does in a folder, what is seen in it, and programs that are launched oddly."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scenarios.core.scene import Scene
from scenarios.families.folder_sync import folders, launched
from scenarios.families.folder_sync.folders import FOLDER, Link, Made, Sparse, Text
from scenarios.families.folder_sync.watch import until


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_tells_all_kinds(tmp_path: Path) -> None:
    things: folders.Things = {
        "a/b": "text",
        "empty": FOLDER,
        "link": Link("nowhere"),
        "x": Text(b"#!", executable=True, mtime=5),
        "hole": Sparse(1 << 20, ((7, b"!"),)),
        os.fsdecode(b"\xff"): Made(3),
        ".sync/marker": "own",
    }
    folders.fill(tmp_path, things)
    state = folders.state(tmp_path)
    assert sorted(state) == ["a", "a/b", "empty", "hole", "link", "x", "\udcff"]
    assert state["x"].executable
    assert state["x"].mtime_ns == 5 * 10**9
    assert state["link"].content == ascii("nowhere")
    assert state["a/b"].content == folders.sha256_of(b"text")
    assert folders.differences(state, state) == []


def test_what_goes_while_it_is_looked_at_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.fill(tmp_path, {"gone": FOLDER, "file": "", "stays/b": "", "swapped": FOLDER})
    entry = folders._entry

    def slow(path: Path) -> folders.Entry:
        seen = entry(path)
        if path.name in ("gone", "swapped"):
            path.rmdir()
        if path.name == "swapped":
            path.write_text("a file now")
        return seen

    monkeypatch.setattr(folders, "_entry", slow)
    assert sorted(folders.state(tmp_path)) == ["file", "stays", "stays/b"]
    with pytest.raises(FileNotFoundError):
        folders.state(tmp_path / "gone")


def test_differences_are_told(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    folders.fill(one, {"same": Text(b"x", mtime=1), "more": "", "other": "1"})
    folders.fill(other, {"same": Text(b"x", mtime=1), "other": "2"})
    found = folders.differences(folders.state(one), folders.state(other))
    assert len(found) == 2
    assert found[0].startswith("'more' should not be there")


def test_saving_shows_no_part(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    root.mkdir()
    folders.put_at_once(root, "sub/file", Made(5))
    assert sorted(folders.state(root)) == ["sub", "sub/file"]
    assert list(tmp_path.iterdir()) == [root]


def test_a_watch_wakes_when_it_is_good(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "log")
    folder = tmp_path / "folder"
    folder.mkdir()
    threading.Timer(0.1, (folder / "it").touch).start()
    seen, took = until(scene, folder, lambda: names_in(folder), ["it"].__eq__, 10)
    assert seen == ["it"]
    assert took < 5
    seen, _ = until(scene, folder, lambda: names_in(folder), ["no"].__eq__, 0.1)
    assert seen == ["it"]
    scene.close()


PROGRAM = """
import os, sys, time
folder = sys.argv[sys.argv.index("--folder") + 1]
print(time.time(), flush=True)
os.mkdir(folder + "/one")
open(folder + "/two", "w").close()
os.utime(folder + "/two", ns=(5_000_000_001, 5_000_000_001))
os.rename(folder + "/two", folder + "/three")
"""


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("one:1", []),
        ("two:1", ["one"]),
        ("two:2", ["one", "two"]),
        ("three:1", ["one", "two"]),
        ("", ["one", "three"]),
    ],
)
def test_a_launched_program_dies_at_its_step(tmp_path: Path, step: str, left: list[str]) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    folder = tmp_path / "folder"
    folder.mkdir()
    ran = subprocess.run(
        [sys.executable, launched.__file__, "program", "86400", "2", step, "0", "0", "0", "0",
         "--folder", str(folder), "--listen", "127.0.0.1:0"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == (-signal.SIGKILL if step else 0), ran.stderr
    assert names_in(folder) == left
    if not step:
        assert (folder / "three").stat().st_mtime_ns == 4_000_000_000
        assert float(ran.stdout) > (folder / "three").stat().st_ctime + 86_000
