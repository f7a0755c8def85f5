"""Which blocks to ask of whom. Pure; its user holds a lock."""

import random
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sync_cli.model import Entry

RUN_BLOCKS = 8  # at most of one file in one request, so that several sources share it
RUN_S = 0.2  # a request should take about so long

GONE = "gone"
"""The end of a job whose content nobody has any more."""


@dataclass(eq=False, slots=True)
class Job:
    """One file that is being fetched.

    `holders` have all of it, `lacked` are those that said so and do not. `missing` are the blocks
    that nobody is asked for, `asked` those that somebody is.
    """

    entry: Entry
    holders: set[str]
    missing: set[int]
    asked: dict[int, str] = field(default_factory=dict)
    came_from: set[str] = field(default_factory=set)
    lacked: set[str] = field(default_factory=set)
    fetched_bytes: int = 0
    begun: bool = field(init=False)  # whether there was anything to fetch

    def __post_init__(self) -> None:
        self.begun = bool(self.missing)

    @property
    def complete(self) -> bool:
        """Whether every block has come."""
        return not self.missing and not self.asked


class Item(NamedTuple):
    """A block of a job."""

    job: Job
    block: int

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.job.entry.block_size(self.block)


def next_run(run: int, took_s: float) -> int:
    """Return how many blocks of a file to ask for, after so many took so long.

    Whoever sends slowly, perhaps to many at once, is asked for few: what others get from it
    meanwhile, they can pass on.
    """
    return min(2 * run, RUN_BLOCKS) if took_s < RUN_S else max(run // 2, 1)


class Plan:
    """The jobs that run, in the order in which they began.

    `peers` are those who are connected, at any time. Some may be fetching a file themselves, and
    have told which blocks they have.
    """

    def __init__(
        self,
        own_id: str,
        choose: Callable[[int], int] = random.randrange,
        *,
        peers: Collection[str] = (),
    ) -> None:
        self._own_id = own_id
        self._peers = peers
        self._choose = choose
        self._open: dict[Job, None] = {}  # those with missing blocks
        self._jobs: dict[Job, None] = {}
        self._partial: dict[bytes, dict[str, Collection[int]]] = {}

    @property
    def jobs(self) -> Collection[Job]:
        """All jobs."""
        return self._jobs.keys()

    def add(self, job: Job) -> None:
        """Begin a job."""
        self._jobs[job] = None
        if job.missing:
            self._open[job] = None

    def end(self, job: Job) -> None:
        """Forget a job, done or given up."""
        self._jobs.pop(job, None)
        self._open.pop(job, None)
        content = job.entry.hash
        if content in self._partial and all(one.entry.hash != content for one in self._jobs):
            del self._partial[content]

    def set_partial(self, peer_id: str, content: bytes, blocks: Collection[int]) -> None:
        """Note which blocks of a content a peer has; only contents that run here are noted."""
        if blocks and any(job.entry.hash == content for job in self._jobs):
            self._partial.setdefault(content, {})[peer_id] = blocks
        else:
            self._partial.get(content, {}).pop(peer_id, None)

    def sources(self, job: Job) -> set[str]:
        """Return everybody who has at least one of the blocks that a job misses.

        Peers that fetch the same file may all miss the same blocks: they cannot help each other.
        """
        fetching = self._partial.get(job.entry.hash, {})
        useful = {one for one, blocks in fetching.items() if not job.missing.isdisjoint(blocks)}
        return job.holders | useful

    def take(
        self, peer_id: str, max_items: int, max_bytes: int, run: int = RUN_BLOCKS
    ) -> list[Item]:
        """Choose what to ask a peer for, at most `run` blocks of a large file.

        Each item must come back by `came` or `give_back`.
        """
        items: list[Item] = []
        left = max_bytes
        for job in list(self._open):
            for block in self._blocks(job, peer_id, run):
                item = Item(job, block)
                if items and (len(items) >= max_items or item.size > left):
                    return items
                left -= item.size
                items.append(item)
                job.missing.discard(block)
                job.asked[block] = peer_id
            if not job.missing:
                del self._open[job]
        return items

    def came(self, item: Item, peer_id: str) -> None:
        """Note that a block is here."""
        item.job.asked.pop(item.block, None)
        item.job.came_from.add(peer_id)
        item.job.fetched_bytes += item.size

    def give_back(self, items: Iterable[Item]) -> None:
        """Note that these blocks did not come."""
        for job, block in items:
            if job.asked.pop(block, None) is not None and job in self._jobs:
                job.missing.add(block)
                self._open[job] = None

    def lacks(self, item: Item, peer_id: str) -> None:
        """Note that a peer does not have a block: it is asked no more for that file."""
        if peer_id in item.job.holders:
            item.job.holders.discard(peer_id)
            item.job.lacked.add(peer_id)
        self._partial.get(item.job.entry.hash, {}).pop(peer_id, None)
        self.give_back([item])

    def drop_peer(self, peer_id: str) -> None:
        """Note that a peer is gone."""
        for job in self._jobs:
            job.holders.discard(peer_id)
            lost = [block for block, one in job.asked.items() if one == peer_id]
            self.give_back(Item(job, block) for block in lost)
        for having in self._partial.values():
            having.pop(peer_id, None)

    def orphans(self) -> list[tuple[Job, tuple[str, str]]]:
        """Return the jobs for whose missing blocks there is nobody to ask, each with code and why.

        What a holder does not have any more has changed there, and it will tell.
        """
        changed = GONE, "Who had it has another version by now."
        away = "no-source", "Nobody who is connected has it."
        return [
            (job, changed if job.lacked else away)
            for job in self._open
            if not job.asked and not self.sources(job)
        ]

    def _blocks(self, job: Job, peer_id: str, run: int) -> list[int]:
        """Return the blocks of a job to ask a peer for, a run of them if there are several sources.

        Who has all of it is asked first for what nobody else has, beginning with this peer's share.
        """
        fetching = self._partial.get(job.entry.hash, {})
        has_all = peer_id in job.holders
        if has_all:
            wanted = sorted(job.missing.difference(*fetching.values()) or job.missing)
        else:
            wanted = sorted(job.missing.intersection(fetching.get(peer_id, ())))
        if len(wanted) <= 1:
            return wanted
        begin = bisect_left(wanted, self._share(job)) if has_all else self._choose(len(wanted))
        # Towards the end runs become short, so that whoever is fast or late gets some too.
        count = min(run, len(wanted) // RUN_BLOCKS or 1)
        return (wanted[begin:] + wanted[:begin])[:count]

    def _share(self, job: Job) -> int:
        """Return the first block of this peer's share, if all who lack a file share it equally.

        So those who fetch the same file at once get different blocks, and can serve each other.
        """
        sharing = sorted({self._own_id, *self._peers} - job.holders)
        return job.entry.block_count * sharing.index(self._own_id) // len(sharing)
