"""All pulls: begins, cancels and discards them, and resumes them after a restart."""

import asyncio
import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pair_cli.files.fetch import Fetcher
from pair_cli.files.pull import Running, Worker
from pair_cli.files.pull_journal import PullJournal, PullRecord
from pair_cli.files.target import Part, check_target, part_of
from pair_cli.files.tree import Entry
from pair_cli.messages import TransferRow

AT_ONCE = 4
"""Pulls that run at once; the others wait for their turn."""


class PullActive(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The path is being pulled to another place."""


class Pulls:
    """The pulls of a peer."""

    def __init__(self, worker: Worker, fetcher: Fetcher, journal: PullJournal) -> None:
        self._worker = worker
        self._fetcher = fetcher
        self._journal = journal
        self._pool = ThreadPoolExecutor(AT_ONCE, "pull")
        self._running: dict[str, tuple[Running, Future[None]]] = {}

    def resume(self) -> None:
        """At start: go on with what was active."""
        for record in self._journal.all():
            if record.active:
                self._start(record)

    def rows(self) -> list[TransferRow]:
        """Return the pulls that are not ended."""
        return [
            TransferRow(
                path=running.record.path,
                to=running.record.to,
                done_bytes=running.done_bytes,
                total_bytes=running.record.size,
                bytes_per_second=running.bytes_per_second,
                state="waiting" if running.waiting else "running",
            )
            for running, _ in self._running.values()
            if not running.ended
        ]

    async def begin(self, entry: Entry, target: Path, *, overwrite: bool) -> None:
        """Pull a file to an absolute path, or go on with that; an event tells the outcome.

        Raises PullActive, and OSError where the target cannot be made.
        """
        active = self._active(entry.path)
        if active is not None:
            if Path(active.record.to) != target:
                raise PullActive(active.record.to)
            return
        known = self._journal.get(entry.path)
        record = await asyncio.to_thread(self._prepare, entry, target, known, overwrite=overwrite)
        self._start(record)

    def _prepare(
        self, entry: Entry, target: Path, known: PullRecord | None, *, overwrite: bool
    ) -> PullRecord:
        record = PullRecord(
            path=entry.path,
            to=str(target),
            part=str(part_of(target)),
            root=entry.root,
            size=entry.size,
            overwrite=overwrite,
            active=True,
        )
        if known is not None and known.part != record.part:
            Path(known.part).unlink(missing_ok=True)
            known = None
        resumes = known is not None and os.path.lexists(known.part)
        if not resumes:
            check_target(target, overwrite=overwrite)
        if known is not None:
            record = replace(record, root=known.root)  # the worker sees whether it is another
        else:
            part = Part.open(Path(record.part), known=False)
            os.close(part.descriptor)
        self._journal.put(record)
        return record

    async def cancel(self, path: str) -> int | None:
        """End a pull, and keep its part; return the verified bytes. None if there is no pull."""
        found = self._running.get(path)
        if found is None or found[0].ended:
            return None
        running, future = found
        running.cancelled.set()
        self._wake()
        if future.cancel():  # it was waiting for its turn
            self._worker.tell_cancelled(running)
        else:
            await asyncio.wait([asyncio.wrap_future(future)])
        return running.done_bytes

    async def discard(self, path: str) -> int | None:
        """End a pull, if it runs, and delete its part; return its bytes. None if there is none."""
        await self.cancel(path)
        record = self._journal.get(path)
        if record is None:
            return None
        self._running.pop(path, None)
        count = await asyncio.to_thread(_delete, Path(record.part))
        self._journal.delete(path)
        return count

    async def stop(self) -> None:
        """End all pulls; the active ones go on at the next start."""
        for running, _ in self._running.values():
            running.stopping = True
            running.cancelled.set()
        self._wake()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _active(self, path: str) -> Running | None:
        found = self._running.get(path)
        return found[0] if found is not None and not found[0].ended else None

    def _start(self, record: PullRecord) -> None:
        running = Running(record)
        future = self._pool.submit(self._worker.run, running)
        self._running[record.path] = running, future
        loop = asyncio.get_running_loop()

        def ended(_: "Future[None]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._ended, record.path, future)

        future.add_done_callback(ended)

    def _ended(self, path: str, future: "Future[None]") -> None:
        if path in self._running and self._running[path][1] is future:
            del self._running[path]
        if not future.cancelled():
            future.result()  # an exception is a bug: to the loop's handler

    def _wake(self) -> None:
        self._fetcher.wake()
        self._worker.tree_changed()


def _delete(part: Path) -> int:
    try:
        size = min(part.lstat().st_blocks * 512, part.lstat().st_size)
        part.unlink()
    except FileNotFoundError:
        return 0
    return size
