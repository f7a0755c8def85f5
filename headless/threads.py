"""Runs blocking work in threads. A thread cannot be cancelled, only waited for."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

_T = TypeVar("_T")


async def run_to_end(
    pool: Executor | None, work: Callable[[], _T], on_cancel: Callable[[], None] = lambda: None
) -> _T:
    """Run work in a thread and return its result, or raise its error; None is the loop's own pool.

    On a cancel, calls `on_cancel`, which should make the work end soon, waits for that end, and
    then raises CancelledError. So cleanup code never runs beside the work.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        await _until_done(running)
        if not running.cancelled():
            running.exception()  # retrieved, so that asyncio does not log it as ignored
        raise


async def run_to_outcome(
    pool: Executor, work: Callable[[], _T], on_cancel: Callable[[], None]
) -> _T:
    """Run work in a thread and return its result, or raise its error, even if cancelled.

    On a cancel, only calls `on_cancel`: the work itself knows whether the cancel was in time.
    """
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        await _until_done(running)
        return running.result()


async def uncancelled(work: Coroutine[Any, Any, _T]) -> _T:
    """Finish work that must not be interrupted; a cancel meanwhile is too late and ignored."""
    task = asyncio.ensure_future(work)
    await _until_done(task)
    return task.result()


def report_defect(future: "Future[Any]") -> None:
    """Print the exception of work that nobody waits for, which is a bug; a done callback."""
    if not future.cancelled() and (error := future.exception()) is not None:
        traceback.print_exception(error)


async def _until_done(future: "asyncio.Future[Any]") -> None:
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
