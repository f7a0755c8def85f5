"""What tests of the peer's parts share."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Path]:
    """A folder for thousands of small games: in memory where the system has that."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)
