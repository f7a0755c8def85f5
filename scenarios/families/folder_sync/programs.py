"""The programs of the folder synchroniser family."""

from scenarios.family.family import FamilyProgram
from scenarios.root import ROOT

SYNC_PROGRAM = FamilyProgram(
    name="sync",
    module="sync_cli",
    packages=tuple(ROOT / name for name in ("sync_cli", "network", "store", "headless")),
    target="sync",
)
