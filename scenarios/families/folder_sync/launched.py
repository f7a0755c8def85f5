"""Runs a Python program with another clock, a coarser disk, or a death at a chosen step.

    python launched.py MODULE CLOCK-S GRAIN-S DIE-AT READS TAKEN FOLDS LIES ARGUMENT...

- CLOCK-S is added to what `time.time` says
- GRAIN-S, if not 0: `os.utime` rounds mtimes down to so many seconds, as some file systems do
- DIE-AT, if not empty: NAME:N, SIGKILL just before the N-th time that it changes something of that
  name below its `--folder`; TEMPORARY stands for all temporary files
- READS, if not 0: how many files it may open below its `--folder` for reading; others fail
- TAKEN, if not 0: so many ports, from the one of its `--listen` on, are in use already
- FOLDS, if not 0: names that differ only in case or in their normal form are one name on the disk
- LIES, if not 0: `os.pread` gives other bytes than there are, as a bad disk might
"""

import contextlib
import errno
import os
import re
import runpy
import signal
import socket
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.utime",
    "os.chmod", "os.truncate",
}  # fmt: skip
TWO_NAMES = ("os.rename", "os.link", "os.symlink")
A_TEMPORARY = re.compile(r"[0-9a-f]{40}")
# Read before each look at the folder, however much of it is known.
ALWAYS_READ = {"marker", b"marker", ".syncignore", b".syncignore"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def shift_clock(by_s: float) -> None:
    """Make the program believe that it is later, or earlier."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + by_s
    time.time_ns = lambda: now_ns() + int(by_s * 1_000_000_000)


def coarsen(grain_s: int) -> None:
    """Keep mtimes only to so many seconds."""
    real: Callable[..., None] = os.utime
    grain = grain_s * 1_000_000_000

    def utime(path: Any, times: Any = None, **more: Any) -> None:
        ns = more.pop("ns", None)
        if ns is None and times is not None:
            ns = tuple(int(at * 1_000_000_000) for at in times)
        if ns is None:
            real(path, **more)
        else:
            real(path, ns=tuple(at // grain * grain for at in ns), **more)

    os.utime = utime


def die_at(step: str, reads: int, folder: str) -> None:
    """Die before a change of a name below the folder; let files be opened ``reads`` times."""
    below = os.path.realpath(folder) + os.sep
    wanted, _, left_text = step.partition(":")
    left, reads_left = int(left_text or 0), reads

    def path_of(path: object) -> str:
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""

    def within(path: object) -> bool:
        name = path_of(path)
        # A relative name is below an open folder, which is how careful programs write.
        return bool(name) and (name[0] != os.sep or f"{name}{os.sep}".startswith(below))

    def is_wanted(path: object) -> bool:
        name = os.path.basename(path_of(path))  # noqa: PTH119 - may be relative
        return name == wanted or (wanted == "TEMPORARY" and bool(A_TEMPORARY.fullmatch(name)))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left, reads_left
        if event not in CHANGES and event != "open":
            return
        flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
        if not within(arguments[0]) or arguments[0] in ALWAYS_READ:
            return
        if event != "open" or flags & WRITES:
            if left and any(map(is_wanted, arguments[: 2 if event in TWO_NAMES else 1])):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        elif not flags & os.O_DIRECTORY:
            reads_left -= 1
            if reads and reads_left < 0:
                raise PermissionError(errno.EACCES, "more reads than are allowed", arguments[0])

    sys.addaudithook(hook)


def lie() -> None:
    """Turn the bits of the first byte of all that is read at an offset."""
    real = os.pread

    def pread(descriptor: int, count: int, offset: int) -> bytes:
        data = real(descriptor, count, offset)
        return bytes([data[0] ^ 0xFF]) + data[1:] if data else data

    os.pread = pread


def fold_names() -> None:
    """Let the disk take two names for one if only case or normal form tells them apart.

    This knows what names are relative to an open folder, which is how careful programs write.
    """

    def folded(name: Any) -> str:
        return unicodedata.normalize("NFD", os.fsdecode(name)).casefold()

    def held(name: Any, folder: int | None) -> Any:
        """Return the name that a folder has for this one."""
        if folder is None or not isinstance(name, (str, bytes)):
            return name
        wanted = folded(name)
        for there in os.listdir(folder):  # noqa: PTH208 - of an open folder
            if folded(there) == wanted:
                return os.fsencode(there) if isinstance(name, bytes) else there
        return name

    def of_one(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(name: Any, *more: Any, dir_fd: int | None = None, **named: Any) -> Any:
            return real(held(name, dir_fd), *more, dir_fd=dir_fd, **named)

        return call

    def of_two(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(
            old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None,
            **named: Any,
        ) -> Any:  # fmt: skip
            names = held(old, src_dir_fd), held(new, dst_dir_fd)
            return real(*names, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **named)

        return call

    for name in ("open", "stat", "lstat", "mkdir", "unlink", "remove", "rmdir", "readlink"):
        setattr(os, name, of_one(getattr(os, name)))
    for name in ("rename", "replace", "link"):
        setattr(os, name, of_two(getattr(os, name)))


def take_ports(count: int, listen: str) -> list[socket.socket]:
    """Listen at so many ports from this one on."""
    host, _, port = listen.rpartition(":")
    return [socket.create_server((host, int(port) + number)) for number in range(count)]


def main(
    module: str,
    clock_s: str,
    grain_s: str,
    step: str,
    reads: str,
    taken: str,
    folds: str,
    lies: str,
    *arguments: str,
) -> None:
    """Prepare, and run the program."""
    if float(clock_s):
        shift_clock(float(clock_s))
    if int(grain_s):
        coarsen(int(grain_s))
    if int(lies):
        lie()
    if int(folds):
        fold_names()
    if step or int(reads):
        die_at(step, int(reads), arguments[arguments.index("--folder") + 1])
    held = take_ports(int(taken), arguments[arguments.index("--listen") + 1])
    sys.argv = [module, *arguments]
    with contextlib.ExitStack() as stack:
        for one in held:
            stack.enter_context(one)
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
