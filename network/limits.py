"""Transfer rate limits."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable

from network.pace import MIN_RATE

_RATE = re.compile(
    r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?) *"
    r"(?:(?:(?P<prefix>[kKMGT])(?P<binary>i)?)?B)?(?:/s)?"
)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

# After a pause, this many seconds' worth of bytes may pass at once; otherwise, slices per second.
_BURST_SECONDS = 0.05
_SLICES_PER_SECOND = 20
_SMALLEST_SLICE = MIN_RATE  # so a limit that others put up with lets some pass every second

# How often a waiting thread checks whether it was cancelled.
_CANCEL_POLL_SECONDS = 0.05


def parse_rate(text: str) -> int:
    """Return the bytes per second that `text` means, at least 1.

    KB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB powers of 1024; a plain number is bytes.
    "/s" may follow. Raises ValueError with examples.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not a rate; write bytes per second as in 80MiB, 500KB/s, 1.5GiB or 65536."
        )
    factor: int = (1024 if match["binary"] else 1000) ** _POWERS[(match["prefix"] or "").upper()]
    whole, _, part = match["number"].partition(".")
    rate: int = int(whole + part) * factor // 10 ** len(part)
    if rate < 1:
        raise ValueError(
            f"The rate {text!r} would stop every transfer; give at least 1 byte per second, "
            "or no rate at all for no limit."
        )
    return rate


class RateLimiter:
    """Limits the bytes per second of all threads that share it.

    Threads are served in the order in which they ask. They wait before the bytes pass, so the limit
    holds from the first byte on. Unused allowance is kept for 50 ms.
    """

    def __init__(
        self,
        bytes_per_second: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        condition: threading.Condition | None = None,
    ) -> None:
        """Make a limiter; None means no limit. Tests pass their own clock and condition."""
        self._rate = _checked(bytes_per_second)
        self._clock = clock
        self._changed = condition or threading.Condition()
        self._queue: deque[object] = deque()
        self._saved = 0.0  # bytes that may pass now
        self._saved_at = clock()

    @property
    def rate(self) -> int | None:
        """Bytes per second, or None for no limit."""
        return self._rate

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Change the rate, at once and also for waiting threads."""
        with self._changed:
            self._save()
            self._rate = _checked(bytes_per_second)
            self._changed.notify_all()

    def slice_size(self, wanted: int) -> int:
        """Return how many of `wanted` bytes to ask for at once, so that they pass smoothly."""
        rate = self._rate
        if rate is None:
            return wanted
        return min(wanted, max(_SMALLEST_SLICE, rate // _SLICES_PER_SECOND))

    def acquire(self, count: int, cancelled: threading.Event) -> bool:
        """Block until `count` bytes may pass, or return False when `cancelled` is set."""
        if self._rate is None:
            return not cancelled.is_set()
        with self._changed:
            turn = object()
            self._queue.append(turn)
            try:
                return self._wait_for_turn(turn, cancelled) and self._pay(count, cancelled)
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()

    def _wait_for_turn(self, turn: object, cancelled: threading.Event) -> bool:
        while self._queue[0] is not turn:
            if cancelled.is_set():
                return False
            self._changed.wait(_CANCEL_POLL_SECONDS)
        return not cancelled.is_set()

    def _pay(self, count: int, cancelled: threading.Event) -> bool:
        owed = float(count)
        while not cancelled.is_set():
            self._save()
            if self._rate is None:
                return True
            paid = min(owed, self._saved)
            self._saved -= paid
            owed -= paid
            # Sums of floats rarely meet a whole number, so a debt below a thousandth of a byte is
            # paid.
            if owed < 0.001:
                return True
            self._changed.wait(min(owed / self._rate, _CANCEL_POLL_SECONDS))
        return False

    def _save(self) -> None:
        now = self._clock()
        passed, self._saved_at = now - self._saved_at, now
        if self._rate is None:
            self._saved = 0.0
        else:
            self._saved = min(self._saved + passed * self._rate, self._rate * _BURST_SECONDS)


def _checked(rate: int | None) -> int | None:
    if rate is not None and rate < 1:
        raise ValueError("A rate is at least 1 byte per second; None means no limit.")
    return rate
