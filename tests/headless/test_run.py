"""A whole program as a process, for what only shows there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import asyncio
from typing import NamedTuple
import sys; sys.path.insert(0, {folder!r})
from headless import program
from headless.envelope import CommandError, Empty
from tests.headless.words import VOCABULARY, Counted, Look, Text, Wait

class Service:
    def __init__(self, output):
        self.output = output
    async def start(self): pass
    async def handle(self, command):
        if isinstance(command, Look):
            async def fail():
                raise ValueError("nobody waits for this")
            self.task = asyncio.create_task(fail())
            await asyncio.sleep(0)
            del self.task
        if isinstance(command, Wait):
            raise KeyError("a defect")
        return Empty()
    async def stop(self): pass

program.main(program.Program(VOCABULARY, lambda arguments, environment: None,
    lambda settings, emit: emit(Counted(number="0")), lambda opened, output: Service(output)))
"""


def run_program(*commands: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Run the program on these commands; return its lines and what it wrote on stderr."""
    folder = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(folder=folder)],
        input="".join(json.dumps(command) + "\n" for command in commands).encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr.decode()


def test_an_exception_that_nobody_caught_is_printed_once() -> None:
    lines, err = run_program({"cmd": "look", "id": 1}, {"cmd": "shutdown", "id": 2})
    assert [line["type"] for line in lines] == ["event", "result", "result"]
    assert err.count("Traceback (most recent call last):") == 1
    assert "Task exception was never retrieved" in err
    assert "ValueError: nobody waits for this" in err


def test_a_defect_in_a_command_is_printed_once() -> None:
    lines, err = run_program({"cmd": "wait", "id": 1}, {"cmd": "shutdown", "id": 2})
    assert [line.get("code") for line in lines] == [None, "internal-error", None]
    assert err.count("Traceback (most recent call last):") == 1
    assert "KeyError: 'a defect'" in err


def test_nothing_is_printed_where_all_is_well() -> None:
    _, err = run_program({"cmd": "add", "number": 1}, {"cmd": "shutdown"})
    assert err == ""
