"""Watches a peer's games folder from outside for `version.ini` files that appear."""

import contextlib
import errno
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

# Documented for direct use; watchfiles.watch() does not signal when it has begun to watch.
from watchfiles._rust_notify import RustNotify

if sys.platform == "linux":
    from inotify_simple import INotify, flags

VERSION_FILE = "version.ini"
FLUSH_S = 5.0
NOT_A_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}  # that can be looked into
_MARKER = ".seen-by-the-scenario"

# Something new or changed below the games folder, as the parts of its relative path.
Parts: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A game's `version.ini` existed (or changed in place) at ``wall``, in Unix seconds.

    It may have appeared a little earlier, never later.
    """

    game_id: str
    wall: float


class Source(Protocol):
    """Where changes are heard of, from its construction on."""

    def read(self) -> Iterable[Parts] | None:
        """Wait for changes; None after `close`, or if the system has lost some."""

    def close(self) -> None:
        """End a pending and every later `read`, of another thread."""


class VersionWatch:
    """Watches a folder of the host from construction to ``stop``.

    It also sees what containers write into a mounted folder: the host's kernel writes that, or a
    host process that shares the folder with a virtual machine.
    """

    def __init__(self, games: Path, source: Source | None = None) -> None:
        self._games = games.resolve()
        self._appearances: list[Appearance] = []
        self._marker_seen = threading.Event()
        self._stopped = False
        self._source = source or source_of(self._games)
        self._thread = threading.Thread(target=self._run, name=f"watch {games}", daemon=True)
        self._thread.start()

    def stop(self) -> list[Appearance]:
        """Stop watching; return all appearances, in order. Idempotent.

        Raises TimeoutError if the system does not report a file that was created just now, or has
        lost changes before.
        """
        if not self._stopped:
            # The system reports in order: after this file it owes nothing older.
            marker = self._games / _MARKER
            marker.touch()
            seen = self._marker_seen.wait(FLUSH_S)
            marker.unlink()
            self.abandon()
            if not seen:
                raise TimeoutError(f"the system does not report changes in {self._games}")
        return list(self._appearances)

    def abandon(self) -> None:
        """Stop watching without waiting for pending notifications. Idempotent."""
        self._stopped = True
        self._source.close()
        self._thread.join()

    def _run(self) -> None:
        while (changes := self._source.read()) is not None:
            self._take(changes)

    def _take(self, changes: Iterable[Parts]) -> None:
        found: set[str] = set()
        for parts in changes:
            if parts == (_MARKER,):
                self._marker_seen.set()
            elif len(parts) == 1:
                # A new folder is not watched from its first moment.
                if (self._games / parts[0] / VERSION_FILE).exists():
                    found.add(parts[0])
            elif len(parts) == 2 and parts[1] == VERSION_FILE:
                found.add(parts[0])
        wall = time.time()
        self._appearances += [Appearance(game_id, wall) for game_id in sorted(found)]


def source_of(games: Path) -> Source:
    """Return the best source that this system has."""
    return Kernel(games) if sys.platform == "linux" else Polled(games)


if sys.platform == "linux":

    class Kernel:
        """Linux tells at once, and at no cost while nothing changes. Two levels are watched."""

        def __init__(self, games: Path) -> None:
            self._games = games
            self._notify = INotify()
            self._names: dict[int, str] = {}
            self._root = self._add("")
            for folder in games.iterdir():
                self._enter(folder.name)

        def read(self) -> Iterable[Parts] | None:
            """See `Source`."""
            changes: list[Parts] = []
            for number, mask, _, name in self._notify.read():
                if mask & flags.IGNORED and number != self._root:
                    continue  # a game's folder is gone
                if mask & (flags.IGNORED | flags.Q_OVERFLOW):
                    self._notify.close()
                    return None
                if number == self._root:
                    self._enter(name)
                    changes.append((name,))
                else:
                    changes.append((self._names[number], name))
            return changes

        def close(self) -> None:
            """See `Source`. Idempotent."""
            with contextlib.suppress(OSError, ValueError):  # the folder is gone, or closed before
                self._notify.rm_watch(self._root)

        def _add(self, name: str) -> int:
            mask = flags.CREATE | flags.MOVED_TO | flags.MODIFY | flags.ONLYDIR
            return int(self._notify.add_watch(self._games / name, mask))

        def _enter(self, name: str) -> None:
            try:
                self._names[self._add(name)] = name
            except OSError as error:
                if error.errno not in NOT_A_FOLDER:
                    raise


class Polled:
    """What watchfiles hears, asked for every few milliseconds."""

    STEP_MS = 2  # how late an appearance may be noticed; costs about 1 % of a CPU per folder
    REMOVED = 3

    def __init__(self, games: Path) -> None:
        self._games = games
        self._notify = RustNotify([str(games)], False, False, 0, True, True)
        self._stop = threading.Event()

    def read(self) -> Iterable[Parts] | None:
        """See `Source`."""
        changes = self._notify.watch(self.STEP_MS, self.STEP_MS, 0, self._stop)
        if changes == "stop":
            self._notify.close()
            return None
        told = () if isinstance(changes, str) else changes
        return [
            Path(path).relative_to(self._games).parts
            for kind, path in told
            if kind != self.REMOVED and path != str(self._games)
        ]

    def close(self) -> None:
        """See `Source`. Idempotent."""
        self._stop.set()
