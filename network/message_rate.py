"""Bounds how many messages per second are taken, from one session or from several together."""

import asyncio


class MessageRate:
    """Takes at most ``per_s`` messages in any second; used by sessions that share the bound."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._began = 0.0
        self._left = per_s

    async def taken(self) -> None:
        """Count a message; waits for the next second if that was the last one in this."""
        now = asyncio.get_running_loop().time()
        if now >= self._began + 1.0:
            # Sessions that waited took one message each before they noticed.
            self._began, self._left = now, self._per_s + min(self._left, 0)
        self._left -= 1
        if self._left <= 0:
            await asyncio.sleep(self._began + 1.0 - now)
