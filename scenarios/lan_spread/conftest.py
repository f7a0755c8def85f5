"""What the scenarios of this family are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.session import Session
from scenarios.lan_spread.lan import Lan


@pytest.fixture
def lan(session: Session, work_folder: Path) -> Iterator[Lan]:
    """A local network without any peer yet."""
    made = Lan(session, work_folder)
    yield made
    made.close()
