import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headless.threads import run_to_end, run_to_outcome, uncancelled

TIMEOUT_S = 10.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


class Work:
    """Work in a thread that goes on until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.ended = False
        self._error = error

    def __call__(self) -> str:
        self.begun.set()
        assert self.let_go.wait(TIMEOUT_S)
        self.ended = True
        if self._error is not None:
            raise self._error
        return "done"


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await scenario()

    asyncio.run(limited())


async def cancel(task: "asyncio.Task[str]") -> None:
    """Cancel, and let the task get as far as it can."""
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_result_or_error_of_the_work_is_passed_on(pool: ThreadPoolExecutor) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    async def scenario() -> None:
        assert await run_to_end(pool, lambda: 5) == 5
        with pytest.raises(OSError, match="Input/output error"):
            await run_to_end(pool, fail)

    run(scenario)


@pytest.mark.parametrize("error", [None, OSError("too late")])
def test_a_cancel_waits_for_the_end_of_the_work(
    pool: ThreadPoolExecutor, error: Exception | None
) -> None:
    async def scenario() -> None:
        work = Work(error)
        cancels: list[bool] = []
        task = asyncio.create_task(run_to_end(pool, work, lambda: cancels.append(work.ended)))
        await asyncio.to_thread(work.begun.wait, TIMEOUT_S)
        await cancel(task)
        await cancel(task)  # one more does not set it free either
        assert not task.done()
        work.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.ended
        assert cancels == [False]  # told once, while it ran

    run(scenario)


def test_work_may_end_because_of_the_cancel(pool: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        work = Work()
        task = asyncio.create_task(run_to_end(pool, work, work.let_go.set))
        await asyncio.to_thread(work.begun.wait, TIMEOUT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.ended

    run(scenario)


@pytest.mark.parametrize("error", [None, OSError("stopped in time")])
def test_the_work_itself_tells_whether_a_cancel_was_in_time(
    pool: ThreadPoolExecutor, error: Exception | None
) -> None:
    async def scenario() -> None:
        work = Work(error)
        task = asyncio.create_task(run_to_outcome(pool, work, work.let_go.set))
        await asyncio.to_thread(work.begun.wait, TIMEOUT_S)
        task.cancel()
        if error is None:
            assert await task == "done"
        else:
            with pytest.raises(OSError, match="stopped in time"):
                await task
        assert work.ended

    run(scenario)


def test_what_must_not_be_torn_is_finished(pool: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        work = Work()
        task = asyncio.create_task(uncancelled(run_to_end(pool, work)))
        await asyncio.to_thread(work.begun.wait, TIMEOUT_S)
        await cancel(task)
        await cancel(task)
        assert not task.done()
        work.let_go.set()
        assert await task == "done"

    run(scenario)


def test_an_error_in_what_must_not_be_torn_is_passed_on(pool: ThreadPoolExecutor) -> None:
    async def scenario() -> None:
        work = Work(OSError("no space"))
        task = asyncio.create_task(uncancelled(run_to_end(pool, work)))
        await asyncio.to_thread(work.begun.wait, TIMEOUT_S)
        await cancel(task)
        work.let_go.set()
        with pytest.raises(OSError, match="no space"):
            await task

    run(scenario)
