"""What a terminal shows while scenarios run."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from tests.scenarios.running.tiny_runner import Runner

ESCAPE = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
CURSOR_OFF, CURSOR_ON = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A pseudo-terminal of 100 columns that a run writes to."""

    def __init__(self) -> None:
        self._ours, self.end = os.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.text = ""

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.text):
            self.text += os.read(self._ours, 65536).decode()

    def read_all(self) -> str:
        """Read until the run has let go of it."""
        os.close(self.end)
        try:
            while chunk := os.read(self._ours, 65536):
                self.text += chunk.decode()
        except OSError:  # how Linux says that nobody has it open any more
            os.close(self._ours)
        return self.text


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def start(runner: Runner, terminal: Terminal, *options: str) -> "subprocess.Popen[str]":
    return runner.start(
        "run", *options, "--backend", "process", out=terminal.end,
        env={"TERM": "xterm-256color", "NO_COLOR": ""},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminal_sees_what_runs_and_then_only_what_it_came_to(runner: Runner, jobs: str) -> None:
    terminal = Terminal()
    process = start(runner, terminal, "S1", "S2", "S8", "-j", jobs)
    terminal.read_until(r"S8 +Slow +\d+ s +1 node +waits for alpha: never")
    shown = terminal.read_all()
    assert process.wait(40) == 1
    assert re.search(r"S1  \S*passed +\S* +\d\.\d s  Ping — 1 ping answered", shown)
    assert re.search(r"3 of 3\S*, 2 passed\S*, 1 failed\S* in 0:0\d", shown)
    assert "\x1b[32m" in shown
    # pytest's closing lines stand behind the view, not in it.
    closing = shown.rpartition(CURSOR_ON)[2]
    assert "1 failed, 2 passed" in ESCAPE.sub("", closing)
    assert CURSOR_OFF not in closing


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_leaves_a_clean_terminal(runner: Runner, jobs: str) -> None:
    terminal = Terminal()
    process = start(runner, terminal, "S1", "S20", "-j", jobs)
    runner.wait_until_it_hangs()
    terminal.read_until("waits for alpha: never")
    os.killpg(process.pid, signal.SIGINT)
    shown = terminal.read_all()
    assert process.wait(40) == 130
    assert shown.count(CURSOR_OFF) == shown.count(CURSOR_ON) == 1
    behind = shown.rpartition(CURSOR_ON)[2]
    assert "waits for" not in behind


@pytest.mark.parametrize(
    ("options", "env"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})], ids=["option", "variable"]
)
def test_no_colours_on_request(runner: Runner, options: list[str], env: dict[str, str]) -> None:
    terminal = Terminal()
    process = runner.start(
        "run", "S1", "S2", "--backend", "process", *options, out=terminal.end,
        env={"TERM": "xterm-256color", "NO_COLOR": "", **env},
    )  # fmt: skip
    shown = terminal.read_all()
    assert process.wait(40) == 1
    assert "1 failed" in shown
    assert not re.findall(r"\x1b\[[0-9;]*m", shown)


def test_quiet_shows_no_view(runner: Runner) -> None:
    terminal = Terminal()
    process = start(runner, terminal, "S1", "-q")
    shown = terminal.read_all()
    assert process.wait(40) == 0
    assert CURSOR_OFF not in shown
    assert "1 passed" in shown


def test_a_ci_log_gets_plain_lines_even_with_force_color(runner: Runner) -> None:
    process = runner.start("run", "S8", "--backend", "process", env={"FORCE_COLOR": "1"})
    out, _ = process.communicate(timeout=40)
    assert CURSOR_OFF not in out
    assert "waits for" not in out
    assert len(re.findall("Slow", out)) == 1
