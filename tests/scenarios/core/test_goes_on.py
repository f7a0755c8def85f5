"""A scene that goes on: a failed check does not end the scenario before its end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.core.backends.base import NodeSpec
from scenarios.core.errors import CheckFailed
from scenarios.core.trial import Trial
from tests.scenarios.core.fake_backend import FakeBackend


@pytest.fixture
def going_on(backend: FakeBackend, tmp_path: Path) -> Trial:
    return Trial(backend, tmp_path / "going-on", goes_on=True)


def test_it_fails_at_its_end_with_all_that_failed(going_on: Trial, tmp_path: Path) -> None:
    going_on.check.equal("first", 1, 2)
    going_on.check.equal("second", 1, 1)
    going_on.check.same_files("third", tmp_path / "nowhere", tmp_path)
    going_on.check.always_equal("fourth", 1, 2)
    with pytest.raises(CheckFailed) as failure:
        going_on.finish()
    assert failure.value.what == "first"
    assert "got 1, wanted 2" in str(failure.value)
    assert "third:\n  there is no folder" in str(failure.value)
    red = [check.what for check in going_on.scene.checks if not check.passed]
    assert red == ["first", "third", "always: fourth"]


def test_it_passes_when_nothing_failed(going_on: Trial) -> None:
    with going_on:
        going_on.check.equal("first", 1, 1)


def test_what_came_nevertheless_and_what_was_accepted(
    going_on: Trial, backend: FakeBackend, alpha: NodeSpec
) -> None:
    (node,) = going_on.start(alpha)
    node.everything().none_of("ready", what="never ready")
    fake = backend.nodes["alpha"]
    fake.behave(lambda fake, line: fake.result(json.loads(line)["id"]))
    assert node.refused("download", what="refused").code == ""
    fake.behave(lambda fake, line: fake.error(json.loads(line)["id"], "busy", "Later."))
    assert node.refused("download", containing="never", what="refused so").code == "busy"
    red = [check.what for check in going_on.scene.checks if not check.passed]
    assert red == ["never ready", "refused", "refused so"]
    going_on.remove()


@pytest.mark.parametrize(
    "check",
    [
        lambda trial: trial.check.given("it stands", 0),
        lambda trial: trial.check.always_equal("told", 1, 2),
    ],
)
def test_else_it_ends_there(trial: Trial, check: Callable[[Trial], None]) -> None:
    with pytest.raises(CheckFailed):
        check(trial)


def test_the_kinds_are_told_apart(trial: Trial) -> None:
    trial.check.given("it stands", 1)
    trial.check.always_equal("told", 1, 1)
    trial.check.equal("so", 1, 1)
    kinds = {check.what: check.kind for check in trial.scene.checks}
    assert kinds == {"it stands": "given", "always: told": "always", "so": "check"}
