"""The program of three commands in examples/tally."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "examples" / "tally"


def tally(*arguments: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        input=said, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def session(*commands: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all lines of a program that was sent these commands."""
    said = "".join(json.dumps(command) + "\n" for command in commands)
    done = tally("--name", "one", said=said)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def replies(lines: list[dict[str, Any]]) -> dict[int, Any]:
    return {one["id"]: one.get("data", one.get("code")) for one in lines if one["type"] != "event"}


def test_it_is_ready_first_and_tells_each_change() -> None:
    lines = session({"cmd": "add", "id": 1, "number": 2}, {"cmd": "add", "id": 2, "number": -5})
    events = [(one["event"], one["data"]) for one in lines if one["type"] == "event"]
    assert events == [
        ("ready", {"tally_id": "id-of-one"}), ("added", {"total": 2}), ("added", {"total": -3}),
    ]  # fmt: skip
    assert replies(lines) == {1: {"total": 2}, 2: {"total": -3}}


def test_a_command_that_waits_holds_up_no_other() -> None:
    lines = session(
        {"cmd": "reach", "id": 1, "total": 5},
        {"cmd": "reach", "id": 2, "total": 6},
        {"cmd": "add", "id": 3, "number": 5},
        {"cmd": "total", "id": 4},
    )
    assert replies(lines) == {1: {"total": 5}, 2: "shutting-down", 3: {"total": 5}, 4: {"total": 5}}


def test_what_it_refuses() -> None:
    lines = session(
        {"cmd": "add", "id": 1, "number": 1 << 53},
        {"cmd": "add", "id": 2, "number": 1},
        {"cmd": "add", "id": 3, "number": "many"},
        {"cmd": "multiply", "id": 4},
    )
    told = {1: {"total": 1 << 53}, 2: "too-large", 3: "bad-argument", 4: "unknown-command"}
    assert replies(lines) == told


def test_its_command_line() -> None:
    schema = json.loads(tally("schema").stdout)
    assert list(schema["commands"]) == ["add", "total", "reach", "shutdown"]
    without = tally()
    assert without.returncode == 2
    assert without.stderr == "tally: --name is missing (or TALLY_NAME in the environment)\n"


def test_it_fits_on_a_page() -> None:
    assert len((PROGRAM / "__main__.py").read_text(encoding="utf-8").splitlines()) <= 120
