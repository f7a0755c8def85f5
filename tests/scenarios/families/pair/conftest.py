from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    backend = ProcessBackend(own_label("test-pair"))
    session = Session(backend, tmp_path / "scenario")
    yield session
    session.remove()
    backend.close()
