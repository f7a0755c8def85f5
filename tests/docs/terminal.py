"""What a person types into a terminal, and sees there."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
STYLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """The person's side of a program's terminal."""

    def __init__(self, near: int, process: "subprocess.Popen[bytes]") -> None:
        self.near = near
        self.process = process
        self.shown = ""

    @property
    def plain(self) -> str:
        """What is shown, without colours."""
        return STYLE.sub("", self.shown)

    def type(self, text: str) -> None:
        os.write(self.near, text.encode())

    def until(self, text: str) -> None:
        while text not in self.plain and (data := self._read()):
            self.shown += data
        assert text in self.plain, self.plain

    def to_end(self) -> str:
        while data := self._read():
            self.shown += data
        return self.shown

    def _read(self) -> str:
        try:
            return os.read(self.near, 1 << 16).decode(errors="replace")
        except OSError:  # Linux: EIO when nobody has the other end any more
            return ""


@contextmanager
def terminal(command: Sequence[str], folder: Path = PROJECT) -> Iterator[Terminal]:
    """Run a command on a terminal of its own; it is ended at the end."""
    near, far = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=far, stdout=far, stderr=far)
    os.close(far)
    try:
        yield Terminal(near, process)
    finally:
        process.send_signal(signal.SIGTERM)
        os.close(near)
        process.wait(30)
