from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import NodeSpec, Program
from scenarios.core.session import Session
from tests.scenarios.core.fake_backend import FakeBackend

NOTHING = Program(command=())


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def session(backend: FakeBackend, tmp_path: Path) -> Iterator[Session]:
    session = Session(backend, tmp_path / "scenario")
    yield session
    session.remove()


@pytest.fixture
def alpha() -> NodeSpec:
    return NodeSpec("alpha", NOTHING, ready_event="ready")


@pytest.fixture
def bravo() -> NodeSpec:
    return NodeSpec("bravo", NOTHING, ready_event="ready")
