"""Whether the other side of a session is alive."""

import asyncio
from collections.abc import Callable

PING_INTERVAL_S = 1.0
SILENCE_LIMIT_S = 5.0


def pause_s(ping_s: float, limit_s: float, silent_s: float) -> float:
    """Return the seconds until the next ping, in `ping_s`, or until a silence reaches its limit.

    Whichever comes first; after the limit, until the ping.
    """
    left_s = limit_s - silent_s
    return min(ping_s, left_s) if left_s > 0 else ping_s


def until_ping_s(now_s: float) -> float:
    """Return the seconds until the next ping: all sessions of a machine ping at the same moment.

    With many sessions, nearly all of the cost of a ping is that of waking up for it.
    """
    return PING_INTERVAL_S - now_s % PING_INTERVAL_S


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
            # The pace of pings, not synchronisation.
            await asyncio.sleep(pause_s(until_ping_s(before), SILENCE_LIMIT_S, self.silent_s))
            # After this process itself stood still (SIGSTOP, a sleeping laptop), what the other
            # side sent meanwhile is still unread: the silence was on this side.
            overslept = loop.time() - before > 2 * PING_INTERVAL_S
            if self.silent_s >= SILENCE_LIMIT_S and not overslept and not self.busy:
                return
