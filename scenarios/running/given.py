"""The pytest fixtures of scenarios."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.core.backends.base import Backend, BackendLacks
from scenarios.core.scene import Clock
from scenarios.core.session import Session
from scenarios.core.timeouts import Timeouts
from scenarios.family.family import Family
from scenarios.family.registry import family_of_module
from scenarios.family.under_test import UnderTest
from scenarios.family.under_test import under_test as make_under_test
from scenarios.results.keeping import WORK
from scenarios.running.backends import open_backend
from scenarios.running.items import (
    folder_key,
    item_folder,
    marked,
    session_key,
    settings_key,
    variant_of,
)
from scenarios.running.settings import RunSettings


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
def session(
    request: pytest.FixtureRequest,
    backend: Backend,
    scenario_folder: Path,
    timeouts: Timeouts,
    run_settings: RunSettings,
    family: Family,
) -> Iterator[Session]:
    """The session of this scenario; it is finished and judged around the call."""
    info = marked(request.node)
    missing = sorted(need.value for need in info.needs - backend.capabilities)
    if missing:
        raise BackendLacks(f"the backend {backend.name} has no {' and no '.join(missing)} here")
    variant = variant_of(request.node)
    made = Session(
        backend,
        scenario_folder,
        timeouts=Timeouts(timeouts.factor * variant.hurry) if variant else timeouts,
        clock=Clock(run_settings.clock_start),
        goes_on=variant is not None,
        pcap=run_settings.pcap,
        words=family.words,
    )
    request.node.stash[session_key] = made
    yield made
    made.remove()  # if the call was never reached; otherwise nothing is left to do
