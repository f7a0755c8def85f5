from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.trial import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    backend = ProcessBackend(own_label("test-pair"))
    trial = Trial(backend, tmp_path / "scenario")
    yield trial
    trial.remove()
    backend.close()
