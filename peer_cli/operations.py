"""The operations in progress: at most one per game at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from headless.envelope import CommandError
from peer_cli import messages

_T = TypeVar("_T")


@dataclass(slots=True)
class _Running:
    """An operation. Cancelling affects only its `part`; the code that settles it always runs."""

    operation: messages.Operation
    task: asyncio.Task[None]
    part: asyncio.Task[Any] | None = None
    part_is_over: bool = False
    cancelled: bool = False

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            if self.part is not None:
                self.part.cancel()


class Operations:
    """The active operations; reports every change at once."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._running: dict[str, _Running] = {}
        self._closing = False

    def rows(self) -> list[messages.ActiveOperation]:
        """Return the active operations in order of game ids."""
        return [
            messages.ActiveOperation(game_id=game_id, operation=running.operation)
            for game_id, running in sorted(self._running.items())
        ]

    def games(self) -> set[str]:
        """Return the ids of all games with an operation."""
        return set(self._running)

    def of(self, game_id: str) -> messages.Operation:
        """Return a game's operation. Raises KeyError when the game is free."""
        return self._running[game_id].operation

    def check_free(self, game_id: str) -> None:
        """Raise CommandError when the game has an operation."""
        if game_id in self._running:
            raise CommandError(
                "operation-in-progress", f"operation already in progress for {game_id}"
            )

    def begin(
        self, game_id: str, operation: messages.Operation, work: Coroutine[Any, Any, None]
    ) -> None:
        """Start an operation on a free game. `work` calls `end` itself when the game is settled."""
        task = asyncio.create_task(work, name=f"{operation} {game_id}")
        self._running[game_id] = _Running(operation, task)
        self._on_change()

    async def interruptible(self, game_id: str, part: Coroutine[Any, Any, _T]) -> _T:
        """Run the part of an operation that may be cancelled; raises CancelledError if it was.

        A cancel before this part begins prevents its first step.
        """
        running = self._running[game_id]
        running.part = asyncio.create_task(part)
        running.part_is_over = False
        if running.cancelled:
            running.part.cancel()
        try:
            result: _T = await running.part
        finally:
            running.part = None
            running.part_is_over = True
        # A cancel that was too late for this part must not hit the next one.
        running.cancelled = self._closing
        return result

    def switch(self, game_id: str, operation: messages.Operation) -> None:
        """Change to another operation without releasing the game in between."""
        self._running[game_id].operation = operation
        self._on_change()

    def end(self, game_id: str) -> None:
        """End the operation and release the game."""
        del self._running[game_id]
        self._on_change()

    async def cancel(self, game_id: str, kinds: tuple[messages.Operation, ...]) -> None:
        """Cancel an operation of one of these kinds and wait until it is rolled back.

        Raises CommandError when there is none, or when it completed first.
        """
        running = self._running.get(game_id)
        if running is None or running.operation not in kinds or running.part_is_over:
            raise CommandError(
                "no-active-operation", f"no download or streamed install of {game_id} is active"
            )
        running.cancel()
        part = running.part
        if part is not None:
            await asyncio.wait([part])
            if not part.cancelled():
                raise CommandError("too-late", f"{game_id} ended before it could be cancelled")
        await asyncio.wait([running.task])

    async def cancel_all(self) -> None:
        """Cancel everything and wait until all is rolled back and reported."""
        self._closing = True
        tasks = [running.task for running in self._running.values()]
        for running in self._running.values():
            running.cancel()
        if tasks:
            await asyncio.wait(tasks)
