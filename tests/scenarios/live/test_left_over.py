"""What a killed live node leaves, and `clean` removes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scenarios.core.backends.base import Capability
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label

PROJECT = Path(__file__).parents[3]
NAME = "zoe"


def mounts() -> list[str]:
    """Return where this test's sessions have mounted, as the whole machine sees it."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [at for _, at, kind, *_ in map(str.split, lines) if "fuse" in kind and f"/{NAME}-" in at]


def test_a_mount_of_a_killed_session_is_released() -> None:
    if Capability.FUSE not in ProcessBackend(own_label("probe")).capabilities:
        pytest.skip("nobody may mount here")
    command = [sys.executable, "-m", "scenarios", "live", NAME]
    session = subprocess.Popen(
        [*command, "--as", "pair", "--backend", "process"],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert session.stdin
    assert session.stdout
    lines = map(json.loads, session.stdout)
    try:
        _until(lines, lambda line: line.get("event") == "pair-ready")
        [folder] = (PROJECT / ".cache" / "live").glob(f"{NAME}-*")
        mount = {"cmd": "mount", "id": 1, "path": str(folder / "mount")}
        session.stdin.write(json.dumps(mount).encode() + b"\n")
        session.stdin.flush()
        _until(lines, lambda line: line.get("event") == "mounted")
        # A peer that runs unmounts by itself when its session is gone.
        os.kill(_peer(folder), signal.SIGSTOP)
    finally:
        session.kill()
        session.communicate()
    assert mounts() == [str(folder / "mount")]
    done = subprocess.run(
        [sys.executable, "-m", "scenarios", "clean"], cwd=PROJECT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert f"Removed the mount on {folder / 'mount'}" in done.stdout
    assert mounts() == []
    assert not folder.exists()


def _until(lines: Any, is_it: Callable[[dict[str, Any]], bool]) -> None:
    assert any(is_it(line) for line in lines)


def _peer(folder: Path) -> int:
    """Return the process whose arguments name the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if str(folder).encode() in file.read_bytes():
                found.append(int(file.parent.name))
    [peer] = found
    return peer
