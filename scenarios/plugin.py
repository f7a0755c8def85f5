"""The pytest plugin that makes marked functions scenarios. Loaded in every worker.

It collects them, gives them their nodes, ends and judges these around the call, and puts the
verdict on the report of the last phase, as `report.scenario`. Showing and storing is the
reporter's business, in the process that started the run.
"""

import fcntl
import inspect
import shutil
import textwrap
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from scenarios.backends import open_backend
from scenarios.core.backends.base import Backend, BackendError, Unsupported
from scenarios.core.errors import (
    CAUSES,
    Cause,
    CheckFailed,
    CommandFailed,
    NodeGone,
    UnsupportedCommand,
)
from scenarios.core.scenario import ScenarioInfo, info_of
from scenarios.core.scene import Clock
from scenarios.core.session import Session, cause_of
from scenarios.core.timeouts import Timeouts
from scenarios.results import Outcome, ScenarioResult
from scenarios.settings import RunSettings

WORK = "work"

_settings = pytest.StashKey[RunSettings]()
_folder = pytest.StashKey[Path]()
_session = pytest.StashKey[Session]()
_verdict = pytest.StashKey["Verdict"]()
_repetition = pytest.StashKey[int]()
_variant = pytest.StashKey["Variant"]()


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario once more, with another peer: as the audit runs it.

    It goes on from failed checks, and leaves its record below the run's folder ``name``.
    """

    name: str
    peer_command: tuple[str, ...]
    hurry: float = 1.0  # factor on all deadlines, on top of the run's
    alone: bool = False  # runs alone on the machine, as scenarios that measure do


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option: workers get it from the process that starts them."""
    parser.getgroup("scenarios").addoption(
        "--scenario-run",
        metavar="FOLDER",
        help="the run's folder, with its settings.json; `python -m scenarios run` makes it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the run's settings."""
    config.addinivalue_line("markers", "scenario(info): what the matrix says of a scenario")
    given = config.getoption("--scenario-run")
    if given is None:
        raise pytest.UsageError("Start scenarios by `python -m scenarios run`, not by pytest.")
    folder = Path(given)
    config.stash[_folder] = folder
    config.stash[_settings] = RunSettings.load(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Function] | None:
    """Collect a marked function under whatever name it has, once per repetition."""
    info = info_of(obj) if inspect.isfunction(obj) else None
    if info is None:
        return None
    settings = collector.config.stash[_settings]
    if settings.repeat == 1:
        return [scenario_item(collector, name, obj, info)]
    return [
        scenario_item(collector, name, obj, info, repetition=repetition)
        for repetition in range(1, settings.repeat + 1)
    ]


def scenario_item(
    collector: pytest.Module | pytest.Class,
    name: str,
    function: object,
    info: ScenarioInfo,
    *,
    variant: Variant | None = None,
    repetition: int | None = None,
) -> pytest.Function:
    """Return the item of a scenario, of a variant of it, or of one of its repetitions."""
    which = variant.name if variant else repetition
    item: pytest.Function = pytest.Function.from_parent(
        collector,
        name=f"{name}[{which}]" if which else name,
        originalname=name,
        callobj=function,
    )
    factor = collector.config.stash[_settings].timeout_factor
    item.add_marker(pytest.mark.timeout(info.timeout_s * factor))
    item.stash[_repetition] = repetition or 1
    if variant:
        item.stash[_variant] = variant
    return item


# --- what scenarios are given ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_settings(pytestconfig: pytest.Config) -> RunSettings:
    """The settings of the run."""
    return pytestconfig.stash[_settings]


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """The folder of the run."""
    return pytestconfig.stash[_folder]


@pytest.fixture(scope="session")
def seed(run_settings: RunSettings) -> int:
    """What anything random in a scenario must be derived from."""
    return run_settings.seed


@pytest.fixture(scope="session")
def timeouts(run_settings: RunSettings) -> Timeouts:
    """The deadlines, stretched as the run wants them."""
    return Timeouts(run_settings.timeout_factor)


@pytest.fixture
def peer_command(request: pytest.FixtureRequest, run_settings: RunSettings) -> tuple[str, ...]:
    """The command of the peer under test as a process; empty: the family's own."""
    variant = request.node.stash.get(_variant, None)
    return variant.peer_command if variant else run_settings.peer_command


@pytest.fixture(scope="session")
def backend(run_settings: RunSettings) -> Iterator[Backend]:
    """The backend of this worker."""
    with open_backend(run_settings) as opened:
        yield opened


@pytest.fixture
def scenario_folder(request: pytest.FixtureRequest) -> Path:
    """The folder of this scenario in the run's folder."""
    folder = _scenario_folder(request.node)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def work_folder(scenario_folder: Path) -> Path:
    """Scratch: games and state of the nodes. Removed when the scenario passed, unless --keep."""
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
) -> Iterator[Session]:
    """The nodes of this scenario; finished and judged around its call."""
    info = _info(request.node)
    missing = sorted(need.value for need in info.needs - backend.capabilities)
    if missing:
        raise Unsupported(f"the backend {backend.name} has no {' and no '.join(missing)} here")
    variant = request.node.stash.get(_variant, None)
    made = Session(
        backend,
        scenario_folder,
        timeouts=Timeouts(timeouts.factor * variant.hurry) if variant else timeouts,
        clock=Clock(run_settings.clock_start),
        goes_on=variant is not None,
        pcap=run_settings.pcap,
    )
    request.node.stash[_session] = made
    yield made
    made.remove()  # where the call was never reached; else there is nothing left to do


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Finish the nodes when the scenario passed, clean up with the picture when it failed.

    Inside the call, so that what the end brings to light is a failure of the scenario.
    """
    running = pyfuncitem.stash.get(_session, None)
    if running is None:
        return (yield)
    with running:
        return (yield)


# --- one that measures runs alone -----------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a lock that scenarios share and one that measures has for itself.

    Outermost, so that waiting for it counts towards no timeout. Scenarios that measure are last
    in order, so they wait for the rest and nothing waits for them but their like.
    """
    info = info_of(item)
    variant = item.stash.get(_variant, None)
    alone = (info is not None and info.measures) or (variant is not None and variant.alone)
    with (item.config.stash[_folder] / ".alone").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        return (yield)


# --- verdict --------------------------------------------------------------------------------------


class Verdict:
    """What the phases of one scenario add up to."""

    def __init__(self) -> None:
        self.outcome: Outcome = "passed"
        self.cause: Cause | None = None
        self.failures: list[str] = []
        self.reason = ""
        self.duration_s = 0.0

    def add(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """Take one phase; the first that did not pass decides, a failure beats a skip."""
        self.duration_s += call.duration
        error = call.excinfo
        if error is None:
            return
        if report.failed:
            self.outcome = "failed"
            cause = cause_of_failure(item, error.value)
            self.cause = self.cause or cause
            self.failures.append(failure_text(item, error, cause))
        elif self.outcome == "passed":
            unknown = isinstance(error.value, UnsupportedCommand)
            self.outcome = "unsupported" if unknown else "skipped"
            self.reason = str(error.value)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn "cannot" into a skip, and put the verdict on the last phase's report."""
    report = yield
    info = info_of(item)
    if info is None:
        return report
    if call.excinfo and isinstance(call.excinfo.value, Unsupported | UnsupportedCommand):
        report.outcome = "skipped"
        path, line, _ = item.location
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {call.excinfo.value}")
    verdict = item.stash.setdefault(_verdict, Verdict())
    verdict.add(item, call, report)
    if report.when == "teardown":
        result = _result(item, info, verdict)
        # For the reporter; xdist carries a report's own attributes over. The properties are what
        # JUnit shows.
        vars(report)["scenario"] = asdict(result)
        report.user_properties.extend(
            [
                ("scenario", info.id),
                ("repetition", result.repetition),
                ("outcome", result.outcome),
                ("cause", result.cause or ""),
                ("evidence", result.evidence),
            ]
        )
        failed = verdict.outcome == "failed" and _variant not in item.stash
        if not failed and not item.config.stash[_settings].keep:
            shutil.rmtree(_scenario_folder(item) / WORK, ignore_errors=True)
    return report


def cause_of_failure(item: pytest.Item, error: BaseException) -> Cause:
    """Return the name of why a scenario failed."""
    session = item.stash.get(_session, None)
    if session is None:
        return cause_of(error)
    if isinstance(error, pytest.fail.Exception):  # only pytest-timeout fails a scenario so
        return session.scene.timeout_cause()
    return session.cause_of(error)


def failure_text(
    item: pytest.Item, error: pytest.ExceptionInfo[BaseException], cause: Cause
) -> str:
    """Return what a person needs to see of a failure.

    What speaks for itself is shown with the line that had it; anything else is a fault in the
    scenario or below it and is shown with its traceback.
    """
    why = f"cause: {cause}: {CAUSES[cause]}"
    met = error.value
    if not isinstance(met, CheckFailed | CommandFailed | NodeGone | BackendError):
        trace = error.getrepr(style="short", tbfilter=lambda it: it.traceback.cut(item.path))
        return f"{trace}\n{why}"
    notes = getattr(met, "__notes__", [])
    places = [
        f"at {item.path.name}:{entry.lineno + 1}\n{_shown(entry.statement)}"
        for entry in error.traceback
        if entry.path == item.path
    ]
    said, picture = (met.brief, met.picture) if isinstance(met, CheckFailed) else (str(met), "")
    parts = [said, *places[-1:], why, *notes, picture]
    return "\n".join(part for part in parts if part)


def _shown(statement: object) -> str:
    return textwrap.indent(textwrap.dedent(str(statement)), "  ")


def _result(item: pytest.Item, info: ScenarioInfo, verdict: Verdict) -> ScenarioResult:
    judged = session_of(item)
    return ScenarioResult(
        id=info.id,
        name=info.name,
        proves=info.proves,
        outcome=verdict.outcome,
        duration_s=round(verdict.duration_s, 3),
        evidence="; ".join(judged.evidence_lines) if judged else "",
        failure="\n\n".join(verdict.failures),
        cause=verdict.cause,
        reason=verdict.reason,
        folder=_folder_name(item),
        repetition=item.stash[_repetition],
    )


def _info(item: pytest.Item) -> ScenarioInfo:
    info = info_of(item)
    if info is None:
        raise LookupError(f"{item.nodeid} asks for a scenario's fixture but has no @scenario mark.")
    return info


def session_of(item: pytest.Item) -> Session | None:
    """Return the nodes of a scenario that has run, or None if it never got to have any."""
    return item.stash.get(_session, None)


def _scenario_folder(item: pytest.Item) -> Path:
    variant = item.stash.get(_variant, None)
    folder = item.config.stash[_folder]
    return (folder / variant.name if variant else folder) / _folder_name(item)


def _folder_name(item: pytest.Item) -> str:
    scenario_id = _info(item).id
    repeated = item.config.stash[_settings].repeat > 1
    return f"{scenario_id}/{item.stash[_repetition]}" if repeated else scenario_id
