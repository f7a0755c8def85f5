"""Whether the other side of a session is alive."""

import asyncio
from collections.abc import Callable

PING_INTERVAL_S = 1.0
SILENCE_LIMIT_S = 5.0


def pause_s(interval_s: float, limit_s: float, silent_s: float) -> float:
    """Return the seconds until the next ping, or until the silence has reached its limit.

    Whichever comes first; after the limit, the interval.
    """
    left_s = limit_s - silent_s
    return min(interval_s, left_s) if left_s > 0 else interval_s


class Heartbeat:
    """Counts how long nothing was heard, and lets the other side hear from this one.

    While `busy` is set, this side reads nothing, and so the silence is not the other side's.
    """

    def __init__(self) -> None:
        self.busy = False
        self._last_heard = 0.0
        self.heard()

    def heard(self) -> None:
        """Note that something came."""
        self._last_heard = asyncio.get_running_loop().time()

    @property
    def silent_s(self) -> float:
        """Seconds since something came."""
        return asyncio.get_running_loop().time() - self._last_heard

    async def run(self, ping: Callable[[], None]) -> None:
        """Ping at the interval; returns when the other side was silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            ping()
            # The pace of pings, not synchronisation. All pings of a machine go at the same moment:
            # with many sessions, nearly all of their cost is that of waking up for each.
            await asyncio.sleep(
                pause_s(PING_INTERVAL_S - before % PING_INTERVAL_S, SILENCE_LIMIT_S, self.silent_s)
            )
            # After this process itself stood still (SIGSTOP, a sleeping laptop), what the other
            # side sent meanwhile is still unread: the silence was on this side.
            overslept = loop.time() - before > 2 * PING_INTERVAL_S
            if self.silent_s >= SILENCE_LIMIT_S and not overslept and not self.busy:
                return
