"""What the scenarios of this family are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.session import Session
from scenarios.lan_spread.lan import Lan
from scenarios.lan_spread.specs import foreign_peer
from scenarios.settings import RunSettings


@pytest.fixture
def lan(
    session: Session, work_folder: Path, run_settings: RunSettings, peer_command: tuple[str, ...]
) -> Iterator[Lan]:
    """A local network without any peer yet."""
    # The command may be a mutant's, too, and that is this project's peer.
    foreign = bool(run_settings.peer_command or run_settings.peer_image)
    program = foreign_peer(peer_command, run_settings.peer_image)
    made = Lan(session, work_folder, program, foreign=foreign)
    yield made
    made.close()
