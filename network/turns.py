"""Rations expensive requests per address, so that they take at most a fraction of a core."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

PAUSE = 7  # the pause is this many times the turn: at most an eighth of a core
MAX_PAUSE_S = 2.0
BESIDE_S = 0.0005  # to read, decode and answer a request, which is outside its turn (measured)


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    free_at: float = 0.0


class Turns:
    """Gives each key turns, with a pause after each turn in proportion to its length."""

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
                await asyncio.sleep(turn.free_at - loop.time())  # the price of the last turn
                began = loop.time()
                try:
                    yield
                finally:
                    took = loop.time() - began
                    free_at = loop.time() + min((took + BESIDE_S) * PAUSE, MAX_PAUSE_S)
                    turn.free_at = max(turn.free_at, free_at)
        finally:
            turn.waiting -= 1

    def _forget(self, now: float) -> None:
        over = [key for key, turn in self._turns.items() if not turn.waiting and turn.free_at < now]
        for key in over:
            del self._turns[key]
