"""Runs a program of the scenarios as a node: docs/contract.md section 1 on stdin and stdout.

    python command_loop.py PROGRAM ARGUMENT...

PROGRAM is a Python file, or a package with a module `commands`; it imports nothing of this project.
Its class `Program` is made with `emit`, which writes an event, and the arguments. Each public
coroutine method is a command (`hang_up` is "hang-up") and returns the data of its result. What else
a program may define:

- `AT_ONCE`: whether a command is begun before the earlier ones are finished
- `REFUSALS`: the exceptions that become error replies, each with the `code` of the reply; if that
  is empty, the exception has a `code`. Any other exception ends the program.
- `ready`: the data of the event `ready`
- `end()`: what is to be done at `shutdown` and at the end of stdin

Imports nothing of this project either.
"""

import asyncio
import importlib
import importlib.util
import inspect
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

LONGEST_LINE = 1 << 24

Command = Callable[..., Awaitable[Mapping[str, Any]]]


class CommandLoop:
    """One program and its stdin and stdout."""

    def __init__(self, module: ModuleType, arguments: list[str]) -> None:
        self._numbers = itertools.count()
        self._program = module.Program(self.emit, *arguments)
        self._refusals: Mapping[type[Exception], str] = getattr(self._program, "REFUSALS", {})
        self._at_once = getattr(self._program, "AT_ONCE", False)

    def emit(self, event: str, **data: Any) -> None:
        """Write an event."""
        seq = next(self._numbers)
        say({"type": "event", "event": event, "seq": seq, "ts": time.time(), "data": data})

    async def run(self) -> None:
        """Take commands until `shutdown` or the end of stdin."""
        lines = asyncio.StreamReader(limit=LONGEST_LINE)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
        )
        self.emit("ready", **getattr(self._program, "ready", {}))
        async with asyncio.TaskGroup() as group:
            under_way: set[asyncio.Task[None]] = set()
            while line := await lines.readline():
                request = json.loads(line)
                name, request_id = request.pop("cmd"), request.pop("id", None)
                if name == "shutdown":
                    await self._end()
                    say({"type": "result", "id": request_id, "data": {}})
                    break
                task = group.create_task(self._carry_out(name, request_id, request))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                if not self._at_once:
                    await task
            else:
                await self._end()
            for task in under_way:
                task.cancel()

    async def _carry_out(self, name: str, request_id: object, arguments: dict[str, Any]) -> None:
        command = self._command(name)
        if command is None:
            refuse(request_id, "unknown-command", f"There is no command {name!r}.")
            return
        try:
            data = await command(**arguments)
        except tuple(self._refusals) as error:
            code = next(self._refusals[kind] for kind in self._refusals if isinstance(error, kind))
            refuse(request_id, code or getattr(error, "code", ""), str(error) or repr(error))
        else:
            say({"type": "result", "id": request_id, "data": data})

    def _command(self, name: str) -> Command | None:
        method = getattr(self._program, name.replace("-", "_"), None)
        is_command = not name.startswith("_") and inspect.iscoroutinefunction(method)
        return method if is_command else None

    async def _end(self) -> None:
        end = getattr(self._program, "end", None)
        if end is not None:
            await end()


def refuse(request_id: object, code: str, reason: str) -> None:
    """Write an error reply."""
    say({"type": "error", "id": request_id, "error": reason, "code": code})


def say(message: Mapping[str, Any]) -> None:
    """Write one line."""
    print(json.dumps(message), flush=True)


def loaded(path: Path) -> ModuleType:
    """Import a program, whatever its name is where it is mounted."""
    is_folder = path.is_dir()
    file = path / "__init__.py" if is_folder else path
    spec = importlib.util.spec_from_file_location(
        "program",
        loader=SourceFileLoader("program", str(file)),
        submodule_search_locations=[str(path)] if is_folder else None,
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["program"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return importlib.import_module("program.commands") if is_folder else module


if __name__ == "__main__":
    asyncio.run(CommandLoop(loaded(Path(sys.argv[1])), sys.argv[2:]).run())
