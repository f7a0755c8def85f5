"""Watches peers' games folders from outside for `version.ini` files that appear."""

import contextlib
import errno
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

# Documented for direct use; watchfiles.watch() does not signal when it has begun to watch.
from watchfiles._rust_notify import RustNotify

from scenarios.core.backends.base import BackendError

if sys.platform == "linux":
    from inotify_simple import Event, INotify, flags

VERSION_FILE = "version.ini"
FLUSH_S = 5.0
NOT_A_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}  # that can be looked into
_LIMITS = {errno.EMFILE: "max_user_instances", errno.ENOSPC: "max_user_watches"}
_MARKER = ".seen-by-the-scenario"

# Something new or changed below the games folder, as the parts of its relative path.
Parts: TypeAlias = tuple[str, ...]
Tell: TypeAlias = Callable[[Iterable[Parts]], None]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A game's `version.ini` existed (or changed in place) at ``wall``, in Unix seconds.

    It may have appeared a little earlier, never later.
    """

    game_id: str
    wall: float


class Watcher(Protocol):
    """How the system tells of changes: one for all folders of a scenario."""

    def watch(self, games: Path, tell: Tell) -> Callable[[], None]:
        """Tell of all changes from now on, from a thread; return what ends that.

        Tells nothing more once the system has lost some. Raises OSError, or BackendError if the
        system's limits forbid it.
        """

    def close(self) -> None:
        """Tell nothing more. Idempotent."""


class VersionWatch:
    """Watches a folder of the host from construction to ``stop``.

    It also sees what containers write into a mounted folder: the host's kernel writes that, or a
    host process that shares the folder with a virtual machine.
    """

    def __init__(self, games: Path, watcher: Watcher) -> None:
        self._games = games.resolve()
        self._appearances: list[Appearance] = []
        self._marker_seen = threading.Event()
        self._stopped = False
        self._end = watcher.watch(self._games, self._take)

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
        if not self._stopped:
            self._stopped = True
            self._end()

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


def watcher() -> Watcher:
    """Return the best watcher that this system has. Raises BackendError."""
    return Kernel() if sys.platform == "linux" else Polled()


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        limit = _LIMITS.get(error.errno or 0)
        if limit is None:
            raise
        raise BackendError(
            f"Linux lets this user watch no more folders ({error.strerror}): end programs that "
            "watch some, run fewer scenarios at once (-j), or raise the limit with "
            f"`sysctl fs.inotify.{limit}=…`."
        ) from error


if sys.platform == "linux":

    @dataclass(eq=False, frozen=True, slots=True)
    class _Watched:
        games: Path
        tell: Tell

    class Kernel:
        """Linux tells at once, and at no cost while nothing changes. Two levels are watched.

        All folders share one instance of inotify, of which a user has 128 by default.
        """

        def __init__(self) -> None:
            with _limits():
                self._notify = INotify()
            self._places: dict[int, tuple[_Watched, str]] = {}  # "": the games folder itself
            self._lock = threading.Lock()
            self._closed = False
            self._thread = threading.Thread(target=self._run, name="watch games", daemon=True)
            self._thread.start()

        def watch(self, games: Path, tell: Tell) -> Callable[[], None]:
            """See `Watcher`."""
            watched = _Watched(games, tell)
            with self._lock, _limits():
                self._add(watched, "")
                for folder in games.iterdir():
                    self._enter(watched, folder.name)
            return lambda: self._forget(watched)

        def close(self) -> None:
            """See `Watcher`. Idempotent."""
            if not self._closed:
                self._closed = True
                # The end of a watch is an event too, which the thread waits for.
                self._notify.rm_watch(self._notify.add_watch("/", flags.DELETE_SELF))
                self._thread.join()
                self._notify.close()

        def _run(self) -> None:
            while not self._closed:
                events = self._notify.read()
                with self._lock:
                    told = self._told(events)
                for watched, changes in told.items():
                    watched.tell(changes)

        def _told(self, events: Iterable[Event]) -> dict[_Watched, list[Parts]]:
            told: dict[_Watched, list[Parts]] = {}
            for number, mask, _, name in events:
                if mask & flags.Q_OVERFLOW:
                    self._places.clear()
                if mask & flags.IGNORED:  # the folder is gone
                    self._places.pop(number, None)
                if number not in self._places:
                    continue
                watched, folder = self._places[number]
                if not folder:
                    self._enter(watched, name)
                told.setdefault(watched, []).append((folder, name) if folder else (name,))
            return told

        def _add(self, watched: _Watched, name: str) -> None:
            mask = flags.CREATE | flags.MOVED_TO | flags.MODIFY | flags.ONLYDIR
            number = self._notify.add_watch(watched.games / name, mask)
            self._places[number] = (watched, name)

        def _enter(self, watched: _Watched, name: str) -> None:
            try:
                self._add(watched, name)
            except OSError as error:
                if error.errno not in NOT_A_FOLDER:
                    raise

        def _forget(self, watched: _Watched) -> None:
            with self._lock:
                gone = [number for number, (one, _) in self._places.items() if one is watched]
                for number in gone:
                    del self._places[number]
                    with contextlib.suppress(OSError):  # the folder is gone
                        self._notify.rm_watch(number)


class Polled:
    """What watchfiles hears, asked for every few milliseconds by a thread for each folder."""

    STEP_MS = 2  # how late an appearance may be noticed; costs about 1 % of a CPU per folder
    REMOVED = 3

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []

    def watch(self, games: Path, tell: Tell) -> Callable[[], None]:
        """See `Watcher`."""
        notify = RustNotify([str(games)], False, False, 0, True, True)
        stop = threading.Event()
        arguments = (games, notify, tell, stop)
        thread = threading.Thread(target=self._run, args=arguments, name=f"watch {games}")
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        self._ends.append(end)
        return end

    def close(self) -> None:
        """See `Watcher`. Idempotent."""
        for end in self._ends:
            end()

    def _run(self, games: Path, notify: RustNotify, tell: Tell, stop: threading.Event) -> None:
        while (changes := notify.watch(self.STEP_MS, self.STEP_MS, 0, stop)) != "stop":
            told = () if isinstance(changes, str) else changes
            tell(
                Path(path).relative_to(games).parts
                for kind, path in told
                if kind != self.REMOVED and path != str(games)
            )
        notify.close()
