"""Faults: placed on events, on record, and never forgotten."""

import json
import threading

import pytest

from scenarios.core.backends.base import NodeSpec
from scenarios.core.errors import CheckFailed, NodeGone, WaitFailed
from scenarios.core.trial import Trial
from tests.scenarios.core.fake_backend import FakeBackend


def test_it_is_carried_out_on_its_event_and_names_the_line(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
) -> None:
    node, victim = trial.start(alpha, bravo)
    placed = trial.faults.when(
        node.window(), "chunk", do=victim.kill, what="kill bravo", nth=2, game="g"
    )
    fake = backend.nodes["alpha"]
    fake.event("chunk", game="g", n=1)
    fake.event("chunk", game="another", n=2)
    assert not placed.done
    fake.event("chunk", game="g", n=3)
    assert placed.carried_out().data["n"] == 3
    assert victim.exit_code == -9
    fake.event("chunk", game="g", n=4)
    trial.finish()
    (fault,) = trial.scene.faults
    assert (fault.what, fault.node, fault.trigger_node) == ("kill bravo", "bravo", "alpha")
    assert json.loads(fault.trigger)["data"]["n"] == 3
    assert "on alpha's line" in str(fault)


def test_it_sees_what_is_in_the_window_already(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    window = node.window()
    backend.nodes["alpha"].event("chunk")
    done = threading.Event()
    placed = trial.faults.when(window, "chunk", do=done.set, what="a fault of its own")
    placed.carried_out()
    assert done.is_set()
    assert [fault.what for fault in trial.scene.faults] == ["a fault of its own"]


def test_it_may_ask_the_node_whose_line_set_it_off(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    placed = trial.faults.when(
        node.window(), "chunk", do=lambda: node.request("set-limits"), what="limit"
    )
    backend.nodes["alpha"].event("chunk")
    placed.carried_out()


def test_its_error_ends_every_wait_and_the_scenario(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec, bravo: NodeSpec
) -> None:
    node, victim = trial.start(alpha, bravo)
    victim.kill()
    placed = trial.faults.when(node.window(), "chunk", do=victim.kill, what="kill it twice")
    backend.nodes["alpha"].event("chunk")
    with pytest.raises(NodeGone):
        placed.carried_out()
    with pytest.raises(WaitFailed, match="kill it twice") as failure:
        node.window().wait_event("finished")
    assert failure.value.cause == "fault-failed"
    with pytest.raises(CheckFailed, match="kill it twice"):
        trial.finish()
    assert "NodeGone" in trial.scene.faults[-1].error


def test_an_error_of_its_condition_reaches_the_scenario(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    placed = trial.faults.when(
        node.window(), "chunk", do=node.kill, what="kill", where=lambda e: e.data["missing"] > 1
    )
    backend.nodes["alpha"].event("chunk")
    with pytest.raises(KeyError):
        placed.carried_out()
    assert node.running


def test_one_that_never_came_fails_the_scenario(trial: Trial, alpha: NodeSpec) -> None:
    (node,) = trial.start(alpha)
    placed = trial.faults.when(node.window(), "chunk", do=node.kill, what="kill alpha", nth=3)
    with pytest.raises(WaitFailed, match="did not come"):
        placed.carried_out(timeout=0.01)
    with pytest.raises(
        CheckFailed, match=r"`kill alpha` never came .*alpha: chunk no. 3"
    ) as failure:
        trial.finish()
    assert failure.value.cause == "fault-failed"


def test_one_that_was_withdrawn_does_not(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    trial.faults.when(node.window(), "chunk", do=node.kill, what="kill alpha").withdraw()
    backend.nodes["alpha"].event("chunk")
    trial.finish()
    assert trial.scene.faults == []


def test_none_is_carried_out_while_the_scenario_ends(
    trial: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = trial.start(alpha)
    trial.faults.when(node.window(), "bye", do=node.kill, what="kill alpha")

    def say_bye(fake: object, line: bytes) -> None:
        backend.nodes["alpha"].event("bye")
        backend.nodes["alpha"].result(json.loads(line)["id"])
        backend.nodes["alpha"].exit(0)

    backend.nodes["alpha"].behave(say_bye)
    trial.abandon(ValueError("the scenario's own"))
    assert trial.scene.faults == []


def test_a_nodes_own_faults_are_on_record(trial: Trial, alpha: NodeSpec) -> None:
    (node,) = trial.start(alpha)
    node.freeze()
    node.thaw()
    node.disconnect()
    node.reconnect("10.0.0.9")
    assert node.address == "10.0.0.9"
    trial.faults.now("drop a file", lambda: None)
    node.kill()
    assert [fault.what for fault in trial.scene.faults] == [
        "freeze alpha",
        "thaw alpha",
        "disconnect alpha",
        "reconnect alpha as 10.0.0.9",
        "drop a file",
        "kill alpha",
    ]
