"""Any headless program as a child process, asked and watched from outside."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0

Line = Mapping[str, Any]


class NodeProcess:
    """A running node. Every line that it says is kept, and waits wake when one comes.

    Waits raise AssertionError with what came instead.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        command: Sequence[str] = (sys.executable, "-P", "-m"),
        folder: Path | None = None,
    ) -> None:
        """Start a module, or whatever else `command` runs, in a folder."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end
        self.process = subprocess.Popen(
            [*command, module, *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self._lines: list[Line] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.process.pid

    def mark(self) -> int:
        """Return a place in the row of its lines, from which `wait` and `events` may look."""
        with self._changed:
            return len(self._lines)

    def wait(
        self, *names: str, since: int = 0, timeout: float = TIMEOUT_S, **fields: Any
    ) -> Mapping[str, Any]:
        """Return the data of the first event of these names, and `event` with its name."""
        line = self._wait(
            lambda line: (
                line.get("event") in names and fields.items() <= line.get("data", {}).items()
            ),
            since,
            timeout,
        )
        return {"event": line["event"], **line["data"]}

    def events(self, name: str, since: int = 0) -> list[Mapping[str, Any]]:
        """Return the data of all such events so far."""
        with self._changed:
            return [line["data"] for line in self._lines[since:] if line.get("event") == name]

    def say(self, line: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def request(self, cmd: str, **arguments: Any) -> Line:
        """Return the reply to a command, an error or a result."""
        since = self.mark()
        self.say(json.dumps({"cmd": cmd, "id": since, **arguments}))
        return self._wait(
            lambda line: line["type"] != "event" and line.get("id") == since, since, TIMEOUT_S
        )

    def ask(self, cmd: str, **arguments: Any) -> Mapping[str, Any]:
        """Return the result of a command that is not to fail."""
        reply = self.request(cmd, **arguments)
        assert reply["type"] == "result", reply
        data: Mapping[str, Any] = reply["data"]
        return data

    def end(self) -> str:
        """End the node as a closed stdin does; return what it said on stderr."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(TIMEOUT_S)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
        with self._stderr as said:
            said.seek(0)
            return said.read().decode()

    def _wait(self, fits: Callable[[Line], bool], since: int, timeout: float) -> Line:
        looked = since
        found: Line | None = None

        def look() -> bool:
            nonlocal looked, found
            found = next((line for line in self._lines[looked:] if fits(line)), None)
            looked = len(self._lines)
            return found is not None or self._ended

        with self._changed:
            self._changed.wait_for(look, timeout)
            if found is None:
                what = "the node has ended" if self._ended else f"it did not come in {timeout:g} s"
                raise AssertionError(f"{what}; the last lines are {self._lines[-8:]}")
            return found

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                message = json.loads(line)
                with self._changed:
                    self._lines.append(message)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def unprivileged() -> Sequence[str]:
    """What goes before a command so that file permissions hold for it, also when root runs it."""
    bound = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    return bound if os.geteuid() == 0 else ()
