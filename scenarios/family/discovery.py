"""Finds families and their scenarios by importing modules, so that there is no list to maintain.

A family is a folder in `scenarios/families/` that has a `family.py`. The environment variable
SCENARIO_FAMILIES lists folders of additional families.
"""

import importlib
import importlib.util
import os
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.family.family import Family
from scenarios.family.ids import select_ids, sort_key
from scenarios.root import ROOT

VARIABLE = "SCENARIO_FAMILIES"
_OWN = "scenarios.families"
PATTERN = "test_*.py"


class FamilyError(Exception):
    """Families conflict, or one cannot be found; the message says what to do."""


class DiscoveryError(Exception):
    """The scenarios contradict each other or cannot be found; the message says where."""


@dataclass(frozen=True, slots=True)
class Found:
    """A scenario and its location."""

    info: ScenarioInfo
    file: Path
    function: str
    family: Family
    module: str  # the full name


@dataclass(frozen=True, slots=True)
class Turn:
    """One repetition of a scenario; None if it runs only once."""

    found: Found
    repetition: int | None = None

    @property
    def name(self) -> str:
        """Its pytest name within the file."""
        number = "" if self.repetition is None else f"[{self.repetition}]"
        return f"{self.found.function}{number}"

    @property
    def target(self) -> str:
        """The pytest argument that selects only this turn, with `--pyargs`.

        Not by file: pytest would mistake a bracket in a folder's name for a parameter.
        """
        return f"{self.found.module}::{self.name}"

    @property
    def folder(self) -> str:
        """Its folder within the run's folder."""
        number = "" if self.repetition is None else f"/{self.repetition}"
        return f"{self.found.info.id}{number}"


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


def folder_of(family: Family) -> Path:
    """Return the folder of a family's package."""
    return Path(next(iter(importlib.import_module(family.package).__path__)))


def discover(families: Iterable[Family]) -> dict[str, Found]:
    """Import the families' scenario modules and return all scenarios by ID, in order.

    Raises DiscoveryError if two scenarios have the same ID, or one has another family's letter.
    """
    found: dict[str, Found] = {}
    for family in families:
        folder = folder_of(family)
        for file in sorted(folder.rglob(PATTERN)):
            module = ".".join([family.package, *file.relative_to(folder).with_suffix("").parts])
            for one in _in_module(module, file, family):
                if not one.info.id.startswith(family.letter):
                    raise DiscoveryError(
                        f"{one.function} in {file.name} is called {one.info.id}, but the IDs of "
                        f"the family {family.name} begin with {family.letter}. Renumber it."
                    )
                twin = found.setdefault(one.info.id, one)
                if twin is not one:
                    raise DiscoveryError(
                        f"Two scenarios are called {one.info.id}: {twin.function} in "
                        f"{twin.file.name} and {one.function} in {file.name}. Renumber one."
                    )
    return {scenario_id: found[scenario_id] for scenario_id in sorted(found, key=sort_key)}


def select(ids: Sequence[str], families: Iterable[Family]) -> dict[str, Found]:
    """Return the scenarios that ``ids`` select (default: all), by ID, in order.

    The name of a family selects all of its scenarios.

    Raises UnknownScenarioError, and DiscoveryError if the families have no scenarios.
    """
    families = tuple(families)
    known = discover(families)
    if not known:
        packages = ", ".join(family.package for family in families)
        raise DiscoveryError(f"There are no scenarios in {packages}.")
    letters = {family.name: family.letter for family in families}
    return {one: known[one] for one in select_ids(ids, known, letters)}


def run_order(
    chosen: Iterable[Found],
    durations: Mapping[str, float],
    *,
    repeat: int = 1,
    shuffle_seed: int | None = None,
) -> list[Turn]:
    """Return the turns in the order to run: longest first, those that measure last.

    A scenario without a known duration counts as long. All first turns come before any second one.
    With ``shuffle_seed`` the order is random instead, still with those that measure last.
    """
    ordered = sorted(chosen, key=lambda one: sort_key(one.info.id))
    if shuffle_seed is None:
        ordered.sort(key=lambda one: -durations.get(one.info.id, float("inf")))
    turns = [
        Turn(found, number if repeat > 1 else None)
        for number in range(1, repeat + 1)
        for found in ordered
    ]
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(turns)  # noqa: S311 - an order, not a secret
    return sorted(turns, key=lambda turn: turn.found.info.measures)


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


def _in_module(module: str, file: Path, family: Family) -> Iterable[Found]:
    for name, value in vars(importlib.import_module(module)).items():
        # An imported scenario belongs to its own module.
        if getattr(value, "__module__", None) == module and (info := info_of(value)):
            yield Found(info, file, name, family, module)
