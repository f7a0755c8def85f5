"""What the unpacking helper can no longer do: tried from within, in a process of its own."""

import ctypes
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from peer_cli.install.sandbox import (
    BYTES_PER_CPU_S,
    CPU_S,
    MEMORY_BESIDE_DICTIONARY,
    OPEN_FILES,
)
from peer_cli.install.unpacker import Unpacker, stop
from tests.peer_cli.install.rar_bytes import archive, file_block

# Each attempt prints what it came to; the archive's name is the first argument.
PROBE = """
import _thread, json, os, resource, socket, subprocess, sys, threading
from peer_cli.install.sandbox import address_space, confine, limit_resources

def tried(work):
    try:
        work()
    except (OSError, MemoryError, ValueError) as error:
        return type(error).__name__
    return "done"

LIMITS = ("CORE", "CPU", "FSIZE", "NOFILE")
archive, folder, kind = sys.argv[1:]
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
in_use = address_space()
confine([archive], 1, runs_program=kind == "program")
limit_resources(in_use, 1 << 20, 0)

def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

def read(path):
    with open(path, "rb") as file:
        return file.read()

def thread():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()

print(json.dumps({
    "read the archive": tried(lambda: read(archive)),
    "read another file": tried(lambda: read("/etc/passwd")),
    "write the archive": tried(lambda: open(archive, "ab")),
    "write a new file": tried(lambda: open(folder + "/new", "wb")),
    "make a folder": tried(lambda: os.mkdir(folder + "/made")),
    "delete a file": tried(lambda: os.unlink(archive)),
    "open a socket": tried(lambda: socket.socket().close()),
    "fork": tried(fork),
    "run a program": tried(lambda: subprocess.run(["/bin/true"], check=True)),
    "start a thread": tried(thread),
    "take a GiB": tried(lambda: bytearray(1 << 30)),
    "take 64 MiB": tried(lambda: bytearray(64 << 20)),
    **{name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in LIMITS},
}))
"""


def has_landlock() -> bool:
    return sys.platform == "linux" and int(ctypes.CDLL(None).syscall(444, None, 0, 1)) >= 1


def probe(tmp_path: Path, kind: str) -> dict[str, str | int]:
    archive = tmp_path / "game.eti"
    archive.write_bytes(b"x")
    command = [sys.executable, "-c", PROBE, str(archive), str(tmp_path), kind]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, str | int] = json.loads(output)
    assert [path.name for path in tmp_path.iterdir()] == ["game.eti"]
    return found


@pytest.mark.skipif(not has_landlock(), reason="this system has no Landlock")
@pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="its system calls are not known here"
)
@pytest.mark.parametrize("kind", ["library", "program"])
def test_nothing_is_left_but_to_unpack(tmp_path: Path, kind: str) -> None:
    found = probe(tmp_path, kind)
    runs = "done" if kind == "program" else "PermissionError"
    assert found == {
        "read the archive": "done",
        "read another file": runs,  # an external program has libraries to read
        "write the archive": "PermissionError",
        "write a new file": "PermissionError",
        "make a folder": "PermissionError",
        "delete a file": "PermissionError",
        "open a socket": "PermissionError",
        "fork": runs,
        "run a program": runs,
        "start a thread": "done",
        "take a GiB": "MemoryError",
        "take 64 MiB": "done",
        "CORE": 0,
        "CPU": CPU_S,
        "FSIZE": 0,
        "NOFILE": OPEN_FILES,
    }


def test_resources_are_limited_everywhere(tmp_path: Path) -> None:
    found = probe(tmp_path, "library")
    assert (found["take a GiB"], found["take 64 MiB"]) == ("MemoryError", "done")
    limits = [found[name] for name in ("CORE", "CPU", "FSIZE", "NOFILE")]
    assert limits == [0, CPU_S, 0, OPEN_FILES]


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
def test_the_helper_is_confined_and_limited(tmp_path: Path) -> None:
    packed = tmp_path / "game.eti"
    packed.write_bytes(archive(file_block("a", bytes(8 << 20))))
    with Unpacker().start([packed]) as helper:
        try:
            assert helper.stdout
            helper.stdout.read(1)  # it has begun, and waits for its reader
            status = Path(f"/proc/{helper.pid}/status").read_text(encoding="utf-8")
            limits = {
                kind: resource.prlimit(helper.pid, kind)[0]
                for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)
            }
        finally:
            stop(helper)
    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nSeccomp:\t2\n" in status or os.uname().machine not in ("x86_64", "aarch64")
    assert MEMORY_BESIDE_DICTIONARY < limits[resource.RLIMIT_AS] < 1 << 32
    assert CPU_S <= limits[resource.RLIMIT_CPU] < 2 * CPU_S + (16 << 20) // BYTES_PER_CPU_S
    assert limits[resource.RLIMIT_NOFILE] == OPEN_FILES
