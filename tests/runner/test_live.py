"""Live sessions with the real peer as a process: raw on a pipe, readable on a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
KILL_LINE = b"\x15"
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
        talk(process, near, ending)
    finally:
        process.kill()
        os.close(near)


def talk(process: "subprocess.Popen[bytes]", near: int, ending: str) -> None:
    read_until(near, "to see the commands")
    read_until(near, "Another live peer reaches it by: connect charlie")
    os.write(near, b"games\n")
    assert "cod5" in read_until(near, "coh ")
    os.write(near, b"dance\n")
    read_until(near, "There is no command dance.")
    os.write(near, b"help\n")
    read_until(near, "download GAME_ID")
    read_until(near, "charlie> ")
    # What is echoed shows that the prompt really waits.
    os.write(near, b"echoed")
    read_until(near, "echoed")
    if ending == "Ctrl-C":
        press_ctrl_c(process, near)
    else:
        os.write(near, KILL_LINE + (b"quit\n" if ending == "quit" else b"\x04"))
    rest = read_until(near, None)
    assert process.wait(timeout=30) == 0, rest
    assert "Traceback" not in rest
    assert not left_over("charlie")


def press_ctrl_c(process: "subprocess.Popen[bytes]", near: int) -> None:
    """Send what the key sends; the terminal is not the session's controlling one.

    CPython's readline loses a signal that comes while it works on a character (it looks only when
    its select() is interrupted), and then a person presses again. An answer comes at once.
    """
    for _ in range(20):
        os.killpg(process.pid, signal.SIGINT)
        if select.select([near], [], [], 1.0)[0]:
            return


def read_until(terminal: int, text: str | None) -> str:
    """Return what the terminal showed up to ``text``, or to its end."""
    shown = ""
    while text is None or text not in shown:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # Linux: EIO when nobody has the other end any more
            data = b""
        if not data:
            assert text is None, f"{text!r} did not come: {shown}"
            break
        shown += data.decode(errors="replace")
    return shown
