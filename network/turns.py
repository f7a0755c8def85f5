"""Rations expensive requests per address, so that they take at most a fraction of a core."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

PAUSE = 7  # the pause is this many times the turn: at most an eighth of a core
MAX_PAUSE_S = 2.0
# This much of the pauses is skipped at first, because even a small user begins with a burst: a
# download of thousands of small files starts with one costly request after the other.
CREDIT_S = 1.0
BESIDE_S = 0.0005  # what reading and answering a request takes outside its turn (measured)


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    paid_at: float = 0.0  # when the pauses of all its turns will be over


class Turns:
    """Gives each key turns, with a pause after each turn in proportion to its length.

    The pauses begin when `CREDIT_S` seconds of them are used up, which come back with time.
    """

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable, *, alone: bool = True) -> AsyncIterator[None]:
        """Wait for the turn of `key`, which lasts as long as the block if `alone`."""
        loop = asyncio.get_running_loop()
        if key not in self._turns:
            self._forget(loop.time())
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock if alone else nullcontext():
                await asyncio.sleep(turn.paid_at - CREDIT_S - loop.time())
                began, owed = loop.time(), turn.paid_at
                try:
                    yield
                finally:
                    now = loop.time()
                    price_s = min((now - began + BESIDE_S) * PAUSE, MAX_PAUSE_S)
                    # Those that shared a turn pay for it once, not each.
                    turn.paid_at = max(turn.paid_at, max(owed, now) + price_s)
        finally:
            turn.waiting -= 1

    def _forget(self, now: float) -> None:
        over = [key for key, turn in self._turns.items() if not turn.waiting and turn.paid_at < now]
        for key in over:
            del self._turns[key]
