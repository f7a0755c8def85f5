"""Fetches what is needed: small files together, large ones by block from all who have them."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from headless.output import Output
from network.limits import RateLimiter
from sync_cli import messages
from sync_cli.batch import NO_SPACE, Failure, failure_of
from sync_cli.folder import Folder, HaltedError, IndexTrouble, Need
from sync_cli.model import path_text
from sync_cli.plan import GONE, Job
from sync_cli.sources import RETRY_S, Sources
from sync_cli.startup import report
from sync_cli.worker import Worker

MAX_JOBS = 4000  # so that there is something to fetch while what is complete is put into place
MAX_JOB_BYTES = 256 << 20  # of files that begin while others run
SOON_S = 0.1  # by then it is known what a file has become that is not there any more
PROGRESS_S = 0.5
HAVING_S = 0.25
LARGE_BYTES = 8 << 20  # of which progress is told, to people and to peers

PAUSED = "paused"

# Ends of a fetch after which what came is of no use, or has to make room.
_USELESS = {GONE, "outdated", NO_SPACE, "write-failed"}


class Fetcher:
    """Keeps jobs running for what is needed, and hands complete files to the folder.

    `on_having` is told which blocks of large files are here while they are fetched (as a bitmap,
    empty at the end), for others who fetch the same.
    """

    def __init__(
        self,
        folder: Folder,
        output: Output,
        own_id: str,
        own_ip: str,
        limiter: RateLimiter,
        on_liar: Callable[[str, str], None],
        on_having: Callable[[bytes, bytes], None],
    ) -> None:
        self._folder = folder
        self._output = output
        self._on_having = on_having
        self._worker = Worker("fetch")
        self._wake = asyncio.Event()
        self._large_begun = asyncio.Event()  # set while progress may have to be told
        self._loop = asyncio.get_running_loop()
        self.sources = Sources(own_id, own_ip, limiter, self._wake.set, on_liar)
        self._later: dict[bytes, float] = {}  # paths that failed, and when to try again
        self._stopping = False

    def wake(self) -> None:
        """Look for work: something is needed, or somebody has come."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        telling = [
            asyncio.create_task(self._tell_progress()),
            asyncio.create_task(self._tell_having()),
        ]
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._output.caught_up()
                await self._worker.run(self._step)
        finally:
            self._stopping = True
            for task in telling:
                task.cancel()
            await self._worker.run(self._stop)
            self._worker.stop()

    # --- in the worker's thread ---------------------------------------------------------------

    def _step(self) -> None:
        """Apply what is complete, and begin what is needed, until there is neither."""
        try:
            while not self._stopping:
                done = self._end_complete()
                failed = self._end_failed()
                changed = self._folder.settle()
                begun = self._begin_more()
                self._find_holders()
                self.sources.start_lines()
                if not (done or failed or changed or begun):
                    return
        except (OSError, IndexTrouble) as error:
            report(f"what others have cannot be taken over just now: {error}")
            self.sources.later()

    def _end_complete(self) -> bool:
        sources = self.sources
        complete = sources.take_complete()
        if not complete:
            return False
        try:
            outcomes = self._folder.apply([incoming for _, incoming in complete])
        finally:
            with sources.lock:
                for job, _ in complete:
                    sources.plan.end(job)
        for (job, _), outcome in zip(complete, outcomes, strict=True):
            if outcome.error is not None:
                self._tell_failure(job, outcome.error, outcome.reason)
            elif job.begun:
                self._output.emit(
                    messages.FetchFinished(
                        path=path_text(job.entry.path),
                        bytes=job.fetched_bytes,
                        reused_bytes=outcome.incoming.reused_bytes,
                        sources=sorted(job.came_from),
                    )
                )
        return True

    def _end_failed(self) -> bool:
        sources = self.sources
        with sources.lock:
            failed, sources.failed = sources.failed, []
            failed += [(job, *why) for job, why in sources.plan.orphans()]
            if self._folder.paused:
                failed += [(job, PAUSED, "Nothing is fetched.") for job in sources.plan.jobs]
            found = []
            for job, code, reason in failed:
                incoming = sources.incomings.pop(job, None)
                sources.plan.end(job)
                if incoming is not None:  # else it was told of already
                    found.append((job, incoming, code, reason))
        for job, incoming, code, reason in found:
            with contextlib.suppress(OSError):  # what is left goes at the next start
                self._folder.give_up(incoming, keep=code not in _USELESS, is_full=code == NO_SPACE)
            self._tell_failure(job, code, reason)
        return bool(found)

    def _tell_failure(self, job: Job, code: str, reason: str) -> None:
        if code not in ("outdated", PAUSED):
            self._put_off(job.entry.path, SOON_S if code == GONE else RETRY_S)
        if job.begun:
            self._output.emit(
                messages.FetchFailed(path=path_text(job.entry.path), code=code, reason=reason)
            )

    def _put_off(self, path: bytes, wait_s: float = RETRY_S) -> None:
        """Try again in a while, not at once."""
        self._later[path] = time.monotonic() + wait_s
        self.sources.later(wait_s)

    def _begin_more(self) -> bool:
        now = time.monotonic()
        self._later = {path: at for path, at in self._later.items() if at > now}
        online = self.sources.online()
        with self.sources.lock:
            running = list(self.sources.plan.jobs)
        skip = {job.entry.path for job in running} | self._later.keys()
        count, left = len(running), MAX_JOB_BYTES - sum(job.entry.size for job in running)
        if not online or count >= MAX_JOBS or (running and left <= 0):
            return False
        begun = False
        for need in self._folder.needs(MAX_JOBS - count, skip, online):
            if count and need.entry.size > left:
                break
            count, left = count + 1, left - need.entry.size
            begun |= self._begin(need, online)
        return begun

    def _begin(self, need: Need, online: set[str]) -> bool:
        holders = online.intersection(need.holders)
        path = path_text(need.entry.path)
        try:
            incoming = self._folder.begin(need)
        except (OSError, HaltedError) as error:
            self._put_off(need.entry.path)
            why = failure_of(error) if isinstance(error, OSError) else Failure("halted", str(error))
            self._output.emit(messages.FetchFailed(path=path, code=why.code, reason=why.reason))
            return False
        job = Job(need.entry, holders, set(incoming.missing()))
        if job.begun:
            self._output.emit(
                messages.FetchBegin(path=path, size=need.entry.size, sources=sorted(holders))
            )
        self.sources.add(job, incoming)
        if job.entry.size >= LARGE_BYTES:
            self._loop.call_soon_threadsafe(self._large_begun.set)
        return True

    def _find_holders(self) -> None:
        """Look who else has large files that are being fetched by now."""
        online = self.sources.online()
        with self.sources.lock:
            jobs = [job for job in self.sources.plan.jobs if job.missing and job.entry.blocks]
        for job in jobs:
            holders = online.intersection(self._folder.holders(job.entry))
            self.sources.add_holders(job, holders)

    def _stop(self) -> None:
        self.sources.stop()
        with self.sources.lock:
            incomings = list(self.sources.incomings.values())
            self.sources.incomings.clear()
        for incoming in incomings:
            with contextlib.suppress(OSError):
                self._folder.give_up(incoming)

    # --- telling others -----------------------------------------------------------------------

    async def _large_jobs(self, pause_s: float, *, wait: bool) -> list[Job]:
        """Return the fetches of large files after a pause; `wait` until there is one."""
        if wait:
            await self._large_begun.wait()
        await asyncio.sleep(pause_s)  # the pace of what is told, not synchronisation
        with self.sources.lock:
            jobs = [job for job in self.sources.plan.jobs if job.entry.size >= LARGE_BYTES]
        if not jobs:
            self._large_begun.clear()
        return jobs

    async def _tell_progress(self) -> None:
        told: dict[Job, int] = {}
        while True:
            jobs = await self._large_jobs(PROGRESS_S, wait=not told)
            told = {job: told[job] for job in jobs if job in told}
            for job in jobs:
                if job.fetched_bytes != told.get(job, 0):
                    told[job] = job.fetched_bytes
                    self._output.emit(
                        messages.FetchProgress(
                            path=path_text(job.entry.path),
                            fetched_bytes=job.fetched_bytes,
                            size=job.entry.size,
                            sources=sorted(job.came_from),
                        )
                    )

    async def _tell_having(self) -> None:
        told: dict[bytes, bytes] = {}
        while True:
            now = {}
            for job in await self._large_jobs(HAVING_S, wait=not told):
                blocks = self._folder.held_blocks(job.entry.hash)
                if blocks is not None and any(blocks):
                    now[job.entry.hash] = _bitmap(blocks)
            for content in told.keys() | now.keys():
                bitmap = now.get(content, b"")
                if bitmap != told.get(content, b""):
                    self._on_having(content, bitmap)
            told = now


def _bitmap(blocks: list[bool]) -> bytes:
    """Return a bit for each block, the first in the lowest bit of the first byte."""
    bits = sum(1 << number for number, is_here in enumerate(blocks) if is_here)
    return bits.to_bytes(-(-len(blocks) // 8), "little")
