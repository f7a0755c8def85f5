"""Notice changes in the games folder, by the system's notification and a slow rescan as the net.

Folders are watched one by one, not as a tree: what lies under `local` is never served, but may
have tens of thousands of files and links that lead anywhere (the `z:` drive of a Wine prefix is
the root of the file system, and a watched tree follows it).
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from peer_cli.library.scan import LOCAL_FOLDER, served_folders
from peer_cli.names import UnsafeName, check_game_id, is_reserved

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_Change: TypeAlias = tuple[int, str]
_EVERYTHING: frozenset[str] = frozenset()
_MODIFIED = 2  # watchfiles.Change.modified

# Changes are gathered until none came for a step, but no longer than this.
_GATHER_MS = 200
_STEP_MS = 50

# How often to look whether the games folder is still the same one: no notification tells of a
# mount over it, or of another folder moved into its place.
_IDENTITY_SECONDS = 0.5

# The rescan when the system cannot notify, and how often to look for a folder that is not there.
_BLIND_RESCAN_SECONDS = 2.0
_MISSING_RETRY_SECONDS = 0.25

_OPEN_ATTEMPTS = 5


async def watch_library(
    games_dir: Path,
    on_change: Callable[[frozenset[str]], None],
    *,
    rescan_every: float = 30.0,
) -> None:
    """Call `on_change` with the ids of the games that changed, until cancelled.

    The empty set means that anything may have changed: it comes when watching begins, every
    `rescan_every` seconds, and when the games folder itself was replaced. An id may be of a game
    that is gone, or of none. Calls come on the event loop, at most a few per second. What happens
    below a reserved name does not count, only whether there is a `local`. Where the system cannot
    notify, one line on stderr says so, and everything is reported every 2 seconds.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def deliver(games: frozenset[str]) -> None:
        if not stop.is_set():
            on_change(games)

    def report(games: frozenset[str]) -> None:
        # RuntimeError: the loop was closed just now, and nobody waits for this any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, games)

    watcher = _Watcher(games_dir, report, stop, rescan_every)
    # A thread of its own, for it lives as long as the peer; it ends within a step of `stop`.
    executor = ThreadPoolExecutor(1, thread_name_prefix="watch-library")
    try:
        await loop.run_in_executor(executor, watcher.run)
    finally:
        stop.set()
        executor.shutdown(wait=False)


def changed_games(base: Path, changes: Iterable[_Change]) -> frozenset[str]:
    """Return the ids of the games below `base` that raw changes (kind, path) are about."""
    games = set()
    for kind, text in changes:
        game_id, *inside = _parts_below(base, text) or ("",)
        if inside and is_reserved(inside[0]):
            appeared_or_went = len(inside) == 1 and kind != _MODIFIED
            if inside[0] != LOCAL_FOLDER or not appeared_or_went:
                continue
        with suppress(UnsafeName):
            games.add(check_game_id(game_id))
    return frozenset(games)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The folders that are watched, and the object that does."""

    base: Path
    identity: tuple[int, int]
    notify: "RustNotify"

    def outdated_by(self, changes: Iterable[_Change]) -> bool:
        """Tell whether folders came that must be watched too; the watch of one gone ends itself."""
        return any(kind != _MODIFIED and self._is_new_folder(text) for kind, text in changes)

    def _is_new_folder(self, text: str) -> bool:
        reserved = any(map(is_reserved, _parts_below(self.base, text)[1:2]))
        return not reserved and Path(text).is_dir()


class _Watcher:
    """What the thread does. `report` may be called from it; `stop` ends it."""

    def __init__(
        self,
        games_dir: Path,
        report: Callable[[frozenset[str]], None],
        stop: threading.Event,
        rescan_every: float,
    ) -> None:
        self._games_dir = games_dir.absolute()
        self._report = report
        self._stop = stop
        self._rescan_every = rescan_every
        self._next_rescan = 0.0
        self._told_blind = False

    def run(self) -> None:
        watch: _Watch | None = None
        while not self._stop.is_set():
            try:
                if watch is None:
                    watch = _open_watch(self._games_dir)
                    self._rescan()
                watch = self._follow(watch)
            except (FileNotFoundError, NotADirectoryError):
                # Gone, or between two folders of that name: there may be one in a moment.
                if watch is not None:
                    watch = None
                    self._rescan()
                self._stop.wait(_MISSING_RETRY_SECONDS)
            except (OSError, RuntimeError, UnicodeError) as error:
                # The system's limits on watches and watchers come as either of the first two; the
                # third is a path that is not valid Unicode.
                watch = None
                self._tell_blind(error)
                self._rescan()
                self._stop.wait(min(self._rescan_every, _BLIND_RESCAN_SECONDS))

    def _follow(self, watch: _Watch) -> _Watch | None:
        """Wait once for changes and report them; return the watch to go on with, None for anew."""
        timeout = min(_IDENTITY_SECONDS, max(self._next_rescan - time.monotonic(), 0.001))
        changes = watch.notify.watch(_GATHER_MS, _STEP_MS, int(timeout * 1000) or 1, self._stop)
        if _identity(self._games_dir) != watch.identity:
            return None
        if isinstance(changes, set) and changes:
            if any(text == str(watch.base) and kind != _MODIFIED for kind, text in changes):
                return None
            if watch.outdated_by(changes):
                # The new watch stands before the old one is read for the last time and dropped,
                # so that no change falls between them.
                newer = _open_watch(self._games_dir)
                changes |= _read_rest(watch.notify)
                watch = newer
            games = changed_games(watch.base, changes)
            if games:
                self._report(games)
        if time.monotonic() >= self._next_rescan:
            self._rescan()
        return watch

    def _rescan(self) -> None:
        self._next_rescan = time.monotonic() + self._rescan_every
        self._report(_EVERYTHING)

    def _tell_blind(self, error: Exception) -> None:
        if not self._told_blind:
            self._told_blind = True
            print(
                f"The system cannot watch {self._games_dir} ({error}): looking for changes every "
                f"{min(self._rescan_every, _BLIND_RESCAN_SECONDS):g} seconds instead.",
                file=sys.stderr,
            )


def _open_watch(games_dir: Path) -> _Watch:
    """Watch the folders there are now. Raises OSError and RuntimeError as the system has it."""
    from watchfiles._rust_notify import RustNotify  # late: not needed for the peer to be ready

    for attempts_left in reversed(range(_OPEN_ATTEMPTS)):
        base = games_dir.resolve(strict=True)
        identity = _identity(base)
        folders = _folders(base)
        notify = RustNotify(sorted(folders), False, False, 300, False, True)
        # A folder made in between would go unwatched; then look again. Where folders come without
        # end, the rescan is the net.
        if not attempts_left or (_folders(base) == folders and _identity(games_dir) == identity):
            break
        notify.close()
    return _Watch(base, identity, notify)


def _folders(base: Path) -> frozenset[str]:
    folders = {str(base)}
    for entry in os.scandir(base):
        try:
            root = base / check_game_id(entry.name)
        except UnsafeName:
            continue
        if entry.is_dir():
            folders.update(map(str, served_folders(root)))
    return frozenset(folders)


def _read_rest(notify: "RustNotify") -> set[_Change]:
    rest = notify.watch(1, 1, 1, None)
    notify.close()
    return rest if isinstance(rest, set) else set()


def _identity(games_dir: Path) -> tuple[int, int]:
    status = games_dir.stat()
    return status.st_dev, status.st_ino


def _parts_below(base: Path, text: str) -> tuple[str, ...]:
    path = Path(text)
    return path.relative_to(base).parts if path.is_relative_to(base) else ()
