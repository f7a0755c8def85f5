"""The programs of the pair family."""

from scenarios.families.shared import SHARED
from scenarios.family.family import FamilyProgram
from scenarios.root import ROOT

PAIR_PROGRAM = FamilyProgram(
    name="pair",
    module="pair_cli",
    packages=(ROOT / "pair_cli", *SHARED),
    target="pair",
)
# Its image, with the tools that people use on a mount.
DESK_IMAGE = "pair-desk"
