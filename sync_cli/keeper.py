"""Keeps the index in step with the folder: when to scan, and what."""

import asyncio
import sys
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from headless.threads import run_to_end
from sync_cli.folder import Folder, IndexTrouble
from sync_cli.tree import Tree
from sync_cli.watch import Watch

# Changes are gathered for so long: an editor's save is several, and a file is still only then.
_GATHER_S = 0.03
_LONGEST_RETRY_S = 2.0

# How often to look whether the folder and its marker are still there; nothing tells of a mount.
_LOOK_S = 2.0

# A rescan may take this share of a core, and is never more frequent than once a minute; without
# notifications from the system it is all there is.
_RESCAN_SHARE = 0.0005
_RESCAN_S = 60.0
_BLIND_RESCAN_SHARE = 0.1
_BLIND_RESCAN_S = 2.0
_FILE_CPU_S = 5e-6  # a scan takes at least so long for each file

_MOST_EXPIRE_S = 3600.0

_T = TypeVar("_T")


class Retries:
    """When to look again at each path that was not still, later each time."""

    def __init__(self) -> None:
        self._retries: dict[bytes, tuple[float, float]] = {}  # when, and how long after that

    def set_paths(self, paths: Collection[bytes], now: float) -> None:
        """Set which paths are not still; times are of the loop's clock, in seconds."""
        first = now + _GATHER_S, 2 * _GATHER_S
        self._retries = {path: self._retries.get(path, first) for path in paths}

    def due(self, now: float) -> set[bytes]:
        """Return the paths to look at now."""
        return {path for path, (at, _) in self._retries.items() if at <= now}

    def put_off(self, paths: Collection[bytes], now: float) -> None:
        """Note that these were looked at until now; if they stay, they have twice as long."""
        for path in paths:
            _, pause = self._retries[path]
            self._retries[path] = now + pause, min(2 * pause, _LONGEST_RETRY_S)

    def next_at(self) -> float:
        """Return when the next path is due; infinity if none is."""
        return min((at for at, _ in self._retries.values()), default=float("inf"))

    def forget(self, paths: Collection[bytes]) -> None:
        """Begin anew with these, which have changed."""
        for path in paths:
            self._retries.pop(path, None)


class Keeper:
    """Scans at start, when the system tells of changes, and now and then all of it."""

    def __init__(
        self,
        folder: Folder,
        connected: Callable[[], Collection[str]] = tuple,
        *,
        tombstone_s: float = 90 * 86400.0,
    ) -> None:
        """`connected` returns the ids of peers that are connected, which are not forgotten."""
        self._folder = folder
        self._connected = connected
        self._expire_s = min(_MOST_EXPIRE_S, tombstone_s / 4)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="folder")
        self._wake = asyncio.Event()
        self._watch: Watch | None = None
        self._watched: Tree | None = None
        self._told_blind = False
        self._scan_cpu_s = 0.0
        self._retries = Retries()

    async def run(self) -> None:
        """Run until cancelled."""
        loop = asyncio.get_running_loop()
        scanned = next_scan = next_expire = 0.0
        try:
            while True:
                reachable, restless = await self._in_thread(self._look)
                now = loop.time()
                if now >= next_expire:
                    await self._in_thread(self._expire)
                    next_expire = now + self._expire_s
                if next_scan and now >= next_scan:
                    # Many files may have come since, so the last scan does not tell what this
                    # one would cost.
                    next_scan = scanned + await self._in_thread(self._pause_s)
                if reachable and now >= next_scan:
                    await self._in_thread(self._scan_all)
                    scanned = loop.time()
                    next_scan = scanned + await self._in_thread(self._pause_s)
                    continue
                retries = self._retries
                retries.set_paths(restless, now)
                if reachable and (due := retries.due(now)):
                    await self._in_thread(partial(self._scan_restless, due))
                    retries.put_off(due, loop.time())
                    continue
                until = min(now + _LOOK_S, next_expire)
                if reachable:
                    until = min(until, next_scan, retries.next_at())
                else:
                    next_scan = 0.0  # all may have changed when it is back
                if await self._changes_before(until):
                    await asyncio.sleep(_GATHER_S)
                    if await self._in_thread(self._scan_changes):
                        next_scan = 0.0
        finally:
            self._close_watch()
            self._pool.shutdown(wait=False)

    def _look(self) -> tuple[bool, frozenset[bytes]]:
        return self._folder.is_reachable(), self._folder.restless()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await run_to_end(self._pool, work)

    async def _changes_before(self, until: float) -> bool:
        loop = asyncio.get_running_loop()
        watch = self._watch
        if watch is not None:
            loop.add_reader(watch.fileno(), self._heard)
        try:
            # Not asyncio.wait_for, which before Python 3.12 loses a cancel that comes together with
            # its result.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(max(until, loop.time() + 0.001)):
                    await self._wake.wait()
        finally:
            if watch is not None:
                loop.remove_reader(watch.fileno())
        heard = self._wake.is_set()
        self._wake.clear()
        return heard

    def _heard(self) -> None:
        self._folder.note_changes()
        self._wake.set()
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())

    def _scan_changes(self) -> bool:
        """Scan what the system told of; tell whether everything must be scanned instead."""
        if self._watch is None:
            return True
        try:
            changed = self._watch.read()
            if changed is None:
                return True
            if changed:
                self._retries.forget(changed)
                self._folder.scan(changed)
            self._folder.note_scanned()
        except (OSError, IndexTrouble) as error:
            self._report(f"Changes in the folder cannot be read: {error}.")
            return True
        return False

    def _scan_restless(self, paths: Collection[bytes]) -> None:
        try:
            self._folder.scan(paths)
        except (OSError, IndexTrouble) as error:  # they stay restless
            self._report(f"Changes in the folder cannot be read: {error}.")

    def _expire(self) -> None:
        try:
            self._folder.expire(self._connected())
        except IndexTrouble as error:
            self._report(f"What is too old cannot be forgotten: {error}.")

    def _scan_all(self) -> None:
        began = time.thread_time()
        try:
            self._open_watch()
            if self._watch is not None:
                self._watch.read()
            self._folder.scan(None)
        except (OSError, IndexTrouble) as error:
            self._report(f"The folder cannot be scanned: {error}.")
        self._scan_cpu_s = time.thread_time() - began

    def _open_watch(self) -> None:
        """Watch the folder before it is scanned, so that no change is missed in between."""
        tree = self._folder.tree
        if tree is None or (tree is self._watched and self._watch is not None):
            return
        self._close_watch()
        try:
            self._watch = Watch(self._folder, tree)
            self._watched = tree
            if self._watch.is_blind:
                self._report_blind("there are too many folders for the system's limit of watches")
        except OSError as error:
            self._report_blind(str(error))

    def _close_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _pause_s(self) -> float:
        """Return how long to wait between two scans of everything."""
        files = 0
        try:
            files, _ = self._folder.totals()
        except IndexTrouble as error:
            self._report(f"The files cannot be counted: {error}.")
        scan_cpu_s = max(self._scan_cpu_s, files * _FILE_CPU_S)
        if self._watch is None or self._watch.is_blind:
            return max(_BLIND_RESCAN_S, scan_cpu_s / _BLIND_RESCAN_SHARE)
        return max(_RESCAN_S, scan_cpu_s / _RESCAN_SHARE)

    def _report_blind(self, reason: str) -> None:
        if not self._told_blind:
            self._told_blind = True
            self._report(f"The system cannot tell of all changes ({reason}): scanning instead.")

    def _report(self, line: str) -> None:
        print(line, file=sys.stderr)
