"""Blocking work in threads, seen to its end: a thread cannot be cancelled, only waited for."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

_T = TypeVar("_T")


async def run_to_end(
    pool: Executor, work: Callable[[], _T], on_cancel: Callable[[], None] = lambda: None
) -> _T:
    """Run work in a thread and return, or raise, what it does.

    A cancel calls `on_cancel`, which should make the work end soon, and is raised when that end
    has come: whoever cleans up after the work never meets it still running.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        await _until_done(running)
        if not running.cancelled():
            running.exception()  # of no interest any more; asking keeps asyncio from telling of it
        raise


async def run_to_outcome(
    pool: Executor, work: Callable[[], _T], on_cancel: Callable[[], None]
) -> _T:
    """Run work in a thread and return, or raise, what it does, also when a cancel came.

    A cancel calls `on_cancel` and nothing else: only the work knows whether it was in time.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        await _until_done(running)
        return running.result()


async def uncancelled(work: Coroutine[Any, Any, _T]) -> _T:
    """Finish work that must not be torn: a cancel that comes meanwhile comes too late."""
    task = asyncio.ensure_future(work)
    await _until_done(task)
    return task.result()


async def _until_done(future: "asyncio.Future[Any]") -> None:
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
