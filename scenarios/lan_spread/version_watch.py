"""Sees `version.ini` files appear in a peer's games folder, from outside."""

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Documented for direct use; watchfiles.watch() does not tell when it has begun to watch.
from watchfiles._rust_notify import RustNotify

VERSION_FILE = "version.ini"
ADDED, MODIFIED = 1, 2
# How late an appearance may be noticed. It costs about 1 % of a processor for each folder.
STEP_MS = 2
FLUSH_S = 5.0
_MARKER = ".seen-by-the-scenario"


@dataclass(frozen=True, slots=True)
class Appearance:
    """A game's `version.ini` was there (or changed in place) at ``wall``, in unix seconds.

    It may have been there a little before, never later.
    """

    game_id: str
    wall: float


class VersionWatch:
    """Watches a folder of the host from its making to ``stop``.

    What containers write into a mounted folder is noticed just the same: the host's kernel writes
    it, or a host's process that serves the folder to a virtual machine.
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
        """Stop watching; return all that was seen, in order. Again: the same.

        Raises TimeoutError when the system does not tell of a file that was made just now.
        """
        if self._thread.is_alive():
            # The system reports in order: when it reports this file, it has reported all before.
            marker = self._games / _MARKER
            marker.touch()
            seen = self._marker_seen.wait(FLUSH_S)
            marker.unlink()
            self.abandon()
            if not seen:
                raise TimeoutError(f"the system does not tell of changes in {self._games}")
        return list(self._appearances)

    def abandon(self) -> None:
        """Stop watching without waiting for what is still on its way."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(RuntimeError):  # closed already
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
                # A new folder is not watched in its first moment.
                if (self._games / parts[0] / VERSION_FILE).exists():
                    found.add(parts[0])
            elif len(parts) == 2 and parts[1] == VERSION_FILE:
                found.add(parts[0])
        self._appearances += [Appearance(game_id, wall) for game_id in sorted(found)]
