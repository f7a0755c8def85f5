"""What the scenarios of this family are given."""

import pytest

from scenarios.core.session import Session
from scenarios.families.tunnel.programs import TUNNEL_PROGRAM
from scenarios.families.tunnel.tunnel import Tunnel
from scenarios.family.family import UnderTest


@pytest.fixture
def tunnel(session: Session, under_test: UnderTest, full_length: bool) -> Tunnel:
    """A tunnel that has yet to be started."""
    return Tunnel(session, under_test.programs[TUNNEL_PROGRAM.name], full_length)
