"""Live nodes with the real peer as a process: raw on a pipe, readable on a terminal."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
KILL_LINE = "\x15"
LIVE = [sys.executable, "-m", "scenarios", "live"]


def start(name: str, stdin: int, stdout: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*LIVE, name, "--backend", "process"],
        cwd=PROJECT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE if stdout == subprocess.PIPE else stdout,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def left_over(name: str) -> list[Path]:
    return list((PROJECT / ".cache/live").glob(f"{name}-*"))


def test_a_pipe_stays_raw_both_ways() -> None:
    process = start("bravo", subprocess.PIPE, subprocess.PIPE)
    out, err = process.communicate(b'{"cmd":"list-games","id":[1]}\nnot json\n', timeout=30)
    messages = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert err == b""
    assert messages[0]["event"] == "local-peer-ready"
    assert messages[0]["data"]["name"] == "bravo"
    errors = [message["code"] for message in messages if message["type"] == "error"]
    assert errors == ["bad-request", "bad-json"]
    assert not left_over("bravo")


def test_the_peer_may_end_first() -> None:
    process = start("nobody", subprocess.PIPE, subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b'{"cmd":"list-games","id":1}\n{"cmd":"shutdown","id":2}\n')
    process.stdin.flush()
    # stdin stays open: what ends this is the peer.
    out = process.stdout.read()
    assert process.wait(timeout=30) == 0
    process.stdin.close()
    replies = {
        message["id"]: message["data"]
        for message in map(json.loads, out.splitlines())
        if message["type"] == "result"
    }
    assert replies[1]["local"] == [], "a name without a fixture has no games"
    assert 2 in replies


@pytest.mark.parametrize("ending", ["quit", "end of input", "Ctrl-C"])
def test_a_terminal_gets_short_forms_and_readable_text(ending: str) -> None:
    near, far = pty.openpty()
    process = start("charlie", far, far)
    os.close(far)
    try:
        talk(process, Screen(near), ending)
    finally:
        process.kill()
        os.close(near)


def test_a_terminal_that_is_closed_leaves_nothing() -> None:
    near, far = pty.openpty()

    def own_the_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    process = subprocess.Popen(
        [*LIVE, "bravo", "--backend", "process"], cwd=PROJECT, env={**os.environ, "TERM": "xterm"},
        stdin=far, stdout=far, stderr=far, start_new_session=True, preexec_fn=own_the_terminal,
    )  # fmt: skip
    os.close(far)
    try:
        Screen(near).read_until("Another live node reaches it by: connect bravo")
        (folder,) = left_over("bravo")
    finally:
        os.close(near)
    process.wait(timeout=30)
    assert not folder.exists()
    assert not [line for line in processes() if str(folder) in line]


def processes() -> list[str]:
    """Return the command lines of all processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(file.read_text(errors="replace"))
    return found


class Screen:
    """The person's side of a terminal."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self._unread = ""

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def read_until(self, text: str) -> str:
        """Return what is shown up to ``text``; what comes behind it is for the next call."""
        while text not in self._unread:
            data = self._read()
            assert data, f"{text!r} did not come: {self._unread}"
            self._unread += data
        shown, _, self._unread = self._unread.partition(text)
        return shown + text

    def read_to_end(self) -> str:
        shown, self._unread = self._unread, ""
        while data := self._read():
            shown += data
        return shown

    def _read(self) -> str:
        try:
            return os.read(self.terminal, 1 << 16).decode(errors="replace")
        except OSError:  # Linux: EIO when nobody has the other end any more
            return ""


def talk(process: "subprocess.Popen[bytes]", screen: Screen, ending: str) -> None:
    screen.read_until("to see the commands")
    screen.read_until("Another live node reaches it by: connect charlie")
    screen.type("games\n")
    assert "cod5" in screen.read_until("coh ")
    screen.type("dance\n")
    screen.read_until("There is no command dance.")
    screen.type("help\n")
    screen.read_until("download GAME_ID")
    # The last line of the help, and the prompt below it.
    screen.read_until("The same as JSON")
    screen.read_until("charlie> ")
    # What is echoed shows that the prompt really waits.
    screen.type("echoed")
    screen.read_until("echoed")
    if ending == "Ctrl-C":
        press_ctrl_c(process, screen)
    else:
        screen.type(KILL_LINE + ("quit\n" if ending == "quit" else "\x04"))
    rest = screen.read_to_end()
    assert process.wait(timeout=30) == 0, rest
    assert "Traceback" not in rest
    assert not left_over("charlie")


def press_ctrl_c(process: "subprocess.Popen[bytes]", screen: Screen) -> None:
    """Send what the key sends; the terminal is not the session's controlling one.

    CPython's readline misses a signal that comes while it works on a character (it looks only when
    its select() is interrupted), and then a person presses again. An answer comes at once.
    """
    for _ in range(20):
        os.killpg(process.pid, signal.SIGINT)
        if select.select([screen.terminal], [], [], 1.0)[0]:
            return
