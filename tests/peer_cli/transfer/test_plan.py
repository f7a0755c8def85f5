import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from peer_cli.network.wire import MAX_RANGES
from peer_cli.transfer import plan
from peer_cli.transfer.manifest import Chunk
from peer_cli.transfer.plan import BATCH_BYTES, Delivery, Piece, Schedule, balance
from tests.peer_cli.transfer.plan_pieces import MIB, chunks, take_all

Held = dict[int, list[tuple[int, int]]]


def whole(chunk: Chunk) -> Piece:
    return Piece(chunk, chunk.offset, chunk.length)


# --- balance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "sources"), [(4, 2), (2, 2), (6, 3), (12, 4), (21, 3)])
def test_equal_sources_share_equal_chunks_equally(count: int, sources: int) -> None:
    names = [str(number) for number in range(sources)]
    shares = balance(map(whole, chunks(*[128 * MIB] * count)), dict.fromkeys(names, 0))
    assert [len(shares[name]) for name in names] == [count // sources] * sources


def test_two_equal_sources_share_four_chunks_two_and_two() -> None:
    schedule = Schedule(chunks(*[128 * MIB] * 4), ["a", "b"])
    assert len(take_all(schedule, "a")) == len(take_all(schedule, "b")) == 2


@pytest.mark.parametrize("seed", range(20))
def test_no_share_is_larger_than_another_by_more_than_a_piece(seed: int) -> None:
    random_ = random.Random(seed)
    pieces = [whole(chunk) for chunk in chunks(*random_.choices(range(1000), k=40))]
    names = [str(number) for number in range(random_.randrange(1, 6))]
    shares = balance(pieces, dict.fromkeys(names, 0))
    sizes = [sum(piece.length for piece in shares[name]) for name in names]
    assert max(sizes) - min(sizes) <= max(piece.length for piece in pieces)
    assert Counter(p for share in shares.values() for p in share) == Counter(pieces)


def test_empty_files_are_shared_too() -> None:
    shares = balance(map(whole, chunks(0, 0, 0, 0)), {"a": 0, "b": 0})
    assert [len(share) for share in shares.values()] == [2, 2]


def test_who_has_much_to_do_already_gets_less() -> None:
    shares = balance(map(whole, chunks(10, 10, 10)), {"busy": 25, "idle": 0})
    assert [len(shares[name]) for name in ("busy", "idle")] == [0, 3]
    shares = balance(map(whole, chunks(10, 10, 10)), {"busy": 15, "idle": 0})
    assert [len(shares[name]) for name in ("busy", "idle")] == [1, 2]


def test_a_share_is_in_order_of_the_files() -> None:
    share = balance(map(whole, chunks(1, 5, 3, 4)), {"a": 0})["a"]
    assert [piece.chunk.index for piece in share] == [0, 1, 2, 3]


# --- take -------------------------------------------------------------------------------------


def test_pieces_go_together_up_to_a_batch() -> None:
    schedule = Schedule(chunks(*[BATCH_BYTES * 3 // 8] * 5), ["a"])
    assert [len(schedule.take("a")) for _ in range(4)] == [2, 2, 1, 0]
    schedule = Schedule(chunks(BATCH_BYTES, 0, 1), ["a"])
    assert [len(schedule.take("a")) for _ in range(3)] == [2, 1, 0]


def test_a_batch_fits_into_one_request() -> None:
    schedule = Schedule(chunks(*[0] * (MAX_RANGES + 1)), ["a"])
    assert [len(schedule.take("a")) for _ in range(3)] == [MAX_RANGES, 1, 0]


def test_a_stranger_gets_nothing_and_is_told_to_look() -> None:
    schedule = Schedule(chunks(1), ["a"])
    assert schedule.take("stranger") == []
    assert schedule.may_take("stranger")


# --- verified and deliveries ------------------------------------------------------------------


def test_a_chunk_is_finished_with_its_last_byte() -> None:
    (chunk,) = chunks(10)
    schedule = Schedule([chunk], ["a"])
    schedule.take("a")
    assert schedule.verified("a", 4) is None
    assert not schedule.finished
    assert schedule.verified("a", 6) == chunk
    assert schedule.finished
    assert schedule.deliveries(chunk) == [Delivery("a", 0, 10)]


def test_an_empty_chunk_is_finished_by_no_bytes() -> None:
    (chunk,) = chunks(0)
    schedule = Schedule([chunk], ["a"])
    assert not schedule.finished
    assert schedule.take("a") == [Piece(chunk, 0, 0)]
    assert schedule.verified("a", 0) == chunk
    assert schedule.finished


def test_the_survivor_takes_over_from_the_first_unverified_byte() -> None:
    one, two = chunks(100, 100)
    schedule = Schedule([one, two], ["a", "b"])
    assert schedule.take("a") == [whole(one)]
    assert schedule.take("b") == [whole(two)]
    assert schedule.verified("a", 30) is None
    assert not schedule.may_take("b")
    schedule.lost("a")
    assert schedule.sources == ["b"]
    assert schedule.may_take("b")
    assert schedule.take("b") == [Piece(one, 30, 70)]
    assert schedule.verified("b", 100) == two
    assert schedule.verified("b", 70) == one
    assert schedule.deliveries(one) == [Delivery("a", 0, 30), Delivery("b", 30, 70)]
    assert schedule.deliveries(two) == [Delivery("b", 0, 100)]


def test_what_a_lost_source_had_queued_is_shared_out() -> None:
    schedule = Schedule(chunks(*[128 * MIB] * 9), ["a", "b", "c"])
    schedule.take("a")
    schedule.lost("a")
    counts = [len(take_all(schedule, name)) for name in "bc"]
    assert sum(counts) == 9
    assert max(counts) - min(counts) <= 1


def test_without_sources_it_stays_undone_and_everybody_may_look() -> None:
    schedule = Schedule(chunks(5, 5), ["a", "b"])
    schedule.lost("b")
    schedule.lost("a")
    schedule.lost("a")  # no harm
    assert not schedule.finished
    assert schedule.sources == []
    assert schedule.may_take("a")
    assert schedule.take("a") == []


def test_nothing_to_do_is_finished() -> None:
    assert Schedule([], ["a"]).finished
    (chunk,) = chunks(8)
    assert Schedule([chunk], ["a"], {0: [(4, 4), (0, 4)]}).finished


@pytest.mark.parametrize(
    ("held", "gaps"),
    [
        ([], [(0, 100)]),
        ([(0, 10)], [(10, 90)]),
        ([(90, 10)], [(0, 90)]),
        ([(50, 10)], [(0, 50), (60, 40)]),
        ([(70, 10), (50, 10)], [(0, 50), (60, 10), (80, 20)]),
        ([(50, 10), (60, 10)], [(0, 50), (70, 30)]),
        ([(0, 50), (50, 50)], []),
    ],
)
def test_only_gaps_are_fetched(held: list[tuple[int, int]], gaps: list[tuple[int, int]]) -> None:
    offset = 1000
    chunk = Chunk(0, 0, "a", offset, 100)
    present = [(offset + begin, length) for begin, length in held]
    schedule = Schedule([chunk], ["a"], {0: present})
    pieces = take_all(schedule, "a")
    assert [(piece.offset - offset, piece.length) for piece in pieces] == gaps
    finished = [schedule.verified("a", piece.length) for piece in pieces]
    assert finished == [None] * (len(gaps) - 1) + [chunk] * bool(gaps)
    assert schedule.finished


# --- everything at random ---------------------------------------------------------------------


@dataclass
class Run:
    """A download played through at random; keeps the books that the schedule is checked by."""

    random_: random.Random
    chunks: Sequence[Chunk]
    sources: list[str]
    held: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.chunks, self.sources, self.held)
        self.claimed: dict[str, deque[Piece]] = {name: deque() for name in self.sources}
        self.arrived: list[tuple[int, int, int]] = [
            (index, offset, length)
            for index, ranges in self.held.items()
            for offset, length in ranges
        ]
        self.finished: list[Chunk] = []

    def step(self) -> None:
        """Let a source take a batch, claim a block of it, or deliver one that it has claimed."""
        source = self.random_.choice(list(self.claimed))
        claimed = self.claimed[source]
        if not claimed or self.random_.random() < 0.3:
            piece = self.schedule.claims(source).claim()
            if piece is not None:
                claimed.append(piece)
            elif not claimed:
                self.schedule.take(source)
            return
        piece = claimed.popleft()
        self.arrived.append((piece.chunk.index, piece.offset, piece.length))
        chunk = self.schedule.verified(source, piece.length)
        if chunk is not None:
            self.finished.append(chunk)

    def rebalance(self) -> None:
        """Measure sources of any rate; what they had claimed is given back."""
        rates = {name: self.random_.choice([0.0, 1.0, 50.0]) for name in self.claimed}
        for name in self.schedule.rebalance(rates, set(rates)):
            self.claimed[name].clear()
            self.schedule.give_back(name)

    def lose(self) -> None:
        source = self.random_.choice(list(self.claimed))
        del self.claimed[source]
        self.schedule.lost(source)

    def check_complete(self) -> None:
        """Every byte has arrived exactly once, and every chunk was told once."""
        assert self.schedule.finished
        for chunk in self.chunks:
            position = chunk.offset
            ranges = sorted(r for r in self.arrived if r[0] == chunk.index)
            for _, offset, length in ranges:
                assert offset == position
                position += length
            assert position == chunk.offset + chunk.length
            assert ranges or chunk.length == 0
            fetched = sorted((d.offset, d.length) for d in self.schedule.deliveries(chunk))
            held = sum(length for _, length in self.held.get(chunk.index, ()))
            assert sum(length for _, length in fetched) == chunk.length - held
        complete = [c for c in self.chunks if c.length == self._held_bytes(c) and c.length]
        expected = Counter(c.index for c in self.chunks if c not in complete)
        assert Counter(chunk.index for chunk in self.finished) == expected

    def _held_bytes(self, chunk: Chunk) -> int:
        return sum(length for _, length in self.held.get(chunk.index, ()))


def random_held(random_: random.Random, all_chunks: Sequence[Chunk]) -> Held:
    held: Held = {}
    for chunk in all_chunks:
        block = 4
        blocks = range(chunk.offset, chunk.offset + chunk.length, block)
        kept = [offset for offset in blocks if random_.random() < 0.4]
        if kept:
            end = chunk.offset + chunk.length
            held[chunk.index] = [(offset, min(block, end - offset)) for offset in kept]
    return held


@pytest.mark.parametrize("seed", range(300))
def test_every_byte_is_fetched_exactly_once_whoever_is_lost(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "BLOCK_SIZE", 4)
    random_ = random.Random(seed)
    all_chunks = chunks(*(random_.choice([0, 1, 7, 16, 33]) for _ in range(random_.randrange(12))))
    sources = [str(number) for number in range(random_.randrange(1, 6))]
    held = random_held(random_, all_chunks) if seed % 2 else {}
    run = Run(random_, all_chunks, sources, held)
    losses = random_.randrange(len(sources))
    for _ in range(5000):
        if run.schedule.finished:
            break
        if losses and random_.random() < 0.05:
            losses -= 1
            run.lose()
        if random_.random() < 0.2:
            run.rebalance()
        run.step()
    run.check_complete()


@pytest.mark.parametrize("seed", range(20))
def test_losing_all_sources_keeps_what_is_verified(seed: int) -> None:
    random_ = random.Random(seed)
    run = Run(random_, chunks(50, 50, 50), ["a", "b"])
    for _ in range(random_.randrange(8)):
        run.step()
    run.lose()
    run.lose()
    assert not run.schedule.finished or len(run.finished) == 3
    delivered = sum(d.length for c in run.chunks for d in run.schedule.deliveries(c))
    assert delivered == sum(length for _, _, length in run.arrived)
