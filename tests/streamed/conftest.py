"""A source and a client, both real peers, for streamed installs of archives made by a test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The archives are made by the same hand as for the unpacking helper alone.
sys.path.append(str(Path(__file__).parents[1] / "install"))

from streamed.real_peers import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()
