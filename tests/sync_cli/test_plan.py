"""Which blocks to ask of whom."""

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from sync_cli.model import BLOCK_SIZE, HASH_BYTES, Entry, Kind
from sync_cli.plan import GONE, RUN_BLOCKS, RUN_S, Item, Job, Plan, next_run

EVERYTHING = 1 << 40


def entry(blocks: int, path: bytes = b"file") -> Entry:
    return Entry(
        path=path,
        kind=Kind.FILE,
        version=(("a", 1),),
        maker="a",
        made=1,
        author="a",
        edited_ns=1,
        size=blocks * BLOCK_SIZE - 1,
        hash=blake3(path).digest(),
        blocks=bytes(blocks * HASH_BYTES) if blocks > 1 else b"",
    )


def begun(plan: Plan, blocks: int, *holders: str, path: bytes = b"file") -> Job:
    job = Job(entry(blocks, path), set(holders), set(range(blocks)))
    plan.add(job)
    return job


def taken(plan: Plan, peer_id: str, most: int = 1000) -> list[int]:
    return [item.block for item in plan.take(peer_id, most, EVERYTHING)]


def test_a_large_file_is_drawn_in_runs_from_all_holders() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 64, "a", "b")
    assert taken(plan, "a") == list(range(8))
    assert taken(plan, "b") == list(range(8, 15)), "runs become shorter"
    assert job.asked[0] == "a"
    assert job.asked[8] == "b"
    assert taken(plan, "c") == []


def test_runs_are_as_long_as_a_source_is_fast() -> None:
    assert [next_run(run, RUN_S / 2) for run in (1, 2, RUN_BLOCKS)] == [2, 4, RUN_BLOCKS]
    assert [next_run(run, 2 * RUN_S) for run in (1, 3, RUN_BLOCKS)] == [1, 1, RUN_BLOCKS // 2]
    plan = Plan("me", lambda _: 0)
    begun(plan, 64, "a")
    assert [item.block for item in plan.take("a", 1000, EVERYTHING, 2)] == [0, 1]


def test_who_has_all_is_asked_first_for_what_nobody_else_has() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 4, "a")
    plan.set_partial("b", job.entry.hash, {0, 1})
    plan.set_partial("c", job.entry.hash, {1, 3})
    assert taken(plan, "a") == [2]
    assert taken(plan, "a") == [0], "then for anything"


def test_each_of_those_who_lack_a_file_begins_with_a_share_of_its_own() -> None:
    lacking = {"ann", "bob", "cyd", "dan"}
    begins = {}
    for own in lacking:
        plan = Plan(own, peers=(lacking - {own}) | {"holder"})
        begun(plan, 64, "holder")
        begins[own] = taken(plan, "holder")[0]
    assert begins == {"ann": 0, "bob": 16, "cyd": 32, "dan": 48}


def test_small_files_come_in_one_request_of_bounded_size() -> None:
    plan = Plan("me")
    for number in range(10):
        begun(plan, 1, "a", path=b"%d" % number)
    assert len(plan.take("a", 4, EVERYTHING)) == 4
    assert len(plan.take("a", 1000, 2 * BLOCK_SIZE)) == 2
    assert len(plan.take("a", 1000, 1)) == 1, "never nothing while there is something"
    assert len(plan.take("a", 1000, EVERYTHING)) == 3


def test_what_a_lost_peer_was_asked_for_is_asked_of_others() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 4, "a", "b")
    asked = taken(plan, "a")
    plan.drop_peer("a")
    assert job.missing == set(range(4))
    assert job.holders == {"b"}
    while blocks := taken(plan, "b"):
        for block in blocks:
            plan.came(Item(job, block), "b")
    assert asked
    assert job.complete
    assert job.came_from == {"b"}


def test_a_block_that_came_is_not_given_back() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 1, "a")
    items = plan.take("a", 1, EVERYTHING)
    plan.came(items[0], "a")
    plan.give_back(items)
    assert job.complete
    assert job.fetched_bytes == BLOCK_SIZE - 1


def test_who_fetches_the_same_file_is_asked_for_the_blocks_that_it_has() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 4)
    plan.set_partial("b", job.entry.hash, {2})
    assert plan.sources(job) == {"b"}
    assert taken(plan, "b") == [2]
    plan.set_partial("b", job.entry.hash, ())
    assert plan.sources(job) == set()


def test_a_file_that_its_holder_has_no_more_is_given_up_though_others_fetch_it_too() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 4, "a")
    plan.set_partial("b", job.entry.hash, {0})
    plan.came(plan.take("b", 1, EVERYTHING)[0], "b")
    assert plan.orphans() == []
    plan.lacks(plan.take("a", 1, EVERYTHING)[0], "a")
    [(orphan, (code, _))] = plan.orphans()
    assert orphan is job
    assert code == GONE
    plan.set_partial("b", job.entry.hash, {0, 1})
    assert plan.orphans() == [], "b has some of the rest"


def test_a_file_whose_holders_are_away_is_given_up_when_nothing_is_asked_any_more() -> None:
    plan = Plan("me", lambda _: 0)
    job = begun(plan, 2, "a", "b")
    items = plan.take("a", 1, EVERYTHING)
    plan.drop_peer("b")
    assert plan.orphans() == []
    plan.drop_peer("a")
    assert [code for _, (code, _) in plan.orphans()] == ["no-source"]
    plan.end(job)
    plan.give_back(items)
    assert plan.orphans() == []
    assert not plan.jobs


def test_what_others_have_is_noted_only_of_files_that_are_fetched() -> None:
    plan = Plan("me")
    plan.set_partial("b", b"x" * 32, {0})
    job = Job(entry(2), set(), {0, 1})
    plan.add(job)
    plan.set_partial("b", job.entry.hash, {0})
    plan.end(job)
    plan.add(again := Job(entry(2), set(), {0, 1}))
    assert plan.sources(again) == set()


@given(st.data())
def test_each_block_is_asked_of_one_peer_at_a_time_and_all_come(data: st.DataObject) -> None:
    plan = Plan("me", lambda count: data.draw(st.integers(0, count - 1)))
    peers = ["a", "b", "c"]
    jobs = [
        begun(plan, data.draw(st.integers(1, 20)), *peers, path=b"%d" % number)
        for number in range(data.draw(st.integers(1, 4)))
    ]
    under_way: list[tuple[str, Item]] = []
    for _ in range(data.draw(st.integers(0, 60))):
        peer_id = data.draw(st.sampled_from(peers))
        if data.draw(st.booleans()) and under_way:
            one, item = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            if data.draw(st.booleans()):
                plan.came(item, one)
            else:
                plan.give_back([item])
        else:
            under_way += [(peer_id, item) for item in plan.take(peer_id, 5, EVERYTHING)]
        asked = [(item.job.entry.path, item.block) for _, item in under_way]
        assert len(asked) == len(set(asked))
        for job in jobs:
            assert job.missing.isdisjoint(job.asked)
    for one, item in under_way:
        plan.came(item, one)
    while items := plan.take("a", 5, EVERYTHING):
        for item in items:
            plan.came(item, "a")
    assert all(job.complete for job in jobs)
    assert all(job.fetched_bytes == job.entry.size for job in jobs)
