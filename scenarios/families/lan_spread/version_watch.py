"""Watches a peer's games folder from outside for `version.ini` files that appear."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Documented for direct use; watchfiles.watch() does not signal when it has begun to watch.
from watchfiles._rust_notify import RustNotify

VERSION_FILE = "version.ini"
ADDED, MODIFIED = 1, 2
# How late an appearance may be noticed. Costs about 1 % of a CPU per folder.
STEP_MS = 2
FLUSH_S = 5.0
_MARKER = ".seen-by-the-scenario"


@dataclass(frozen=True, slots=True)
class Appearance:
    """A game's `version.ini` existed (or changed in place) at ``wall``, in Unix seconds.

    It may have appeared a little earlier, never later.
    """

    game_id: str
    wall: float


class VersionWatch:
    """Watches a folder of the host from construction to ``stop``.

    It also sees what containers write into a mounted folder: the host's kernel writes that, or a
    host process that shares the folder with a virtual machine.
    """

    def __init__(self, games: Path) -> None:
        self._games = games.resolve()
        self._appearances: list[Appearance] = []
        self._marker_seen = threading.Event()
        self._stop = threading.Event()
        self._notify = RustNotify([str(self._games)], False, False, 0, True, True)
        self._thread = threading.Thread(target=self._run, name=f"watch {games}", daemon=True)
        self._thread.start()

    def stop(self) -> list[Appearance]:
        """Stop watching; return all appearances, in order. Idempotent.

        Raises TimeoutError if the system does not report a file that was created just now.
        """
        if self._thread.is_alive():
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
        """Stop watching without waiting for pending notifications."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(RuntimeError):  # already closed
            self._notify.close()

    def _run(self) -> None:
        while True:
            changes = self._notify.watch(STEP_MS, STEP_MS, 0, self._stop)
            if changes == "stop":
                return
            self._take(changes, time.time())

    def _take(
        self, changes: set[tuple[int, str]] | Literal["signal", "timeout"], wall: float
    ) -> None:
        if isinstance(changes, str):
            return
        found: set[str] = set()
        for kind, path in changes:
            parts = Path(path).relative_to(self._games).parts
            if kind not in (ADDED, MODIFIED) or not parts:
                continue
            if parts == (_MARKER,):
                self._marker_seen.set()
            elif len(parts) == 1 and kind == ADDED:
                # A new folder is not watched from its first moment.
                if (self._games / parts[0] / VERSION_FILE).exists():
                    found.add(parts[0])
            elif len(parts) == 2 and parts[1] == VERSION_FILE:
                found.add(parts[0])
        self._appearances += [Appearance(game_id, wall) for game_id in sorted(found)]
