"""Fetches what a tracker's legacy peers have into a folder of the sync wire."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from headless.output import Output
from network.limits import RateLimiter
from sync_cli import messages
from sync_cli.folder import Folder, HaltedError, IndexTrouble
from sync_cli.foreign import ChangedError
from sync_cli.legacy.fetch import Fetcher, FetchFailedError
from sync_cli.legacy.files import CannotStoreError, Incoming, clear_aside
from sync_cli.legacy.rows import shown_name
from sync_cli.legacy.wire import Holder, is_exchanged
from sync_cli.model import BadEntry, check_path
from sync_cli.startup import report
from sync_cli.wire import LegacyFile
from sync_cli.worker import Worker

MAX_FETCHES = 8  # at once
RETRY_S = 5.0  # as long as a legacy peer waits between its rounds


class Adopter:
    """Takes over the files of legacy peers that are missing here or older.

    They become new versions, made here. Every peer of the swarm does so: that they have the same
    content is no conflict.
    """

    def __init__(
        self, folder: Folder, root: Path, own_ip: str, download: RateLimiter, output: Output
    ) -> None:
        self._folder = folder
        self._root = root
        self._output = output
        self._fetcher = Fetcher(self._incoming, own_ip, download)
        self._worker = Worker("legacy")
        self._files: dict[str, Holder] = {}
        self._wake = asyncio.Event()
        # A disk with coarse times must not make this peer fetch for ever.
        self._taken: dict[str, int] = {}

    def told(self, files: Iterable[LegacyFile]) -> None:
        """Take what the tracker says that its legacy peers have."""
        self._files = {
            file.name: Holder(file.ip, file.port, file.mtime)
            for file in files
            if is_exchanged(file.name) and _is_path(file.name)
        }
        self._wake.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            await self._worker.run(self._clear)
            while True:
                await self._wake.wait()
                self._wake.clear()
                if not await self._round():
                    loop.call_later(RETRY_S, self._wake.set)
        finally:
            self._fetcher.stop()
            self._worker.stop()

    async def _round(self) -> bool:
        """Fetch what is wanted; tell whether that was all."""
        if self._folder.halted is not None or self._folder.paused:
            return not self._files
        try:
            wanted = await self._worker.run(self._wanted)
        except (OSError, IndexTrouble) as error:
            report(f"the files of legacy peers cannot be compared with the folder: {error}")
            return False
        places = asyncio.Semaphore(MAX_FETCHES)
        by_holder: dict[tuple[str, int], dict[str, Holder]] = {}
        for name, holder in wanted.items():
            by_holder.setdefault((holder.ip, holder.port), {})[name] = holder
        # One after another from each: who is slow delays nobody else's files.
        async with asyncio.TaskGroup() as group:
            ends = [
                group.create_task(self._fetch_all(files, places)) for files in by_holder.values()
            ]
        return all(end.result() for end in ends)

    def _wanted(self) -> dict[str, Holder]:
        wanted = self._newer(self._files)
        if wanted:
            self._folder.scan([os.fsencode(name) for name in wanted])
        return self._newer(wanted)

    def _newer(self, files: dict[str, Holder]) -> dict[str, Holder]:
        return {
            name: holder
            for name, holder in files.items()
            if self._taken.get(name) != holder.mtime
            and self._folder.foreign.is_wanted(os.fsencode(name), holder.mtime)
        }

    async def _fetch_all(self, files: dict[str, Holder], places: asyncio.Semaphore) -> bool:
        done = True
        for name, holder in files.items():
            async with places:
                await self._output.caught_up()
                done &= await self._fetch(name, holder)
        return done

    async def _fetch(self, name: str, holder: Holder) -> bool:
        path = shown_name(name)

        def begin(size: int) -> None:
            self._output.emit(messages.FetchBegin(path=path, size=size, sources=[str(holder)]))

        try:
            fetched = await self._fetcher.fetch(name, holder, begin)
            await self._worker.run(lambda: self._folder.scan([os.fsencode(name)]))
        except (FetchFailedError, OSError, IndexTrouble) as error:
            code = error.code if isinstance(error, FetchFailedError) else "write-failed"
            self._output.emit(messages.FetchFailed(path=path, code=code, reason=str(error)))
            return False
        self._taken[name] = holder.mtime
        self._output.emit(
            messages.FetchFinished(
                path=path, bytes=fetched.length, reused_bytes=0, sources=[str(holder)]
            )
        )
        return True

    def _incoming(self, name: str, length: int) -> Incoming:
        return _Adopted(self._folder, self._root, name, length)

    def _clear(self) -> None:
        try:
            clear_aside(self._root)
        except OSError as error:
            report(f"what earlier fetches have left cannot be deleted: {error}")


class _Adopted(Incoming):
    """A file on its way; what it replaces is looked at before and after, and kept."""

    def __init__(self, folder: Folder, root: Path, name: str, length: int) -> None:
        super().__init__(root, name, length)
        self._into = folder

    def open(self) -> None:
        try:
            self._into.foreign.keep(os.fsencode(self._name))
        except HaltedError as error:
            raise CannotStoreError("halted", f"the folder is halted: {error}") from error
        except ChangedError as error:
            raise CannotStoreError("changed-here", "the file was changed here") from error
        except OSError as error:
            raise CannotStoreError(
                "write-failed", f"the old one cannot be kept: {error}"
            ) from error
        super().open()

    def finish(self, mtime: int) -> int:
        try:
            with self._into.foreign.placing():
                return super().finish(mtime)
        except HaltedError as error:
            raise CannotStoreError("halted", f"the folder is halted: {error}") from error


def _is_path(name: str) -> bool:
    try:
        check_path(os.fsencode(name))
    except (BadEntry, UnicodeEncodeError):
        return False
    return True
