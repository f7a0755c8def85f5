"""Which scenarios there are: found by looking into the modules, not by a list kept by hand."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.ids import sort_key

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

    @property
    def target(self) -> str:
        """What pytest is given to run just this one."""
        return f"{self.file}::{self.function}"


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


def run_order(chosen: Iterable[Found], durations: Mapping[str, float]) -> list[Found]:
    """Return the scenarios as they should run: longest first, those that measure at the end.

    One that never ran counts as long, for whoever waits for it.
    """
    return sorted(
        chosen,
        key=lambda one: (one.info.measures, -durations.get(one.info.id, float("inf"))),
    )


def _in_module(module: str, file: Path) -> Iterable[Found]:
    for name, value in vars(importlib.import_module(module)).items():
        # One imported from another module belongs there.
        if getattr(value, "__module__", None) == module and (info := info_of(value)):
            yield Found(info, file, name)
