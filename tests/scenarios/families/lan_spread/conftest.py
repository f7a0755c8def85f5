"""Fixtures for the tests of the LAN family."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.families.lan_spread.fake_lan import FakeLan


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeLan]:
    made = FakeLan(tmp_path)
    yield made
    made.lan.close()
    made.trial.remove()
