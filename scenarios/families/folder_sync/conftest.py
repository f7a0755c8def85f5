"""What the scenarios of this family are given."""

from pathlib import Path

import pytest

from scenarios.core.trial import Trial
from scenarios.families.folder_sync.programs import SYNC_PROGRAM
from scenarios.families.folder_sync.sync import Sync
from scenarios.family.family import UnderTest


@pytest.fixture
def sync(trial: Trial, work_folder: Path, under_test: UnderTest, full_length: bool) -> Sync:
    """Trackers and peers, of which none is started yet."""
    return Sync(trial, work_folder, under_test.programs[SYNC_PROGRAM.name], full_length)
