"""Fast sources take over work from slow ones."""

from peer_cli.transfer.plan import BATCH_BYTES, Schedule
from tests.peer_cli.transfer.plan_pieces import MIB, chunks, take_all

# --- rebalance --------------------------------------------------------------------------------

BLOCK = 4 * MIB


def deliver(schedule: Schedule, source: str, length: int) -> None:
    """The source delivers so many bytes of what it is at, block by block."""
    claims = schedule.claims(source)
    while length > 0:
        piece = claims.claim()
        assert piece is not None
        schedule.verified(source, piece.length)
        length -= piece.length


def begun(*lengths: int, sources: str = "ab") -> Schedule:
    """A schedule of which every source has taken its first batch."""
    schedule = Schedule(chunks(*lengths), list(sources))
    for source in sources:
        schedule.take(source)
    return schedule


def test_an_idle_source_takes_over_what_the_slow_one_would_need_long_for() -> None:
    schedule = begun(128 * MIB, 128 * MIB)
    deliver(schedule, "a", 128 * MIB)
    deliver(schedule, "b", BLOCK)
    assert schedule.rebalance({"a": 300 * MIB, "b": MIB}, "ab") == []
    taken = schedule.take("a")
    assert [(p.offset, p.length) for p in taken] == [(BLOCK, 124 * MIB)]
    assert schedule.claims("b").claim() is None
    assert not schedule.may_take("b")


def test_a_share_is_taken_so_that_both_end_together() -> None:
    schedule = begun(128 * MIB, 128 * MIB)
    deliver(schedule, "a", 128 * MIB)
    assert schedule.rebalance({"a": 3 * MIB, "b": MIB}, "ab") == []
    assert [(p.offset, p.length) for p in schedule.take("a")] == [(32 * MIB, 96 * MIB)]
    deliver(schedule, "b", 32 * MIB)
    assert schedule.claims("b").claim() is None
    deliver(schedule, "a", 96 * MIB)
    assert schedule.finished


def test_queued_pieces_go_before_one_that_is_on_its_way() -> None:
    schedule = begun(*[BATCH_BYTES] * 4)
    deliver(schedule, "a", BATCH_BYTES)
    schedule.take("a")
    deliver(schedule, "a", BATCH_BYTES)
    assert schedule.rebalance({"a": 10 * MIB, "b": 10 * MIB}, "ab") == []
    (queued,) = schedule.take("a")
    assert queued.length == BATCH_BYTES
    assert schedule.claims("b").claim() is not None


def test_equal_sources_keep_what_they_have_near_the_end() -> None:
    schedule = begun(128 * MIB, 128 * MIB)
    deliver(schedule, "a", 128 * MIB)
    deliver(schedule, "b", 64 * MIB)
    assert schedule.rebalance({"a": 17 * MIB, "b": 17 * MIB}, "ab") == []
    assert schedule.take("a") == []


def test_a_slow_source_takes_nothing_over_from_a_fast_one() -> None:
    schedule = begun(128 * MIB, 128 * MIB)
    deliver(schedule, "a", 128 * MIB)
    assert schedule.rebalance({"a": MIB, "b": 300 * MIB}, "ab") == []
    assert schedule.take("a") == []


def test_who_was_not_at_work_for_long_loses_nothing() -> None:
    schedule = begun(128 * MIB, 128 * MIB)
    deliver(schedule, "a", 128 * MIB)
    assert schedule.rebalance({"a": 300 * MIB, "b": MIB}, "a") == []
    assert schedule.take("a") == []


def test_one_that_was_never_needed_is_taken_for_as_fast_as_the_others() -> None:
    schedule = begun(128 * MIB)
    assert schedule.rebalance({"a": 8 * MIB}, "ab") == []
    assert [(p.offset, p.length) for p in schedule.take("b")] == [(64 * MIB, 64 * MIB)]


def test_even_the_block_that_is_coming_is_taken_from_a_trickle() -> None:
    schedule = begun(128 * MIB, BLOCK)
    deliver(schedule, "a", 128 * MIB)
    assert schedule.claims("b").claim() is not None
    assert schedule.rebalance({"a": 300 * MIB, "b": 1000}, "ab") == ["b"]
    assert schedule.take("a") == []  # as long as the thread of b may still write
    schedule.give_back("b")
    assert [(p.offset, p.length) for p in schedule.take("a")] == [(0, BLOCK)]
    assert schedule.sources == ["a", "b"]
    deliver(schedule, "a", BLOCK)
    assert schedule.finished


def test_what_nobody_else_can_take_stays_with_whom_it_was_given_back_by() -> None:
    schedule = begun(BLOCK, BLOCK)
    schedule.lost("a")
    schedule.give_back("b")
    assert sum(piece.length for piece in take_all(schedule, "b")) == 2 * BLOCK
