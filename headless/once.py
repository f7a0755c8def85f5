"""Reports the same trouble once, however often it is met."""

import threading
from collections.abc import Callable

MOST = 1000


class Once:
    """Passes each text on once. Strangers may cause texts, so after `MOST` there are no more."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._reported: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """Report a text, from any thread, unless that was done before."""
        with self._lock:
            if text in self._reported or len(self._reported) >= MOST:
                return
            self._reported.add(text)
        self._report(text)
