"""Notices changes in the games folder, by notifications of the system and, as a net, slow rescans.

Watches folders one by one, not as a tree: `local` is never served, but may hold tens of thousands
of files, and links that lead anywhere (the `z:` drive of a Wine prefix is the root of the file
system, and a watched tree would follow it).
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

from peer_cli.library.scan import LOCAL_FOLDER, look_through
from peer_cli.names import check_game_id, is_reserved
from store.names import UnsafeName

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_Change: TypeAlias = tuple[int, str]
_EVERYTHING: frozenset[str] = frozenset()
_MODIFIED = 2  # watchfiles.Change.modified

# Changes are gathered until a pause of one step, but no longer than this.
_GATHER_MS = 200
_STEP_MS = 50

# How often to check that the games folder is still the same: nothing notifies of a mount over it,
# or of another folder moved into its place.
_IDENTITY_SECONDS = 0.5

# How often to rescan when the system cannot notify, and to look for a folder that is missing.
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
    `rescan_every` seconds, when there are new folders, and when the games folder was replaced. An
    id may belong to a deleted game, or to no game. Calls come on the event loop, at most a few per
    second. Changes below a reserved name are ignored, except whether `local` exists. If the system
    cannot notify, stderr gets one line, and everything is reported every 2 seconds.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def deliver(games: frozenset[str]) -> None:
        if not stop.is_set():
            on_change(games)

    def report(games: frozenset[str]) -> None:
        # RuntimeError: the loop was just closed, and nobody waits for this any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, games)

    watcher = _Watcher(games_dir, report, stop, rescan_every)
    # A thread of its own, because it lives as long as the peer. It ends within a step of `stop`.
    executor = ThreadPoolExecutor(1, thread_name_prefix="watch-library")
    try:
        await loop.run_in_executor(executor, watcher.run)
    finally:
        stop.set()
        executor.shutdown(wait=False)


def changed_games(base: Path, changes: Iterable[_Change]) -> frozenset[str]:
    """Return the ids of the games below `base` that raw changes (kind, path) affect."""
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
    """The watched folders, and the object that watches them."""

    base: Path
    identity: tuple[int, int]
    notify: "RustNotify"

    def outdated_by(self, changes: Iterable[_Change]) -> bool:
        """Tell whether there are new folders to watch; that of a deleted folder ends itself."""
        return any(kind != _MODIFIED and self._is_new_folder(text) for kind, text in changes)

    def _is_new_folder(self, text: str) -> bool:
        reserved = any(map(is_reserved, _parts_below(self.base, text)[1:2]))
        return not reserved and os.path.isdir(text)  # noqa: PTH112 - Path.is_dir raises in 3.11


class _Watcher:
    """The body of the thread. It calls `report`; `stop` ends it."""

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
                # Gone, or between two folders of that name, so one may be there in a moment.
                if watch is not None:
                    watch = None
                    self._rescan()
                self._stop.wait(_MISSING_RETRY_SECONDS)
            except (OSError, RuntimeError, UnicodeError) as error:
                # Limits on watches and watchers raise either of the first two; the third is a path
                # that is not valid Unicode.
                watch = None
                self._report_blind(error)
                self._rescan()
                self._stop.wait(min(self._rescan_every, _BLIND_RESCAN_SECONDS))

    def _follow(self, watch: _Watch) -> _Watch | None:
        """Wait once for changes and report them; return the next watch, None to start anew."""
        timeout = min(_IDENTITY_SECONDS, max(self._next_rescan - time.monotonic(), 0.001))
        try:
            changes = watch.notify.watch(_GATHER_MS, _STEP_MS, int(timeout * 1000) or 1, self._stop)
        except RuntimeError:
            # The notification has a name that is not UTF-8, and hides what else happened just then.
            self._stop.wait(_MISSING_RETRY_SECONDS)
            return None
        if _identity(self._games_dir) != watch.identity:
            return None
        if isinstance(changes, set) and changes:
            if any(text == str(watch.base) and kind != _MODIFIED for kind, text in changes):
                return None
            if watch.outdated_by(changes):
                newer = _open_watch(self._games_dir)
                watch.notify.close()
                # The old one may have been too late to tell what changed before the new one.
                self._next_rescan = 0.0
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

    def _report_blind(self, error: Exception) -> None:
        if not self._told_blind:
            self._told_blind = True
            print(
                f"The system cannot watch {self._games_dir} ({error}): looking for changes every "
                f"{min(self._rescan_every, _BLIND_RESCAN_SECONDS):g} seconds instead.",
                file=sys.stderr,
            )


def _open_watch(games_dir: Path) -> _Watch:
    """Watch the existing folders. Raises OSError or RuntimeError, depending on the system."""
    from watchfiles._rust_notify import RustNotify  # imported late: not needed to be ready

    for attempts_left in reversed(range(_OPEN_ATTEMPTS)):
        base = games_dir.resolve(strict=True)
        identity = _identity(base)
        folders = _folders(base)
        notify = RustNotify(sorted(folders), False, False, 300, False, True)
        # A folder created meanwhile would not be watched, so check again. If folders keep
        # appearing, the rescan is the net.
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
        # An unreadable folder cannot be watched; the slow rescan notices when that changes.
        folders.update(map(str, look_through(root).folders))
    return frozenset(folders)


def _identity(games_dir: Path) -> tuple[int, int]:
    status = games_dir.stat()
    return status.st_dev, status.st_ino


def _parts_below(base: Path, text: str) -> tuple[str, ...]:
    path = Path(text)
    return path.relative_to(base).parts if path.is_relative_to(base) else ()
