from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import NodeSpec, Program
from scenarios.core.trial import Trial
from tests.scenarios.core.fake_backend import FakeBackend

NOTHING = Program(command=())


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def trial(backend: FakeBackend, tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(backend, tmp_path / "scenario")
    yield trial
    trial.remove()


@pytest.fixture
def alpha() -> NodeSpec:
    return NodeSpec("alpha", NOTHING, ready_event="ready")


@pytest.fixture
def bravo() -> NodeSpec:
    return NodeSpec("bravo", NOTHING, ready_event="ready")
