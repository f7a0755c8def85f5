"""What the scenarios of this family are given."""

from pathlib import Path

import pytest

from scenarios.core.trial import Trial
from scenarios.families.pair.pair import Pair
from scenarios.families.pair.programs import PAIR_PROGRAM
from scenarios.family.family import UnderTest


@pytest.fixture
def pair(trial: Trial, under_test: UnderTest, work_folder: Path, full_length: bool) -> Pair:
    """A pair that has yet to be started."""
    return Pair(trial, under_test.programs[PAIR_PROGRAM.name], work_folder, full_length)
