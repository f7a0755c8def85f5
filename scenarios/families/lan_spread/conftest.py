"""Fixtures for the scenarios of this family."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.trial import Trial
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.programs import PEER_PROGRAM
from scenarios.family.family import UnderTest


@pytest.fixture
def lan(trial: Trial, work_folder: Path, under_test: UnderTest) -> Iterator[Lan]:
    """A local network with no peers yet."""
    peer = PEER_PROGRAM.name
    made = Lan(trial, work_folder, under_test.programs[peer], foreign=peer in under_test.foreign)
    yield made
    made.close()
