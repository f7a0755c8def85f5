"""The peers to fetch from: connections to them, each with a thread, and what they bring."""

import asyncio
import contextlib
import ssl
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from network.certificate import client_tls
from network.limits import RateLimiter
from sync_cli.batch import failure_of
from sync_cli.dataline import BadHolderError, HolderLine, LineLostError
from sync_cli.folder import Incoming
from sync_cli.model import path_text
from sync_cli.plan import RUN_BLOCKS, Item, Job, Plan, next_run
from sync_cli.session import Session

LINES_PER_HOLDER = 2
REQUEST_ITEMS = 200
REQUEST_BYTES = 8 << 20
RETRY_S = 1.0
IDLE_S = 10.0  # then a connection that nothing is fetched over is closed


@dataclass(eq=False, slots=True)
class _Holder:
    """A peer to fetch from, with the connections to it.

    `run` is how many blocks of a large file it is asked for next; `asked` how many requests to it
    are under way.
    """

    session: Session
    run: int = 1
    asked: int = 0
    lines: set[HolderLine] = field(default_factory=set)
    threads: int = 0
    failed_at: float = 0.0


class Sources:
    """Brings the blocks of jobs from whoever has them.

    `wake` is called on the event loop when a job is complete or cannot go on; `on_liar` when a peer
    sent wrong bytes. `lock` guards the fields; their user takes it too.
    """

    def __init__(
        self,
        own_id: str,
        own_ip: str,
        limiter: RateLimiter,
        wake: Callable[[], None],
        on_liar: Callable[[str, str], None],
    ) -> None:
        self.lock = threading.Condition()
        self._holders: dict[str, _Holder] = {}
        self.plan = Plan(own_id, peers=self._holders.keys())
        self.incomings: dict[Job, Incoming] = {}
        self._complete: dict[Job, None] = {}
        self.failed: list[tuple[Job, str, str]] = []
        self._liars: set[str] = set()
        self._own_ip = own_ip
        self._limiter = limiter
        self._wake = wake
        self._on_liar = on_liar
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext = client_tls()

    def online(self) -> set[str]:
        """Return the peers that can be asked."""
        with self.lock:
            return set(self._holders)

    def joined(self, session: Session) -> None:
        """A peer is here."""
        with self.lock:
            if session.peer_id not in self._liars:
                self._drop(session.peer_id)
                self._holders[session.peer_id] = _Holder(session)
        self._wake()

    def left(self, session: Session) -> None:
        """A peer is gone."""
        with self.lock:
            holder = self._holders.get(session.peer_id)
            if holder is not None and holder.session is session:
                self._drop(session.peer_id)
        self._wake()

    def having(self, peer_id: str, content: bytes, bitmap: bytes) -> None:
        """A peer has these blocks of a file that it fetches itself."""
        blocks = {
            8 * index + bit
            for index, byte in enumerate(bitmap)
            if byte
            for bit in range(8)
            if byte >> bit & 1
        }
        with self.lock:
            if peer_id in self._holders:
                self.plan.set_partial(peer_id, content, blocks)
                self.lock.notify_all()
        self._wake()

    def add(self, job: Job, incoming: Incoming) -> None:
        """Begin a job. Of its holders, those count that have not left since they were looked up."""
        with self.lock:
            job.holders &= self._holders.keys()
            self.plan.add(job)
            self.incomings[job] = incoming
            if job.complete:
                self._complete[job] = None
            self.lock.notify_all()

    def add_holders(self, job: Job, holders: set[str]) -> None:
        """Ask these too, as far as they are still here."""
        with self.lock:
            job.holders |= (holders & self._holders.keys()) - job.lacked

    def take_complete(self) -> list[tuple[Job, Incoming]]:
        """Return the jobs that have become complete, with what came; each once."""
        with self.lock:
            jobs, self._complete = self._complete, {}
            # A block that was asked of two may come after the end of its job.
            return [(job, self.incomings.pop(job)) for job in jobs if job in self.incomings]

    def start_lines(self) -> None:
        """Start the threads that fetch, as far as there is something for them."""
        with self.lock:
            wanted: Counter[str] = Counter()
            for job in self.plan.jobs:
                if job.missing:
                    wanted.update(self.plan.sources(job))
            for peer_id, holder in self._holders.items():
                if not wanted[peer_id]:
                    continue
                if time.monotonic() - holder.failed_at < RETRY_S:
                    self.later()
                    continue
                while holder.threads < LINES_PER_HOLDER:
                    holder.threads += 1
                    threading.Thread(
                        target=self._fetch_from, args=(peer_id, holder), name="fetch", daemon=True
                    ).start()
            self.lock.notify_all()

    def later(self, wait_s: float = RETRY_S) -> None:
        """Look for work again in a while; called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            self._loop.call_soon_threadsafe(self._loop.call_later, wait_s, self._wake)

    def stop(self) -> None:
        """End all connections."""
        with self.lock:
            for peer_id in list(self._holders):
                self._drop(peer_id)

    def _drop(self, peer_id: str) -> None:
        """Ask a peer no more; under the lock."""
        holder = self._holders.pop(peer_id, None)
        if holder is not None:
            for line in holder.lines:
                line.cut()
            self.plan.drop_peer(peer_id)
        self.lock.notify_all()

    # --- in a thread of a connection ----------------------------------------------------------

    def _fetch_from(self, peer_id: str, holder: _Holder) -> None:
        line = HolderLine(holder.session.addr, self._own_ip, self._limiter)
        with self.lock:
            holder.lines.add(line)
        items: list[Item] = []
        try:
            start = holder.session.start
            line.open(self._tls, start.certificate, start.token)
            while items := self._next(peer_id, holder):
                began = time.monotonic()
                try:
                    self._fetch_items(peer_id, line, items)
                    with self.lock:
                        holder.run = next_run(holder.run, time.monotonic() - began)
                finally:
                    with self.lock:
                        holder.asked -= 1
                        self.lock.notify_all()
        except LineLostError:
            holder.failed_at = time.monotonic()
        except BadHolderError as error:
            self._found_out(peer_id, str(error))
        except Exception:  # noqa: BLE001 - the edge of a thread: what was taken must be given back
            traceback.print_exc(file=sys.stderr)
            holder.failed_at = time.monotonic()
        finally:
            with self.lock:
                holder.lines.discard(line)
                holder.threads -= 1
                self.plan.give_back(items)
                self.lock.notify_all()
            line.close()
            self._wake_soon()

    def _next(self, peer_id: str, holder: _Holder) -> list[Item]:
        """Wait for something to ask that peer for; nothing when this thread should end."""
        with self.lock:
            while self._holders.get(peer_id) is holder:
                items = []
                # A second request at once only helps with a peer that is quick to answer.
                if not holder.asked or holder.run == RUN_BLOCKS:
                    items = self.plan.take(peer_id, REQUEST_ITEMS, REQUEST_BYTES, holder.run)
                if items:
                    holder.asked += 1
                    return items
                if not self.lock.wait(IDLE_S):
                    return []
        return []

    def _fetch_items(self, peer_id: str, line: HolderLine, items: list[Item]) -> None:
        """Fetch, and remove from `items` what is done with."""
        wanted = [(item.job.entry.hash, item.block) for item in items]
        for data in line.fetch(wanted, [item.size for item in items]):
            item = items[0]
            if data is None:
                with self.lock:
                    self.plan.lacks(item, peer_id)
                self._wake_soon()
            else:
                self._put(peer_id, item, data)
            del items[0]

    def _put(self, peer_id: str, item: Item, data: memoryview) -> None:
        with self.lock:
            incoming = self.incomings.get(item.job)
        if incoming is None:
            return  # given up meanwhile
        try:
            right = incoming.put(item.block, data)
        except OSError as error:
            with self.lock:
                self.failed.append((item.job, *failure_of(error)))
            self._wake_soon()
            return
        with self.lock:
            if item.job not in self.incomings:
                return
            if not right:
                shown = path_text(item.job.entry.path)
                raise BadHolderError(f"it sent wrong bytes of {shown!a}")
            self.plan.came(item, peer_id)
            if item.job.complete:
                if not self._complete:  # else somebody is on the way to take them
                    self._wake_soon()
                self._complete[item.job] = None

    def _found_out(self, peer_id: str, reason: str) -> None:
        with self.lock:
            self._liars.add(peer_id)
            self._drop(peer_id)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_liar, peer_id, reason)

    def _wake_soon(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)
