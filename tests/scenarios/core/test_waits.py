"""Windows and waits: what they find, what they say when it does not come, and what they cost."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.core.backends.base import NodeSpec
from scenarios.core.errors import CheckFailed, WaitFailed
from scenarios.core.log import Line
from scenarios.core.timeouts import Timeouts
from scenarios.core.trial import Trial
from tests.scenarios.core.fake_backend import FakeBackend


def soon(action: Callable[[], object]) -> None:
    """Run it in another thread, while the test is waiting."""
    threading.Timer(0.05, action).start()


class TestWindow:
    def test_it_begins_at_its_mark_and_ends_where_it_was_closed(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        fake = backend.nodes["alpha"]
        fake.event("x", n=1)
        window = node.window()
        fake.event("x", n=2)
        closed = window.closed()
        fake.event("x", n=3)
        assert [event.data["n"] for event in window.events("x")] == [2, 3]
        assert [event.data["n"] for event in closed.events("x")] == [2]
        assert [event.data["n"] for event in node.everything().events("x", n=3)] == [3]
        first, second = window.events("x")
        assert window.since(first).events() == [second]
        assert window.until(first).events() == [first]

    def test_events_are_chosen_by_name_fields_and_condition(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        window = node.window()
        for n in range(4):
            backend.nodes["alpha"].event("x" if n % 2 else "y", n=n, game="g")
        assert [e.data["n"] for e in window.events("x")] == [1, 3]
        assert [e.data["n"] for e in window.events("x", n=3)] == [3]
        assert [e.data["n"] for e in window.events("x", missing=None)] == []
        assert [e.data["n"] for e in window.events(where=lambda e: e.data["n"] > 1)] == [2, 3]

    def test_none_of_fails_when_one_came(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        window = node.window()
        backend.nodes["alpha"].event("finished", game="g")
        window.none_of("failed")
        backend.nodes["alpha"].event("failed", game="g", code="why-not")
        window.none_of("failed", game="another")
        with pytest.raises(CheckFailed, match="why-not"):
            window.none_of("failed", game="g")
        assert [result.passed for result in trial.scene.checks][-3:] == [True, True, False]

    def test_none_of_over_an_empty_window_proves_nothing(
        self, trial: Trial, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        with pytest.raises(CheckFailed, match="proves nothing"):
            node.window().none_of("failed")


class TestWait:
    def test_it_finds_what_came_before_and_the_first_of_several(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        window = node.window()
        backend.nodes["alpha"].event("x", n=1)
        backend.nodes["alpha"].event("x", n=2)
        assert window.wait_event("y", "x").data["n"] == 1

    def test_it_wakes_on_arrival(self, trial: Trial, backend: FakeBackend, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        soon(lambda: backend.nodes["alpha"].event("x", n=1))
        event = node.window().wait_event("x", timeout=20, n=1)
        assert trial.scene.clock.now() - event.at < 0.5

    def test_a_timeout_says_all_that_helps(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
    ) -> None:
        node, other = trial.start(alpha, bravo)
        other.freeze()
        window = node.window()
        fake = backend.nodes["alpha"]
        for _ in range(3):
            fake.event("progress", game="g")
        fake.event("finished", game="another")
        with pytest.raises(WaitFailed) as failure:
            window.wait_event("finished", timeout=0.1, game="g")
        text = str(failure.value)
        assert failure.value.what == "alpha: finished"
        assert "waited 0.1 s since " in text
        assert "for event finished with game='g'" in text
        assert "progress x3, finished x1" in text
        near, rest = text.split("Faults placed:")
        assert near.count('"another"') == 1
        assert "freeze bravo" in rest
        assert "alpha (running)" in rest
        assert "bravo (running)" in rest
        assert "out event ready #0 {" in rest.split("bravo (running)")[1]

    def test_moving_and_standing_still_are_told_apart(
        self,
        trial: Trial,
        backend: FakeBackend,
        alpha: NodeSpec,
        bravo: NodeSpec,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        node, _ = trial.start(alpha, bravo)
        with pytest.raises(WaitFailed, match="still moving") as failure:
            node.window().wait_event("x", timeout=0.05)
        assert failure.value.cause == "timeout-still-moving"
        monkeypatch.setattr("scenarios.core.scene.STILL_MOVING_S", 0.02)
        with pytest.raises(WaitFailed, match="Nothing moved") as failure:
            node.window().wait_event("x", timeout=0.05)
        assert failure.value.cause == "timeout-nothing-moved"
        # A line of any node counts, but what is sent to a node does not.
        monkeypatch.setattr("scenarios.core.scene.STILL_MOVING_S", 0.2)
        backend.nodes["alpha"].behave(lambda _, line: None)
        threading.Timer(0.2, lambda: node.send_line("{}")).start()
        with pytest.raises(WaitFailed) as failure:
            node.window().wait_event("x", timeout=0.3)
        assert failure.value.cause == "timeout-nothing-moved"
        threading.Timer(0.2, lambda: backend.nodes["bravo"].event("x")).start()
        with pytest.raises(WaitFailed) as failure:
            node.window().wait_event("x", timeout=0.3)
        assert failure.value.cause == "timeout-still-moving"

    def test_fails_on_ends_it_at_once(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        window = node.window()
        fake = backend.nodes["alpha"]
        fake.event("failed", game="another")
        soon(lambda: fake.event("failed", game="g", code="ambiguous-metadata"))
        with pytest.raises(WaitFailed, match="ambiguous-metadata") as failure:
            window.wait_event("finished", fails_on=("failed",), game="g")
        assert failure.value.cause == "unexpected-event"

    def test_the_end_of_its_node_ends_it(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        soon(lambda: backend.nodes["alpha"].exit(3, "killed for want of memory"))
        with pytest.raises(WaitFailed, match="exited 3, killed for want of memory") as failure:
            node.window().wait_event("x")
        assert failure.value.cause == "node-ended"

    def test_an_end_that_does_not_come_is_a_timeout_of_either_kind(
        self, trial: Trial, alpha: NodeSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (node,) = trial.start(alpha)
        with pytest.raises(WaitFailed, match="it still runs") as failure:
            node.wait_exit(timeout=0.05)
        assert failure.value.cause == "timeout-still-moving"
        monkeypatch.setattr("scenarios.core.scene.STILL_MOVING_S", 0.02)
        with pytest.raises(WaitFailed) as failure:
            node.wait_exit(timeout=0.05)
        assert failure.value.cause == "timeout-nothing-moved"

    def test_what_a_node_said_before_its_end_is_still_found(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        backend.nodes["alpha"].event("last-words")
        backend.nodes["alpha"].exit(3)
        assert node.everything().wait_event("last-words").name == "last-words"

    def test_the_unasked_end_of_another_node_ends_it(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
    ) -> None:
        node, _ = trial.start(alpha, bravo)
        soon(lambda: backend.nodes["bravo"].exit(1))
        began = time.monotonic()
        with pytest.raises(WaitFailed, match="bravo exited 1") as failure:
            node.window().wait_event("x", timeout=20)
        assert failure.value.cause == "another-node-ended"
        assert time.monotonic() - began < 10

    def test_the_kill_of_another_node_does_not(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
    ) -> None:
        node, other = trial.start(alpha, bravo)
        other.kill()
        soon(lambda: backend.nodes["alpha"].event("x"))
        node.window().wait_event("x")

    def test_a_closed_window_is_not_waited_for(self, trial: Trial, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        with pytest.raises(WaitFailed, match="the window is closed"):
            node.everything().closed().wait_event("x")

    def test_the_factor_stretches_deadlines(self, tmp_path: Path, alpha: NodeSpec) -> None:
        assert Timeouts(2.5).stretched(4) == 10
        hurried = Timeouts(2.5, hurry=0.2, in_vain=frozenset({"what never comes"}))
        assert hurried.stretched(4, "what never comes") == 2
        assert hurried.stretched(4, "what comes") == 10
        trial = Trial(FakeBackend(), tmp_path / "s", timeouts=Timeouts(0.0001))
        (node,) = trial.start(alpha)
        began = time.monotonic()
        with pytest.raises(WaitFailed):
            node.window().wait_event("x", timeout=20)
        with pytest.raises(WaitFailed):
            node.wait_exit(timeout=20)
        assert time.monotonic() - began < 10
        trial.remove()
        with pytest.raises(ValueError, match="above 0"):
            Timeouts(0)

    def test_waits_are_on_record(self, trial: Trial, backend: FakeBackend, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        backend.nodes["alpha"].event("x")
        node.everything().wait_event("x", what="the x")
        with pytest.raises(WaitFailed):
            node.everything().wait_event("y", timeout=0.01)
        results = [(each.what, each.kind, each.passed) for each in trial.scene.checks]
        assert results == [
            ("alpha: ready", "wait", True),
            ("the x", "wait", True),
            ("alpha: y", "wait", False),
        ]

    def test_each_line_is_looked_at_once(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        count = 100_000
        looked: list[int] = []

        def burst() -> None:
            for _ in range(count):
                backend.nodes["alpha"].say("x")
            backend.nodes["alpha"].event("end")

        def accept(line: Line) -> Line | None:
            looked.append(line.index)
            return line if '"end"' in line.text else None

        window = node.window()
        began = time.monotonic()
        thread = threading.Thread(target=burst)
        thread.start()
        found = window.wait_for(accept, what="end", wanted="the end", timeout=50)
        thread.join()
        assert looked == list(range(window.start, found.index + 1))
        assert len(looked) == count + 1
        assert time.monotonic() - began < 30


def test_a_check_is_on_record_with_the_line_that_was_waited_for_last(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    trial.check.equal("before", 1, 1)
    backend.nodes["alpha"].event("x")
    backend.nodes["alpha"].event("y")
    line = node.everything().wait_event("x").line
    trial.check.equal("after", 1, 1)
    records = (trial.folder / "scenario.jsonl").read_text().splitlines()
    read = [each["read"] for each in map(json.loads, records) if "read" in each]
    assert read == ["alpha.jsonl:1", f"alpha.jsonl:{line.index + 1}"]
    assert f"Waited for last:\n  {read[-1]}\n" in trial.scene.picture()
