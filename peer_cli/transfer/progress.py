"""`download-progress`: at the start, at the end, and at most every 500 ms between."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from headless.envelope import Event
from peer_cli import messages

PROGRESS_INTERVAL_S = 0.5


@asynccontextmanager
async def reported_progress(
    emit: Callable[[Event], None],
    game_id: str,
    state: Callable[[], tuple[int, int, int]],
) -> AsyncIterator[None]:
    """Report while the block runs. `state` returns bytes so far, total bytes, active sources."""
    began = time.monotonic()
    at_begin = state()[0]

    def report(bytes_per_second: float) -> None:
        done, total, active = state()
        emit(
            messages.DownloadProgress(
                game_id=game_id,
                downloaded_bytes=done,
                total_bytes=total,
                bytes_per_second=bytes_per_second,
                active_peer_count=active,
            )
        )

    async def keep_reporting() -> None:
        before, at = at_begin, began
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)  # the reporting interval, not synchronisation
            done, now = state()[0], time.monotonic()
            report(max(0, done - before) / (now - at))
            before, at = done, now

    report(0.0)
    reporter = asyncio.create_task(keep_reporting())
    try:
        yield
    finally:
        reporter.cancel()
        report((state()[0] - at_begin) / max(time.monotonic() - began, 1e-6))


def throughput(size: int, seconds: float, chunks: int) -> messages.Throughput:
    """Return the figures of `size` bytes in `seconds`."""
    seconds = max(seconds, 1e-6)
    return messages.Throughput(
        bytes=size,
        duration_ms=seconds * 1000,
        mib_per_s=size / 2**20 / seconds,
        mbit_per_s=size * 8 / 1e6 / seconds,
        chunks=chunks,
    )
