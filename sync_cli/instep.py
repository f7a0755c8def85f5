"""Whether all peers have what all have; truthful, so each is asked to look through its folder."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sync_cli import wire
from sync_cli.folder import Folder, IndexTrouble
from sync_cli.session import Session
from sync_cli.worker import Worker

STILL_PAUSE_S = 0.05
STILL_TIMEOUT_S = 10.0


class _LeftError(Exception):
    """A peer left before it answered."""


@dataclass(frozen=True, slots=True)
class View:
    """Who is connected, and who should be: `unmet` are peers that others told of."""

    sessions: Mapping[str, Session]
    unmet: frozenset[str]
    tracker_pending: bool


class InStep:
    """Answers `wait-in-step`, and the questions of others that belong to it."""

    def __init__(self, folder: Folder, view: Callable[[], View]) -> None:
        self._folder = folder
        self._view = view
        self._worker = Worker("scan")
        self._numbers = itertools.count(1)
        self._answers: dict[tuple[str, int], asyncio.Future[wire.Checked]] = {}
        self._changed = asyncio.Event()
        self._scan: asyncio.Task[bool] | None = None
        self._next_scan: asyncio.Task[bool] | None = None
        self.why = "it has just begun"  # what keeps all from being in step

    def changed(self) -> None:
        """Note that anything may have changed."""
        self._changed.set()

    def lost(self, peer_id: str) -> None:
        """Note that a peer has left, so that it will not answer."""
        for (one, _), answer in self._answers.items():
            if one == peer_id and not answer.done():
                answer.set_exception(_LeftError())
        self._changed.set()

    def stop(self) -> None:
        """End what runs."""
        for task in (self._scan, self._next_scan):
            if task is not None:
                task.cancel()
        self._worker.stop()

    async def scan(self) -> bool:
        """Scan the whole folder, beginning after this call; tell whether everything is still.

        Whoever calls while a scan runs shares the next one. Raises OSError and IndexTrouble.
        """
        if self._scan is None or self._scan.done():
            self._scan = asyncio.create_task(self._scan_until_still())
            return await asyncio.shield(self._scan)
        if self._next_scan is None or self._next_scan.done():
            self._next_scan = asyncio.create_task(self._scan_after(self._scan))
        return await asyncio.shield(self._next_scan)

    async def answer(self, session: Session, message: wire.Check) -> None:
        """Answer a peer that wants to know how far this one is."""
        try:
            still = await self.scan()
        except (OSError, IndexTrouble):  # the folder's keeper meets the same, and reports it
            still = False
        session.send(
            wire.Checked(number=message.number, sequence=self._folder.sequence, still=still)
        )

    def on_checked(self, session: Session, message: wire.Checked) -> None:
        """Take a peer's answer."""
        answer = self._answers.get((session.peer_id, message.number))
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def wait(self) -> None:
        """Return when every known peer has what all have. Cancel it after a while."""
        while not await self._once():
            pass

    async def _once(self) -> bool:
        """Ask all, and wait until what they said is everywhere; False if somebody came or went."""
        self._changed.clear()
        view = self._view()
        if view.tracker_pending or view.unmet:
            missing = ", ".join(sorted(view.unmet))
            self.why = f"not connected: {missing}" if view.unmet else "no word from the tracker yet"
            if not self._folder.may_be_told_of:
                self.why = "the folder has not been scanned yet"
            await self._changed.wait()
            return False
        try:
            told, still = await self._ask(view.sessions)
        except _LeftError:
            return False
        except (OSError, IndexTrouble) as error:
            self.why = f"the folder cannot be scanned: {error}"
            await asyncio.sleep(STILL_PAUSE_S)
            return False
        if not still or not all(answer.still for answer in told.values()):
            self.why = "a file keeps changing, or a folder is halted or cannot be read"
            await asyncio.sleep(STILL_PAUSE_S)
            return False
        while self._view() == view:
            self._changed.clear()
            if await self._worker.run(lambda: self._is_everywhere(told)):
                return True
            await self._changed.wait()
        return False

    def _is_everywhere(self, told: Mapping[str, wire.Checked]) -> bool:
        for peer_id, answer in told.items():
            if self._folder.settled(peer_id) < answer.sequence:
                self.why = f"not everything of {peer_id} is here"
                return False
        if self._folder.in_step():
            return True
        sequence = self._folder.sequence
        behind = [one.peer_id for one in self._folder.peers() if one.their_settled < sequence]
        self.why = (
            f"not everything of this peer is at {', '.join(behind)}"
            if behind
            else "something is wanted or unscanned here"
        )
        return False

    async def _ask(self, sessions: Mapping[str, Session]) -> tuple[dict[str, wire.Checked], bool]:
        number = next(self._numbers)
        loop = asyncio.get_running_loop()
        asked = {peer_id: loop.create_future() for peer_id in sessions}
        for peer_id, answer in asked.items():
            self._answers[peer_id, number] = answer
            sessions[peer_id].send(wire.Check(number=number))
        try:
            still = await self.scan()
            return {peer_id: await answer for peer_id, answer in asked.items()}, still
        finally:
            for peer_id, answer in asked.items():
                del self._answers[peer_id, number]
                if answer.done() and not answer.cancelled():
                    answer.exception()  # retrieved, so that asyncio does not log it as ignored

    async def _scan_after(self, other: asyncio.Task[bool]) -> bool:
        await asyncio.wait([other])
        self._scan = asyncio.current_task()
        return await self._scan_until_still()

    async def _scan_until_still(self) -> bool:
        """Scan; what changes just now is looked at again, for a while."""
        loop = asyncio.get_running_loop()
        await self._worker.run(self._folder.scan)
        until = loop.time() + STILL_TIMEOUT_S
        while restless := await self._worker.run(self._folder.restless):
            if self._folder.halted is not None or loop.time() > until:
                return False
            await asyncio.sleep(STILL_PAUSE_S)  # a file is still when it stays as it is for a while
            await self._worker.run(partial(self._folder.scan, restless))
        return self._folder.halted is None
