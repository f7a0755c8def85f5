"""What the scenarios of this family are given."""

import pytest

from scenarios.core.trial import Trial
from scenarios.families.tunnel.programs import TUNNEL_PROGRAM
from scenarios.families.tunnel.tunnel import Tunnel
from scenarios.family.family import UnderTest


@pytest.fixture
def tunnel(trial: Trial, under_test: UnderTest, full_length: bool) -> Tunnel:
    """A tunnel that has yet to be started."""
    return Tunnel(trial, under_test.programs[TUNNEL_PROGRAM.name], full_length)
