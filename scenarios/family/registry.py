"""Finds families: the folders in `scenarios/families/` that have a `family.py`.

The environment variable SCENARIO_FAMILIES lists folders of additional families.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scenarios.family.family import Family
from scenarios.root import ROOT

VARIABLE = "SCENARIO_FAMILIES"
_OWN = "scenarios.families"


class FamilyError(Exception):
    """Families conflict, or one cannot be found; the message says what to do."""


def every_family() -> tuple[Family, ...]:
    """Return all families, ordered by letter. Raises FamilyError."""
    return _every_family(os.environ.get(VARIABLE, ""))


def family_of(scenario_id: str) -> Family:
    """Return the family of a scenario; an empty one for an unknown ID."""
    for family in every_family():
        if scenario_id.startswith(family.letter):
            return family
    return Family(scenario_id[:1], "", "", "")


def family_of_module(module: str) -> Family:
    """Return the family whose package contains a module. Raises FamilyError."""
    package = module
    while "." in package:
        package = package.rpartition(".")[0]
        if importlib.util.find_spec(f"{package}.family") and package != "scenarios":
            family = importlib.import_module(f"{package}.family").FAMILY
            assert isinstance(family, Family)
            return family
    raise FamilyError(f"{module} is in no family: no package above it has a family.py.")


@cache
def _every_family(folders: str) -> tuple[Family, ...]:
    found = [*_in_folder(ROOT / "scenarios" / "families", _OWN)]
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise FamilyError(f"{VARIABLE} names {folder}, which is no folder.")
        if folder not in sys.path:
            sys.path.append(folder)
        found += _in_folder(Path(folder), "")
    found.sort(key=lambda family: family.letter)
    for one in found:
        for other in found:
            if one is not other and (one.letter == other.letter or one.name == other.name):
                raise FamilyError(
                    f"The families {one.package} and {other.package} have the same letter or name "
                    f"({one.letter}, {one.name}). Change one."
                )
    return tuple(found)


def _in_folder(folder: Path, package: str) -> Iterator[Family]:
    for file in sorted(folder.glob("*/family.py")):
        name = ".".join(filter(None, (package, file.parent.name, "family")))
        family = importlib.import_module(name).FAMILY
        assert isinstance(family, Family)
        yield family
