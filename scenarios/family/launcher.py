"""Starts a node as a parent program would, not as a shell does, and measures it from outside.

    python launcher.py COMMAND...

It passes stdin on through a non-blocking pipe, stdout back through another one, and exits with the
same code. It answers these commands itself, between the node's lines:

| command | `data` of the result |
|---|---|
| `bytes-read` | `bytes` read so far from files and pipes by the node's process, its threads and every child it has waited for (`rchar` of proc_pid_io(5), without sockets and splice) |
| `memory` | `bytes`: the peak memory of the process (`VmHWM` of proc_pid_status(5)) |
| `resources` | what the process has now: `bytes` of memory (`VmRSS`), `descriptors`, `threads` |
| `rests` | none; replies once all threads of the process sleep, at 25 looks in half a second |
| `stop-reading`, `read-on` | none; stops and resumes reading the node's stdout |

`bytes` is null where the system does not report it. Imports nothing from this project.
"""  # noqa: E501 - a table

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

LOOKS, LOOK_S = 25, 0.02


class Launcher:
    """One node and both its pipes."""

    def __init__(self, command: list[str]) -> None:
        self._reading = threading.Event()
        self._reading.set()
        self._writing = threading.Lock()
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        os.set_blocking(theirs_in, False)
        os.set_blocking(theirs_out, False)
        self._node = subprocess.Popen(command, stdin=theirs_in, stdout=theirs_out)
        os.close(theirs_in)
        os.close(theirs_out)
        self._stdin = os.fdopen(ours_in, "wb", buffering=0)
        self._stdout = os.fdopen(ours_out, "rb")

    def run(self) -> int:
        """Forward both pipes until the node exits; return its exit code."""
        signal.signal(signal.SIGTERM, lambda *_: self._node.terminate())
        threading.Thread(target=self._take_commands, daemon=True).start()
        passing = threading.Thread(target=self._pass_on)
        passing.start()
        code = self._node.wait()
        self._reading.set()
        passing.join()
        return code

    def _take_commands(self) -> None:
        commands: dict[str, Callable[[], dict[str, int | None] | None]] = {
            "bytes-read": lambda: {"bytes": self._told("io", "rchar:", 1)},
            "memory": lambda: {"bytes": self._told("status", "VmHWM:", 1024)},
            "resources": self._resources,
            "rests": lambda: wait_for_rest(self._node),
            "stop-reading": self._reading.clear,
            "read-on": self._reading.set,
        }
        with contextlib.suppress(BrokenPipeError), self._stdin:  # it has ended
            for line in sys.stdin.buffer:
                name = next(
                    (name for name in commands if f'"cmd": "{name}"'.encode() in line), None
                )
                if name is None:
                    write_all(self._stdin, line)
                else:
                    self._answer(json.loads(line)["id"], commands[name]() or {})

    def _told(self, file: str, field: str, unit: int) -> int | None:
        try:
            words = Path(f"/proc/{self._node.pid}/{file}").read_text(encoding="ascii").split()
        except OSError:
            return None
        return int(words[words.index(field) + 1]) * unit

    def _resources(self) -> dict[str, int | None]:
        descriptors = len(list(Path(f"/proc/{self._node.pid}/fd").iterdir()))
        memory, threads = self._told("status", "VmRSS:", 1024), self._told("status", "Threads:", 1)
        return {"bytes": memory, "descriptors": descriptors, "threads": threads}

    def _answer(self, request_id: object, told: Mapping[str, int | None]) -> None:
        line = {"type": "result", "id": request_id, "data": told}
        self._say(json.dumps(line).encode() + b"\n")

    def _pass_on(self) -> None:
        for line in self._stdout:
            self._reading.wait()
            self._say(line)

    def _say(self, line: bytes) -> None:
        with self._writing:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


def wait_for_rest(process: "subprocess.Popen[Any]") -> None:
    """Return once all threads of a process sleep, at 25 looks in half a second, or it has ended."""
    looks = 0
    while looks < LOOKS and process.poll() is None:
        time.sleep(LOOK_S)  # no event tells that a process has nothing to do
        looks = 0 if _works(process.pid) else looks + 1


def _works(pid: int) -> bool:
    """Tell whether a thread of a process runs, wants to run or waits for a disk."""
    with contextlib.suppress(OSError):  # it ends, or the system does not report it
        for told in Path(f"/proc/{pid}/task").glob("*/stat"):
            if told.read_bytes().rpartition(b")")[2].split()[0] in (b"R", b"D"):
                return True
    return False


def write_all(pipe: "IO[bytes]", data: bytes) -> None:
    """Write everything, however little the pipe takes at once."""
    left = memoryview(data)
    while left:
        left = left[pipe.write(left) :]


if __name__ == "__main__":
    # Not sys.exit: a thread is blocked on stdin and would crash the interpreter's shutdown.
    os._exit(Launcher(sys.argv[1:]).run())
