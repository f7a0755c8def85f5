"""A desk beside a program of the tests' own, with files of a plain folder."""

import hashlib
import sys
from pathlib import Path

import pytest

from scenarios.core.backends.base import Mount, NodeSpec, Placed, Program
from scenarios.core.node import Node
from scenarios.core.trial import Trial
from scenarios.families.pair import desk as desk_module
from scenarios.families.pair.desk import noise

DESK = Mount(Path(desk_module.__file__))
# Emits two events, then echoes what it is asked; ends with code 3 when asked to.
PROGRAM = """
import json, sys
for seq in range(2):
    print(json.dumps({"type": "event", "event": "ready", "seq": seq, "ts": 1.0, "data": {}}))
sys.stdout.flush()
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"type": "result", "id": asked["id"], "data": asked}), flush=True)
    if asked["cmd"] == "shutdown":
        sys.exit(3)
"""


@pytest.fixture
def node(trial: Trial, tmp_path: Path) -> Node:
    folder = Mount(tmp_path / "mount", writable=True)
    folder.host.mkdir()
    program = Program((sys.executable, Placed(DESK), Placed(folder), sys.executable, "-c", PROGRAM))
    [node] = trial.start(NodeSpec("peer", program, ready_event="ready", expected_exit=3))
    return node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mount"


def test_lines_and_the_exit_code_pass_through(node: Node) -> None:
    assert node.request("hello", word="there")["word"] == "there"
    assert node.shutdown() == 3


def test_files(node: Node, folder: Path) -> None:
    written = node.request("desk-write", path="a", size=100_000, seed=1)
    assert written["sha256"] == hashlib.sha256(noise(100_000, 1)).hexdigest()
    assert node.request("desk-read", path="a")["sha256"] == written["sha256"]
    scattered = node.request("desk-scatter", path="a", seed=2, piece=777)
    assert scattered["sha256"] == written["sha256"]
    node.request("desk-write", path="a", size=10, seed=3, at=5)
    assert (folder / "a").read_bytes()[5:15] == noise(10, 3)
    assert node.request("desk-read", path="b")["errno"] == "ENOENT"
    node.request("desk-mkdir", path="folder")
    node.request("desk-rename", path="a", to="folder/b")
    assert node.request("desk-names")["names"] == ["folder"]
    assert node.request("desk-tree")["paths"] == ["folder/b"]
    assert node.request("desk-rmdir", path="folder")["errno"] == "ENOTEMPTY"
    node.request("desk-truncate", path="folder/b", size=3)
    node.request("desk-chmod", path="folder/b", mode=0o600)
    node.request("desk-utime", path="folder/b", mtime=1e9)
    told = node.request("desk-stat", path="folder/b")
    assert (told["size"], told["mode"], told["mtime"], told["folder"]) == (3, 0o600, 1e9, False)
    saved = node.request("desk-save", path="folder/b", size=50, seed=4)
    assert node.request("desk-read", path="folder/b")["sha256"] == saved["sha256"]
    assert node.request("desk-sqlite", path="db", rows=10)["sound"] == "ok"
    said = node.request("desk-run", words=["ls", "folder"])
    assert (said["exit_code"], said["said"]) == (0, "b\n")
    assert node.request("desk-where")["folder"] == str(folder)


def test_a_program_is_killed_and_started_again_and_its_events_are_numbered_on(node: Node) -> None:
    node.request("desk-kill")
    node.request("desk-start")
    told = node.everything()
    told.wait_event("ready", where=lambda event: event.seq == 3)
    assert [event.seq for event in told.events("ready")] == [0, 1, 2, 3]
    assert node.request("hello", word="again")["word"] == "again"
    assert node.request("desk-memory")["bytes"] > 0
