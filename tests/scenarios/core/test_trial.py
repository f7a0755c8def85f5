"""A scenario's nodes from start to end, with the fake backend."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios.core.backends.base import BackendError, NodeSpec, Program
from scenarios.core.errors import (
    CheckFailed,
    CommandFailed,
    NodeGone,
    UnsupportedCommand,
    WaitFailed,
)
from scenarios.core.scenario import ScenarioInfo, info_of, scenario
from scenarios.core.trial import Trial
from scenarios.core.words import Words
from tests.scenarios.core.fake_backend import (
    FakeBackend,
    FakeNode,
    answer_politely,
    say_ready,
)


def records(trial: Trial, kind: str) -> list[dict[str, Any]]:
    lines = (trial.folder / "scenario.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


class TestNode:
    def test_a_request_gets_its_own_reply(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        fake = backend.nodes["alpha"]
        fake.behave(lambda _, line: None)
        first, second = node.send("one", a=1), node.send("two")
        ids = [json.loads(line)["id"] for line in fake.received]
        assert json.loads(fake.received[0]) == {"cmd": "one", "id": ids[0], "a": 1}
        fake.result(ids[1], n=2)
        fake.result(ids[0], n=1)
        assert (first.data(), second.data()) == ({"n": 1}, {"n": 2})

    def test_an_error_reply(self, trial: Trial, backend: FakeBackend, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        fake = backend.nodes["alpha"]
        fake.behave(lambda fake, line: fake.error(json.loads(line)["id"], "no-peers", "No peers."))
        with pytest.raises(CommandFailed) as failure:
            node.request("download")
        assert (failure.value.code, failure.value.error) == ("no-peers", "No peers.")
        assert node.refused("download", containing="peers").code == "no-peers"
        with pytest.raises(CheckFailed, match="should contain 'space'"):
            node.refused("download", containing="space")
        fake.behave(lambda fake, line: fake.error(json.loads(line)["id"], "unknown-command", "?"))
        with pytest.raises(UnsupportedCommand):
            node.refused("download")

    def test_accepted_where_it_should_be_refused(self, trial: Trial, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        with pytest.raises(CheckFailed, match="alpha: download is refused: it was accepted"):
            node.refused("download")

    def test_no_reply(self, trial: Trial, backend: FakeBackend, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        backend.nodes["alpha"].behave(lambda _, line: None)
        with pytest.raises(WaitFailed, match="the reply to `status`"):
            node.request("status", timeout=0.01)

    def test_nothing_can_be_asked_of_a_dead_node(self, trial: Trial, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        node.kill()
        for action in (node.kill, node.freeze, node.terminate, lambda: node.request("x")):
            with pytest.raises(NodeGone, match="exited -9 before"):
                action()

    def test_a_command_that_asks_it_to_end(
        self, backend: FakeBackend, tmp_path: Path, alpha: NodeSpec
    ) -> None:
        trial = Trial(backend, tmp_path / "s", words=Words(ending=("drain",)))
        (node,) = trial.start(alpha)
        node.request("drain")
        assert node.ending == "asked"
        backend.nodes["alpha"].exit(0)
        trial.finish()


class TestStart:
    def test_addresses_ascend_in_the_order_given(self, trial: Trial, alpha: NodeSpec) -> None:
        specs = [NodeSpec(f"n{number}", alpha.program) for number in range(20)]
        nodes = trial.start(*specs)
        assert [node.address for node in nodes] == [f"10.0.0.{2 + n}" for n in range(20)]

    def test_a_node_that_is_not_ready(self, tmp_path: Path, alpha: NodeSpec) -> None:
        backend = FakeBackend(lambda node: node.exit(2))
        with (
            pytest.raises(WaitFailed, match=r"alpha: ready.*exited 2"),
            Trial(backend, tmp_path / "s") as trial,
        ):
            trial.start(alpha)

    def test_a_node_that_does_not_start(
        self, tmp_path: Path, alpha: NodeSpec, bravo: NodeSpec
    ) -> None:
        backend = FakeBackend(say_ready, refuses=frozenset({"bravo"}))
        with pytest.raises(BackendError), Trial(backend, tmp_path / "s") as trial:
            trial.start(alpha, bravo)
        assert backend.nodes["alpha"].removed

    def test_names_are_unique_among_the_running(self, trial: Trial, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        with pytest.raises(ValueError, match="choose another name"):
            trial.start(alpha)
        with pytest.raises(NodeGone, match="still runs"):
            trial.restart(node)

    def test_restart(self, trial: Trial, backend: FakeBackend, alpha: NodeSpec) -> None:
        (first,) = trial.start(alpha)
        first_fake = backend.nodes["alpha"]
        first.shutdown()
        second = trial.restart(first)
        assert first_fake.removed
        third_spec = NodeSpec("alpha", alpha.program, arguments=("--other",))
        second.kill()
        third = trial.restart(second, new_address=True, spec=third_spec)
        assert [node.label for node in trial.nodes] == ["alpha", "alpha#2", "alpha#3"]
        assert first.address == second.address != third.address
        assert backend.nodes["alpha"].spec.arguments == ("--other",)
        trial.finish()
        assert (trial.folder / "alpha-2.jsonl").exists()


BREAKAGES: list[tuple[Callable[[FakeNode], object], str]] = [
    (lambda node: node.say("Hello"), "always: only protocol lines on stdout"),
    (lambda node: node.complain("Traceback (most recent call last):"), "always: no traceback"),
    (lambda node: node.say('{"type":"event","event":"x","seq":7,"ts":1,"data":{}}'), "seq"),
    (lambda node: node.result("r99"), "always: one reply per command"),
    (lambda node: node.behave(lambda node, _: node.exit(1)), "always: right exit code"),
    (lambda node: node.behave(shut_down_and_chatter), "always: only events after shutdown"),
]


def shut_down_and_chatter(node: FakeNode, line: bytes) -> None:
    node.result(json.loads(line)["id"])
    node.say("bye")
    node.exit(0)


class TestEnd:
    def test_a_good_scenario(self, backend: FakeBackend, tmp_path: Path, alpha: NodeSpec) -> None:
        with Trial(backend, tmp_path / "s") as trial:
            (node,) = trial.start(alpha)
            trial.step("look")
            trial.evidence("1 of 1")
            trial.check.equal("one", 1, 1)
        assert node.exit_code == 0
        assert backend.nodes["alpha"].removed
        assert [each.what for each in trial.scene.checks] == [
            "alpha: ready",
            "one",
            "always: only protocol lines on stdout",
            "always: gapless seq",
            "always: one reply per command",
            "always: only events after shutdown",
            "always: right exit code",
            "always: no traceback on stderr",
        ]
        assert all(each.passed for each in trial.scene.checks)
        assert trial.evidence_lines == ["1 of 1"]
        assert [record["text"] for record in records(trial, "step")] == ["look"]
        assert [record["exit_code"] for record in records(trial, "node-ended")] == [0]

    @pytest.mark.parametrize(("breakage", "what"), BREAKAGES)
    def test_what_is_always_checked(
        self,
        trial: Trial,
        backend: FakeBackend,
        alpha: NodeSpec,
        breakage: Callable[[FakeNode], object],
        what: str,
    ) -> None:
        trial.start(alpha)
        breakage(backend.nodes["alpha"])
        with pytest.raises(CheckFailed, match=what):
            trial.finish()
        assert backend.nodes["alpha"].removed

    def test_a_node_that_does_not_end(
        self,
        trial: Trial,
        backend: FakeBackend,
        alpha: NodeSpec,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("scenarios.core.trial.EXIT_S", 0.01)
        trial.start(alpha)
        backend.nodes["alpha"].behave(lambda node, line: node.result(json.loads(line)["id"]))
        with pytest.raises(CheckFailed, match="alpha still runs"):
            trial.finish()
        assert backend.nodes["alpha"].removed

    def test_who_needs_another_node_has_ended_before_that_is_asked_to(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        trial.start(alpha, NodeSpec("needs alpha", alpha.program, ends_first=True))
        needed, needing = backend.nodes["alpha"], backend.nodes["needs alpha"]
        over: list[bool] = []

        def end(node: FakeNode, line: bytes) -> None:
            over.append(needing.over)
            answer_politely(node, line)

        needed.behave(end)
        trial.finish()
        assert over == [True]

    def test_added_checks_run_at_their_time(self, trial: Trial, alpha: NodeSpec) -> None:
        (node,) = trial.start(alpha)
        seen: list[bool] = []

        def look() -> list[str]:
            seen.append(node.running)
            return []

        trial.add_always("before", look, while_running=True)
        trial.add_always("after", look)
        trial.finish()
        assert seen == [True, False]

    def test_added_checks_fail(self, trial: Trial, alpha: NodeSpec) -> None:
        trial.start(alpha)

        def break_down() -> list[str]:
            raise OSError("no such thing")

        trial.add_always("staging", lambda: ["alpha left .local.installing"])
        trial.add_always("broken", break_down)
        with pytest.raises(CheckFailed, match=r"alpha left \.local\.installing") as failure:
            trial.finish()
        assert failure.value.what == "always: staging"
        assert "no such thing" in str(failure.value)
        failed = [each.what for each in trial.scene.checks if not each.passed]
        assert failed == ["always: staging", "always: broken"]

    def test_a_failed_scenario_tells_the_whole_story(
        self, backend: FakeBackend, tmp_path: Path, alpha: NodeSpec
    ) -> None:
        def run() -> None:
            with Trial(backend, tmp_path / "s") as trial:
                trial.start(alpha)
                backend.nodes["alpha"].complain("Traceback (most recent call last):")
                trial.check.equal("two", 2, 3)

        with pytest.raises(CheckFailed, match="two: got 2, wanted 3") as failure:
            run()
        assert failure.value.brief == "two: got 2, wanted 3"
        assert "Last lines of every node:\n  alpha (running):" in failure.value.picture
        assert "Also, always: no traceback on stderr" in "\n".join(failure.value.__notes__)
        assert backend.nodes["alpha"].removed

    def test_the_picture_tells_nodes_by_their_names(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        node = trial.start(alpha)[0]
        trial.scene.names["k7jehmpivsfx46bd"] = "bravo"
        backend.nodes["alpha"].event("met", peer_id="k7jehmpivsfx46bd", left=3)
        backend.nodes["alpha"].error("r1", "no-such", "there is none")
        node.send("ping", loud=True)
        picture = trial.scene.picture()
        assert 'out event met #1 {"peer_id":"<bravo>","left":3}' in picture
        assert "out error r1 no-such there is none" in picture
        assert ' in command ping r1 {"loud":true}' in picture

    def test_why_a_scenario_failed(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
    ) -> None:
        trial.start(alpha, bravo)
        trial.nodes[1].kill()
        assert trial.cause_of(CheckFailed("x", "", "fault-failed")) == "fault-failed"
        assert trial.cause_of(CommandFailed("alpha", "ping", "c", "e")) == "command-refused"
        assert trial.cause_of(NodeGone("x")) == "node-ended"
        assert trial.cause_of(BackendError("x")) == "backend-failed"
        assert trial.cause_of(KeyError("x")) == "scenario-broken"
        backend.nodes["alpha"].exit(137, "killed for want of memory", "out-of-memory")
        assert trial.cause_of(CheckFailed("x", "")) == "out-of-memory"

    @pytest.mark.parametrize(("asked", "cause"), [(False, "backend-failed"), (True, "check")])
    def test_a_backend_that_lost_a_node_is_to_blame_unless_it_was_to_end(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec, asked: bool, cause: str
    ) -> None:
        (node,) = trial.start(alpha)
        fake = backend.nodes["alpha"]
        if asked:
            fake.over = True  # it does not end at once
            node.terminate()
            fake.over = False
        fake.exit(None, "the daemon is gone", "backend-failed")
        assert trial.cause_of(CheckFailed("x", "")) == cause

    def test_ctrl_c_removes_and_judges_nothing(
        self, backend: FakeBackend, tmp_path: Path, alpha: NodeSpec
    ) -> None:
        trial = Trial(backend, tmp_path / "s")

        def run() -> None:
            with trial:
                trial.start(alpha)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run()
        assert backend.nodes["alpha"].removed
        assert backend.nodes["alpha"].received == []
        assert [each.kind for each in trial.scene.checks] == ["wait"]

    def test_a_frozen_node_has_nothing_to_answer_for(
        self, trial: Trial, backend: FakeBackend, alpha: NodeSpec
    ) -> None:
        (node,) = trial.start(alpha)
        node.freeze()
        trial.finish()
        assert backend.nodes["alpha"].received == []
        assert [fault.what for fault in trial.scene.faults] == ["freeze alpha"]

    def test_other_ways_to_ask(self, trial: Trial, alpha: NodeSpec, bravo: NodeSpec) -> None:
        one, two = trial.start(alpha, bravo)
        one.close_stdin()
        two.terminate()
        trial.finish()

    def test_a_node_may_be_meant_to_fail(self, tmp_path: Path) -> None:
        spec = NodeSpec("alpha", Program(()), expected_exit=2)
        with Trial(FakeBackend(lambda node: node.exit(2)), tmp_path / "a") as trial:
            (node,) = trial.start(spec)
            assert node.wait_exit() == 2
        with (
            pytest.raises(CheckFailed, match="the exit code should have been 2"),
            Trial(FakeBackend(lambda node: node.exit(0)), tmp_path / "b") as trial,
        ):
            trial.start(spec)


def test_the_folder_has_everything(backend: FakeBackend, tmp_path: Path, alpha: NodeSpec) -> None:
    with Trial(backend, tmp_path / "s") as trial:
        (node,) = trial.start(alpha)
        backend.nodes["alpha"].complain("caf\u00e9")
        node.request("status")
        node.freeze()
        node.thaw()
    logged = [json.loads(line) for line in (tmp_path / "s" / "alpha.jsonl").open(encoding="utf-8")]
    assert [(each["stream"], each["text"]) for each in logged] == [
        (line.stream, line.text) for line in node.log.lines()
    ]
    assert [each["stream"] for each in logged] == ["out", "err", "in", "out", "in", "out"]
    assert logged[1]["text"] == "caf\u00e9"
    assert all(each["wall"] > 1e9 and each["at"] >= 0 for each in logged)
    records = (tmp_path / "s" / "scenario.jsonl").open(encoding="utf-8")
    assert {json.loads(line)["kind"] for line in records} == {
        "node-starting",
        "node-started",
        "node-ended",
        "wait",
        "check",
        "fault",
    }


def test_bytes_that_are_no_text_are_kept_readable(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    node.line("out", b"\xff\x00 junk", complete=True)
    assert node.log.lines()[-1].text == "\\xff\x00 junk"
    with pytest.raises(CheckFailed, match="not a JSON object"):
        trial.finish()


class TestScenarioMark:
    def test_it_carries_what_the_matrix_says(self) -> None:
        @scenario("S7", name="Duplicate-source download", proves="both serve", measures=True)
        def duplicate_source_download() -> None:
            pass

        expected = ScenarioInfo("S7", "Duplicate-source download", "both serve", measures=True)
        assert info_of(duplicate_source_download) == expected
        assert info_of(TestScenarioMark) is None

    @pytest.mark.parametrize("scenario_id", ["7", "s7", "S", "S07", "S7a", ""])
    def test_an_odd_id_is_refused(self, scenario_id: str) -> None:
        with pytest.raises(ValueError, match="write it like S7"):
            scenario(scenario_id, name="x", proves="y")
