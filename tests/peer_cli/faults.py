"""A disk that fails at a chosen call, or a peer that dies there: a sweep tries every call in turn.

Calls are counted only when they are about a given folder, by path or by descriptor, so that what
else a process does (sockets, imports) neither counts nor fails. Writes through Python's buffered
files are seen where they are opened and synced.
"""

import contextlib
import io
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHANGES = (
    "open", "mkdir", "unlink", "rmdir", "rename", "replace", "ftruncate", "fsync", "fchmod",
    "utime", "write", "writev", "pwrite", "splice",
)  # fmt: skip
LOOKS = (
    "stat",
    "lstat",
    "fstat",
    "scandir",
    "listdir",
    "statvfs",
    "access",
    "read",
    "readv",
    "preadv",
)
ALL = CHANGES + LOOKS


class CrashError(BaseException):
    """The peer is gone, at this very moment."""


@dataclass(slots=True)
class Calls:
    """What was counted so far; `hit` names the call that failed."""

    count: int = 0
    hit: str = ""


@contextmanager
def disturbed(
    folder: Path,
    nth: int,
    error: Callable[[], BaseException],
    *,
    calls: tuple[str, ...] = ALL,
    after: bool = False,
    for_good: bool = False,
) -> Iterator[Calls]:
    """Raise an error at the `nth` of these calls of `os` about what is in a folder.

    It comes before the call has an effect, or `after` it; with `for_good` at all later ones too.
    0 disturbs nothing, and counts.
    """
    counted = Calls()
    lock = threading.Lock()
    quiet = threading.local()  # what this layer asks the system itself does not count
    inside = f"{folder}/"

    def is_ours(arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
        places = [*arguments[:2], *(value for key, value in options.items() if "dir_fd" in key)]
        return any(_where(place).startswith(inside) for place in places)

    def disturb(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if getattr(quiet, "on", False):
                return original(*arguments, **options)
            quiet.on = True
            try:
                ours = is_ours(arguments, options)
            finally:
                quiet.on = False
            if not ours:
                return original(*arguments, **options)
            with lock:
                counted.count += 1
                fails = counted.count == nth or (for_good and 0 < nth < counted.count)
                if fails:
                    counted.hit = counted.hit or name
            if not fails:
                return original(*arguments, **options)
            if after:
                with contextlib.suppress(OSError):  # it may have had no effect
                    original(*arguments, **options)
            raise error()

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in calls:
            changed = disturb(name, getattr(os, name))
            for registry in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks,
                             os.supports_effective_ids):  # fmt: skip
                if getattr(os, name) in registry:
                    registry.add(changed)
            patch.setattr(os, name, changed)
        if "open" in calls:
            patch.setattr(io, "open", disturb("open", io.open))
        yield counted


def failing(
    folder: Path,
    nth: int,
    code: int,
    *,
    calls: tuple[str, ...] = ALL,
    for_good: bool = False,
) -> AbstractContextManager[Calls]:
    """Like `disturbed`, with the error number of a disk in trouble (errno.EIO, ENOSPC, ...)."""
    return disturbed(
        folder, nth, lambda: OSError(code, os.strerror(code)), calls=calls, for_good=for_good
    )


def crashing(
    folder: Path, nth: int, *, after: bool = False, calls: tuple[str, ...] = CHANGES
) -> AbstractContextManager[Calls]:
    """Like `disturbed`, with the end of the peer."""
    return disturbed(folder, nth, CrashError, calls=calls, after=after)


def sweep(attempt: Callable[[int], Calls], *, limit: int = 2000) -> int:
    """Call `attempt` with 1, 2, ... until its disturbance finds no call left; return how many."""
    for nth in itertools.count(1):
        assert nth < limit, "it never ends"
        if not attempt(nth).hit:
            return nth - 1
    raise AssertionError


def _where(place: Any) -> str:
    """Return the path of what a call is about; nothing for what is no place."""
    if isinstance(place, int) and not isinstance(place, bool):
        try:
            return str(Path(f"/proc/self/fd/{place}").readlink())
        except OSError:
            return ""
    return os.fsdecode(place) if isinstance(place, str | bytes | os.PathLike) else ""
