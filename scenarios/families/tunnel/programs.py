"""The programs of the tunnel family."""

from scenarios.families.shared import SHARED
from scenarios.family.family import FamilyProgram
from scenarios.root import ROOT

TUNNEL_PROGRAM = FamilyProgram(
    name="tunnel",
    module="tunnel_cli",
    packages=(ROOT / "tunnel_cli", *SHARED),
    target="tunnel",
)
