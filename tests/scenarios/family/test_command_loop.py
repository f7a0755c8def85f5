"""Programs of the scenarios as nodes: commands in, replies and events out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scenarios.family import command_loop

PROGRAM = """
import asyncio

class No(Exception):
    code = "no"

class Program:
    AT_ONCE = {at_once}
    REFUSALS = {{No: "", OSError: "failed"}}

    def __init__(self, emit, own_ip):
        self.ready = {{"addr": own_ip}}
        self._emit, self._opened = emit, asyncio.Event()

    async def pass_it(self):
        await self._opened.wait()
        return {{"passed": True}}

    async def open(self, how="wide"):
        self._emit("opened", how=how)
        self._opened.set()
        return {{}}

    async def refuse(self, how):
        raise No("not today") if how == "no" else ConnectionResetError("gone")

    async def crash(self):
        raise KeyError("a defect")

    async def _secret(self):
        return {{}}

    async def end(self):
        self._emit("ended")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "7"  # as it may be mounted
    file.write_text(PROGRAM.format(at_once=True))
    return file


def run(program: Path, *lines: object) -> tuple[list[dict[str, Any]], int, str]:
    done = subprocess.run(
        [sys.executable, "-P", command_loop.__file__, program, "127.0.0.9"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


def command(cmd: str, **arguments: Any) -> dict[str, Any]:
    return {"cmd": cmd, "id": cmd, **arguments}


def replies(said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {one["id"]: one.get("data", one.get("code")) for one in said if one["type"] != "event"}


def test_commands_are_methods_and_events_are_numbered(program: Path) -> None:
    program.write_text(PROGRAM.format(at_once=False))
    said, code, err = run(program, command("open", how="half"), command("shutdown"))
    assert (code, err) == (0, "")
    events = [(one["seq"], one["event"], one["data"]) for one in said if one["type"] == "event"]
    assert events == [
        (0, "ready", {"addr": "127.0.0.9"}),
        (1, "opened", {"how": "half"}),
        (2, "ended", {}),
    ]
    assert replies(said) == {"open": {}, "shutdown": {}}


def test_a_command_may_be_finished_by_a_later_one(program: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", command_loop.__file__, program, "127.0.0.9"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        for asked in (command("pass-it"), command("open")):
            process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(4)]
        process.stdin.close()
    assert replies(said) == {"open": {}, "pass-it": {"passed": True}}


def test_one_after_the_other_where_the_program_wants_it(program: Path) -> None:
    program.write_text(PROGRAM.format(at_once=False))
    said, _, _ = run(program, command("open"), command("pass-it"), command("shutdown"))
    assert list(replies(said)) == ["open", "pass-it", "shutdown"]


def test_what_cannot_be_done_is_an_error_reply(program: Path) -> None:
    for asked, code in (
        (command("refuse", how="no"), "no"),
        (command("refuse", how="reset"), "failed"),
        (command("_secret"), "unknown-command"),
        (command("ready"), "unknown-command"),
        (command("juggle"), "unknown-command"),
    ):
        said, exit_code, _ = run(program, asked)
        assert (replies(said), exit_code) == ({asked["cmd"]: code}, 0)


def test_a_defect_ends_the_program_loudly(program: Path) -> None:
    said, code, err = run(program, command("crash"))
    assert code == 1
    assert "KeyError: 'a defect'" in err
    assert replies(said) == {}
