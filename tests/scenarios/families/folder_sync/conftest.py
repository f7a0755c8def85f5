"""Fixtures for the tests of the folder synchroniser family."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import Program
from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.trial import Trial
from scenarios.families.folder_sync.sync import Sync


@pytest.fixture
def sync(tmp_path: Path) -> Iterator[Sync]:
    """Nodes as processes; for what needs no program under test."""
    backend = ProcessBackend(own_label("test-folder-sync"))
    try:
        with Trial(backend, tmp_path / "log") as trial:
            yield Sync(trial, tmp_path / "work", Program(("false",)), full_length=False)
    finally:
        backend.close()
