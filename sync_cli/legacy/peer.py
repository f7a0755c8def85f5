"""A peer on the legacy wire."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from headless.envelope import Command, CommandError, Empty, Value
from headless.once import Once
from headless.output import Output
from headless.tasks import end_tasks
from network.acceptor import Acceptor
from network.limits import RateLimiter
from sync_cli import messages
from sync_cli.ending import Ending
from sync_cli.legacy import wire
from sync_cli.legacy.fetch import Fetcher, FetchFailedError
from sync_cli.legacy.files import Incoming, clear_aside, local_files
from sync_cli.legacy.rows import list_files, shown_name
from sync_cli.legacy.serve import LegacyServer
from sync_cli.legacy.tracker_link import TrackerLink, TrackerLostError
from sync_cli.startup import Opened, report

MAX_FETCHES = 8  # at once


class LegacyPeer:
    """Keeps the files of one folder up to date by name and mtime, and serves them."""

    def __init__(self, opened: Opened, output: Output, ending: Ending) -> None:
        settings = opened.settings
        assert settings.folder is not None
        assert settings.tracker is not None
        self._opened = opened
        self._folder: Path = settings.folder
        self._output = output
        self._ending = ending
        self._server = LegacyServer(self._folder, RateLimiter(settings.upload_limit))
        # From the address that others know, so that the tracker observes that one.
        own_ip = settings.listen.ip if settings.listen.ip not in ("0.0.0.0", "::") else None  # noqa: S104
        incoming = partial(Incoming, self._folder)
        self._fetcher = Fetcher(incoming, own_ip, RateLimiter(settings.download_limit))
        port = opened.address.port
        self._link = TrackerLink(settings.tracker, own_ip, port, settings.silence_s)
        self._acceptor = Acceptor("sync-cli", opened.listening, self._server.greet)
        self._tasks: list[asyncio.Task[None]] = []
        self._directory: Mapping[str, wire.Holder] = {}
        self._behind: dict[str, wire.Holder] = {}
        # Of fetched files: the mtime that the directory had, and what the disk made of it.
        self._taken: dict[str, tuple[int, int]] = {}
        self._warn = Once(report)
        self._tracker: messages.TrackerState = "connecting"
        self._running = asyncio.Event()
        self._running.set()
        self._round_over = asyncio.Condition()
        self._begun, self._ended = 0, 0  # rounds, and the last one that ended
        self._began = time.monotonic()

    async def start(self) -> None:
        """Serve, and follow the tracker."""
        try:
            clear_aside(self._folder)
        except OSError as error:
            report(f"what earlier fetches have left cannot be deleted: {error}")
        self._tasks = [
            asyncio.create_task(self._acceptor.run()),
            asyncio.create_task(self._follow()),
        ]

    async def stop(self) -> None:
        """End everything; nothing half-written stays."""
        self._fetcher.stop()
        await end_tasks(self._tasks)
        await self._server.stop()
        self._clear()

    async def handle(self, command: Command) -> Value:
        """Execute a command. Raises CommandError."""
        match command:
            case messages.Status():
                return self._status()
            case messages.ListPeers():
                return self._peers()
            case messages.ListFiles():
                return self._files(command.prefix)
            case messages.Scan():
                files, size = self._totals()
                return messages.ScanResult(files=files, bytes=size)
            case messages.WaitInStep():
                return await self._wait_in_step(command.timeout_ms)
            case messages.Pause():
                self._running.clear()
                return Empty()
            case messages.Resume():
                self._running.set()
                return Empty()
            case messages.History():
                return messages.HistoryResult(versions=[])
        raise AssertionError(command)

    # --- the tracker --------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            await self._link.run(self._connected, self._announced, self._round)
        except TrackerLostError as error:
            self._tracker = "lost"
            self._output.emit(messages.TrackerLost(reason=str(error)))
            self._ending.fail(str(error))

    def _connected(self) -> None:
        self._tracker = "connected"
        self._output.emit(
            messages.TrackerConnected(addr=str(self._opened.settings.tracker), legacy=True)
        )

    def _announced(self) -> dict[str, int]:
        files = self._local()
        self._output.emit(messages.IndexChanged(files=len(files)))
        return files

    def _local(self) -> dict[str, int]:
        try:
            found = local_files(self._folder)
        except OSError as error:
            self._warn(f"the folder {self._folder} cannot be read: {error.strerror}")
            return {}
        for name in found.left_out:
            self._warn(f"the name {name!a} cannot be asked for on the legacy wire; it is left out")
        return found.files

    # --- a round ------------------------------------------------------------------------------

    async def _round(self, directory: wire.Directory) -> None:
        await self._running.wait()
        self._begun += 1
        self._directory = directory.files
        for text in directory.refused:
            self._warn(f"the tracker's directory: {text}")
        wanted = self._wanted()
        places = asyncio.Semaphore(MAX_FETCHES)
        by_holder: dict[tuple[str, int], list[str]] = {}
        for name, holder in wanted.items():
            by_holder.setdefault((holder.ip, holder.port), []).append(name)
        # One file after another from each holder: who is slow delays nobody else's files.
        async with asyncio.TaskGroup() as group:
            for names in by_holder.values():
                group.create_task(self._fetch_from_one(names, wanted, places))
        self._clear()
        self._behind = self._wanted()
        if wanted and not self._behind:
            files, size = self._totals()
            self._output.emit(messages.InStep(files=files, bytes=size))
        async with self._round_over:
            self._ended = self._begun
            self._round_over.notify_all()

    def _wanted(self) -> dict[str, wire.Holder]:
        """Return what is missing here, or older than the directory has it."""
        local = self._local()
        wanted = {}
        for name, holder in self._directory.items():
            if (holder.ip, holder.port) == self._opened.address:
                continue
            mtime = local.get(name)
            taken = self._taken.get(name)
            # A disk with coarse times must not make this peer fetch forever.
            if mtime is not None and taken is not None and taken[1] == mtime:
                mtime = max(mtime, taken[0])
            if mtime is None or mtime < holder.mtime:
                wanted[name] = holder
        return wanted

    async def _fetch_from_one(
        self, names: list[str], wanted: Mapping[str, wire.Holder], places: asyncio.Semaphore
    ) -> None:
        for name in names:
            async with places:
                await self._running.wait()
                await self._output.caught_up()
                await self._fetch(name, wanted[name])

    async def _fetch(self, name: str, holder: wire.Holder) -> None:
        path = shown_name(name)

        def begin(size: int) -> None:
            self._output.emit(messages.FetchBegin(path=path, size=size, sources=[str(holder)]))

        try:
            fetched = await self._fetcher.fetch(name, holder, begin)
        except FetchFailedError as error:
            self._output.emit(messages.FetchFailed(path=path, code=error.code, reason=str(error)))
            return
        self._taken[name] = (holder.mtime, fetched.mtime)
        self._output.emit(
            messages.FetchFinished(
                path=path, bytes=fetched.length, reused_bytes=0, sources=[str(holder)]
            )
        )

    def _clear(self) -> None:
        try:
            clear_aside(self._folder)
        except OSError as error:
            self._warn(f"what fetches have left cannot be deleted: {error}")

    # --- replies ------------------------------------------------------------------------------

    async def _wait_in_step(self, timeout_ms: int) -> messages.WaitInStepResult:
        """Wait for a round that began after this, and after which nothing is wanted."""
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._round_over:
                after = self._begun + 1
                await self._round_over.wait_for(lambda: self._ended >= after and not self._behind)
        except TimeoutError:
            missing = (
                ", ".join(map(shown_name, list(self._behind)[:10])) or "no word of the tracker"
            )
            raise CommandError(
                "timeout", f"Not in step after {timeout_ms} ms: {missing}."
            ) from None
        files, size = self._totals()
        return messages.WaitInStepResult(files=files, bytes=size)

    def _totals(self) -> tuple[int, int]:
        files, size = 0, 0
        for name in self._local():
            try:
                size += (self._folder / name).lstat().st_size
            except OSError:
                continue  # deleted meanwhile
            files += 1
        return files, size

    def _status(self) -> messages.StatusResult:
        files, size = self._totals()
        settings = self._opened.settings
        return messages.StatusResult(
            role="peer",
            legacy=True,
            peer_id=None,
            name=settings.name,
            addr=str(self._opened.address),
            tracker=self._tracker,
            tracker_addr=str(settings.tracker),
            peers=len(self._holders()),
            files=files,
            bytes=size,
            out_of_step=[
                messages.PathProblem(path=shown_name(name), why=f"{holder} has a newer one")
                for name, holder in sorted(self._behind.items())[:1000]
            ],
            halted=None,
            paused=not self._running.is_set(),
            uptime_s=time.monotonic() - self._began,
        )

    def _holders(self) -> list[str]:
        places = {(it.ip, it.port): str(it) for it in self._directory.values()}
        places.pop(self._opened.address, None)
        return sorted(places.values())

    def _peers(self) -> messages.ListPeersResult:
        return messages.ListPeersResult(
            peers=[
                messages.PeerRow(
                    peer_id=None, name="", addr=addr, connected=False, legacy=True, in_step=None
                )
                for addr in self._holders()
            ]
        )

    def _files(self, prefix: str) -> messages.ListFilesResult:
        own = self._opened.address
        local = {
            name: wire.Holder(own.ip, own.port, mtime) for name, mtime in self._local().items()
        }
        return list_files(local, prefix)
