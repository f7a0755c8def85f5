"""Scenarios as pytest items: what is stored with each and with the run, and their fixtures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenarios.core.backends.base import Backend, BackendLacks
from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.core.scene import Clock
from scenarios.core.timeouts import Timeouts
from scenarios.core.trial import Trial
from scenarios.family.discovery import family_of_module
from scenarios.family.family import Family, UnderTest
from scenarios.family.family import under_test as make_under_test
from scenarios.results.keeping import WORK
from scenarios.running.backends import open_backend
from scenarios.running.settings import RunSettings


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with mutants as programs, as the audit runs it.

    It goes on after failed checks, and writes its record to ``name`` in the run's folder.
    """

    name: str
    mutated: Mapping[str, tuple[str, ...]]  # commands by program
    hurry: float = 1.0  # factor for the timeouts of these waits, on top of the run's
    in_vain: frozenset[str] = frozenset()  # their `what`
    alone: bool = False  # runs alone on the machine, like scenarios that measure


# Stored with a run.
settings_key = pytest.StashKey[RunSettings]()
folder_key = pytest.StashKey[Path]()
# Set by the audit's plugin, to run each scenario only with its variants.
variants_key = pytest.StashKey[Callable[[ScenarioInfo], list[Variant]]]()
# Stored with an item.
trial_key = pytest.StashKey[Trial]()
repetition_key = pytest.StashKey[int]()
variant_key = pytest.StashKey[Variant]()


def scenario_items(
    collector: pytest.Module | pytest.Class, name: str, function: object, info: ScenarioInfo
) -> list[pytest.Function]:
    """Return the items of a scenario: one for each repetition, or for each variant."""
    stash = collector.config.stash
    if variants := stash.get(variants_key, None):
        return [_item(collector, name, function, info, variant=one) for one in variants(info)]
    repeat = stash[settings_key].repeat
    if repeat == 1:
        return [_item(collector, name, function, info)]
    return [
        _item(collector, name, function, info, repetition=repetition)
        for repetition in range(1, repeat + 1)
    ]


def marked(item: pytest.Item) -> ScenarioInfo:
    """Return the ScenarioInfo of an item. Raises LookupError if it is not a scenario."""
    info = info_of(item)
    if info is None:
        raise LookupError(f"{item.nodeid} asks for a scenario's fixture but has no @scenario mark.")
    return info


def variant_of(item: pytest.Item) -> Variant | None:
    """Return the variant of an item, or None."""
    return item.stash.get(variant_key, None)


def trial_of(item: pytest.Item) -> Trial | None:
    """Return the trial of a scenario that has run, or None if it never started one."""
    return item.stash.get(trial_key, None)


def item_folder(item: pytest.Item) -> Path:
    """Return the folder of a scenario within the run's folder."""
    variant = variant_of(item)
    folder = item.config.stash[folder_key]
    return (folder / variant.name if variant else folder) / folder_name(item)


def folder_name(item: pytest.Item) -> str:
    """Return the name of a scenario's folder, within that of the run or the variant."""
    scenario_id = marked(item).id
    repeated = item.config.stash[settings_key].repeat > 1
    return f"{scenario_id}/{item.stash[repetition_key]}" if repeated else scenario_id


def _item(
    collector: pytest.Module | pytest.Class,
    name: str,
    function: object,
    info: ScenarioInfo,
    *,
    variant: Variant | None = None,
    repetition: int | None = None,
) -> pytest.Function:
    which = variant.name if variant else repetition
    item: pytest.Function = pytest.Function.from_parent(
        collector,
        name=f"{name}[{which}]" if which else name,
        originalname=name,
        callobj=function,
    )
    factor = collector.config.stash[settings_key].patience
    item.add_marker(pytest.mark.timeout(info.timeout_s * factor))
    item.extra_keyword_matches.add(info.id)
    item.stash[repetition_key] = repetition or 1
    if variant:
        item.stash[variant_key] = variant
    return item


@pytest.fixture(scope="session")
def run_settings(pytestconfig: pytest.Config) -> RunSettings:
    """The settings of the run."""
    return pytestconfig.stash[settings_key]


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """The folder of the run."""
    return pytestconfig.stash[folder_key]


@pytest.fixture(scope="session")
def seed(run_settings: RunSettings) -> int:
    """The seed for everything random in a scenario."""
    return run_settings.seed


@pytest.fixture(scope="session")
def full_length(run_settings: RunSettings) -> bool:
    """Whether scenarios take and move what their specification says, and not a tenth."""
    return run_settings.full_length


@pytest.fixture(scope="session")
def timeouts(run_settings: RunSettings) -> Timeouts:
    """The timeouts, scaled by the run's factor."""
    return Timeouts(run_settings.patience)


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Family:
    """The family of this scenario."""
    return family_of_module(request.node.module.__name__)


@pytest.fixture
def under_test(
    request: pytest.FixtureRequest, family: Family, run_settings: RunSettings
) -> UnderTest:
    """How to start the family's programs: our own, foreign ones, mutants."""
    variant = variant_of(request.node)
    return make_under_test(family, run_settings.foreign, variant.mutated if variant else {})


@pytest.fixture(scope="session")
def backend(run_settings: RunSettings) -> Iterator[Backend]:
    """The backend of this worker."""
    with open_backend(run_settings) as opened:
        yield opened


@pytest.fixture
def scenario_folder(request: pytest.FixtureRequest) -> Path:
    """The folder of this scenario within the run's folder."""
    folder = item_folder(request.node)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def work_folder(scenario_folder: Path) -> Path:
    """Scratch space: data and state of the nodes. Removed if the scenario passes, unless --keep."""
    folder = scenario_folder / WORK
    folder.mkdir()
    return folder


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    backend: Backend,
    scenario_folder: Path,
    timeouts: Timeouts,
    run_settings: RunSettings,
    family: Family,
) -> Iterator[Trial]:
    """The trial of this scenario; it is finished and judged around the call."""
    info = marked(request.node)
    missing = sorted(need.value for need in info.needs - backend.capabilities)
    if missing:
        raise BackendLacks(f"the backend {backend.name} has no {' and no '.join(missing)} here")
    variant = variant_of(request.node)
    made = Trial(
        backend,
        scenario_folder,
        timeouts=Timeouts(timeouts.factor, variant.hurry, variant.in_vain) if variant else timeouts,
        clock=Clock(run_settings.clock_start),
        goes_on=variant is not None,
        pcap=run_settings.pcap,
        words=family.words,
    )
    request.node.stash[trial_key] = made
    yield made
    made.remove()  # if the call was never reached; otherwise nothing is left to do
