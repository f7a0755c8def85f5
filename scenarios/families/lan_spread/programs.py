"""The programs under test in the LAN family."""

from scenarios.families.shared import SHARED
from scenarios.family.family import FamilyProgram
from scenarios.root import ROOT

PEER_PROGRAM = FamilyProgram(
    name="peer",
    module="peer_cli",
    packages=(ROOT / "peer_cli", *SHARED),
    target="peer",
)
