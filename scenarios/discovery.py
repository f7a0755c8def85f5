"""Which scenarios there are: found by looking into the modules, not by a list kept by hand."""

import importlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.ids import select_ids, sort_key

# A new family of nodes is a new package here.
FAMILIES = ("scenarios.lan_spread",)
PATTERN = "test_*.py"


class DiscoveryError(Exception):
    """The scenarios contradict each other or cannot be found; the message says where."""


@dataclass(frozen=True, slots=True)
class Found:
    """A scenario and where it stands."""

    info: ScenarioInfo
    file: Path
    function: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One repetition of a scenario; None where it runs once and needs no number."""

    found: Found
    repetition: int | None = None

    @property
    def name(self) -> str:
        """What pytest calls it in its file."""
        number = "" if self.repetition is None else f"[{self.repetition}]"
        return f"{self.found.function}{number}"

    @property
    def target(self) -> str:
        """What pytest is given to run just this one."""
        return f"{self.found.file}::{self.name}"

    @property
    def folder(self) -> str:
        """Its folder in the run's folder."""
        number = "" if self.repetition is None else f"/{self.repetition}"
        return f"{self.found.info.id}{number}"


def discover(families: Iterable[str] = FAMILIES) -> dict[str, Found]:
    """Import the scenario modules of the packages and return what they hold, by ID, in order.

    Raises DiscoveryError when two scenarios have one ID.
    """
    found: dict[str, Found] = {}
    for family in families:
        folder = Path(next(iter(importlib.import_module(family).__path__)))
        for file in sorted(folder.rglob(PATTERN)):
            module = ".".join([family, *file.relative_to(folder).with_suffix("").parts])
            for one in _in_module(module, file):
                twin = found.setdefault(one.info.id, one)
                if twin is not one:
                    raise DiscoveryError(
                        f"Two scenarios are called {one.info.id}: {twin.function} in "
                        f"{twin.file.name} and {one.function} in {file.name}. Renumber one."
                    )
    return {scenario_id: found[scenario_id] for scenario_id in sorted(found, key=sort_key)}


def select(ids: Sequence[str], families: Iterable[str]) -> dict[str, Found]:
    """Return the scenarios that people mean by ``ids``, all of them by none, by ID, in order.

    Raises UnknownScenarioError; DiscoveryError when the families hold no scenario at all.
    """
    known = discover(families)
    if not known:
        raise DiscoveryError(f"There are no scenarios in {', '.join(families)}.")
    return {scenario_id: known[scenario_id] for scenario_id in select_ids(ids, known)}


def run_order(
    chosen: Iterable[Found],
    durations: Mapping[str, float],
    *,
    repeat: int = 1,
    shuffle_seed: int | None = None,
) -> list[Turn]:
    """Return the turns as they should run: longest first, those that measure at the end.

    One that never ran counts as long, for whoever waits for it. All scenarios have had their first
    turn before any has its second. With ``shuffle_seed`` they run in the order drawn from it
    instead, still with those that measure at the end.
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


def _in_module(module: str, file: Path) -> Iterable[Found]:
    for name, value in vars(importlib.import_module(module)).items():
        # One imported from another module belongs there.
        if getattr(value, "__module__", None) == module and (info := info_of(value)):
            yield Found(info, file, name)
