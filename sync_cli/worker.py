"""A thread for blocking calls, one after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from headless.threads import run_to_end

_T = TypeVar("_T")


class Worker:
    """Runs calls in its thread."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, or raise its error; a cancel waits for its end."""
        return await run_to_end(self._pool, work)

    def stop(self) -> None:
        """Let the thread end once its call has."""
        self._pool.shutdown(wait=False)
