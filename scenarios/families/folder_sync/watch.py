"""Waits for what appears in a peer's folder, seen from outside, whatever the program says."""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

# Documented for direct use; watchfiles.watch() does not tell when it has begun to watch.
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from scenarios.core.scene import Scene

T = TypeVar("T")
STEP_MS = 5
# A folder that was made just now may be filled before it is watched.
LOOKS_AGAIN_MS = 250


def until(
    scene: Scene,
    folder: Path,
    look: Callable[[], T],
    good: Callable[[T], bool],
    timeout: float,
    what: str = "",
) -> tuple[T, float]:
    """Return the first good thing seen, or at the end of time the last one; and after how long.

    ``look`` is called at once, and whenever something in the folder has changed. It ends early if
    the scenario cannot succeed any more. ``what`` names the check of what is returned.
    """
    began = time.monotonic()
    deadline = began + scene.timeouts.stretched(timeout, what)
    stop = threading.Event()
    notify = RustNotify([str(folder)], False, False, 0, True, True)
    try:
        while True:
            seen = look()
            now = time.monotonic()
            if good(seen) or now >= deadline or scene.trouble:
                return seen, now - began
            left_ms = max(1, min(LOOKS_AGAIN_MS, int(1000 * (deadline - now))))
            # A name that is no UTF-8 has changed: that is all there is to know.
            with contextlib.suppress(WatchfilesRustInternalError):
                notify.watch(STEP_MS, STEP_MS, left_ms, stop)
    finally:
        notify.close()
