"""A source and a client, both real peers, for streamed installs of archives made by a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer_cli.streamed.real_peers import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()
