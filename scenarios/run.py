"""One run: scenarios in, a folder with results and an exit code out."""

import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from scenarios.backends import open_backend, ready_image
from scenarios.core.backends.base import Backend
from scenarios.core.backends.choose import Choice
from scenarios.core.sweep import of_run, sweep
from scenarios.discovery import Found, Turn, run_order
from scenarios.history import HISTORY, HistoryError, read_durations, remember
from scenarios.report.writing import write_report
from scenarios.reporter import Reporter, shown_path
from scenarios.results import RunInfo, new_run_folder, remove_old_runs
from scenarios.settings import DEFAULT_SEED, RunSettings
from scenarios.view import View, can_show, open_console

ROOT = Path(__file__).resolve().parent.parent
RUNS = "runs"

PASSED, FAILED, USAGE, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 130
_PYTEST_CODES: Mapping[int, int] = {
    pytest.ExitCode.OK: PASSED,
    pytest.ExitCode.TESTS_FAILED: FAILED,
    pytest.ExitCode.INTERRUPTED: INTERRUPTED,
    pytest.ExitCode.USAGE_ERROR: USAGE,
}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a person asked for."""

    jobs: int
    keep: bool = False
    pcap: bool = False
    timeout_factor: float = 1.0
    seed: int = DEFAULT_SEED
    repeat: int = 1
    until_fail: bool = False  # the first failure ends the run
    random_order: bool = False  # drawn from the seed
    verbosity: int = 0
    colour: bool = True  # where a terminal shows it
    peer_command: tuple[str, ...] = ()
    peer_image: str = ""
    root: Path = ROOT
    say_of_image: Callable[[str], None] = print  # takes each line of an image being built

    @property
    def runs(self) -> Path:
        """Where run folders are."""
        return self.root / RUNS

    @property
    def history(self) -> Path:
        """Where the history of earlier runs is."""
        return self.root / HISTORY

    @property
    def peer(self) -> str:
        """The option that names a foreign peer, or ""."""
        if self.peer_image:
            return f"--peer-image {shlex.quote(self.peer_image)}"
        command = shlex.join(self.peer_command)
        return f"--peer-command {shlex.quote(command)}" if command else ""


def run_scenarios(request: RunRequest, choice: Choice, chosen: Mapping[str, Found]) -> int:
    """Run scenarios on one backend and return the exit code; no node of the run is left then.

    Raises BackendError when the backend cannot be made ready.
    """
    folder = new_run_folder(request.runs, choice.name)
    jobs = max(1, min(request.jobs, len(chosen) * request.repeat))
    if request.verbosity >= 0:
        print(
            f"{len(chosen)} scenario{'' if len(chosen) == 1 else 's'} on {choice.name}, "
            f"{_how(request)}{jobs} at once, into {shown_path(folder)}\n{choice.reason}",
            flush=True,
        )
    settings = RunSettings(
        run_id=folder.name,
        backend=choice.name,
        clock_start=time.monotonic(),
        image=ready_image(request.say_of_image) if choice.name == "docker" else "",
        keep=request.keep,
        pcap=request.pcap,
        timeout_factor=request.timeout_factor,
        seed=request.seed,
        repeat=request.repeat,
        peer_command=request.peer_command,
        peer_image=request.peer_image,
    )
    settings.save(folder)
    remove_old_runs(request.runs, spare=[folder])
    info = RunInfo(folder.name, choice.name, request.seed, versions(settings), peer=request.peer)
    durations = _durations(request.history, info.on)
    turns = run_order(
        chosen.values(),
        durations,
        repeat=request.repeat,
        shuffle_seed=request.seed if request.random_order else None,
    )
    with open_console(colour=request.colour) as console:
        shown = request.verbosity >= 0 and can_show(console)
        view = View(console, turns, durations, jobs) if shown else None
        reporter = Reporter(folder, info, turns, console, view, request.repeat, request.verbosity)
        try:
            with terminate_like_ctrl_c(), view or nullcontext():
                code = pytest.main(_arguments(request, folder, jobs, turns), plugins=[reporter])
        finally:
            # Workers remove what is theirs; this is for those that were killed.
            sweep(of_run(settings.run_id))
            reporter.store()
            write_report(folder)
            _remember(request.history, info, reporter)
    if code == pytest.ExitCode.INTERRUPTED and request.until_fail and reporter.any_failed:
        return FAILED  # the end that was asked for; xdist calls it an interruption
    # pytest's other codes (internal error, nothing collected) are never a success.
    return _PYTEST_CODES.get(int(code), FAILED)


def versions(settings: RunSettings) -> dict[str, str]:
    """Return what ran: the project, Python, the platform and what the backend stands on."""
    with open_backend(settings) as backend:
        below = backend.versions()
        if settings.pcap:
            _try_capture(backend)
    return {
        "project": version("peer-cli"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **below,
    }


def _how(request: RunRequest) -> str:
    parts = [
        f"{request.repeat} times each" if request.repeat > 1 else "",
        "until one fails" if request.until_fail else "",
        f"in the random order of seed {request.seed}" if request.random_order else "",
    ]
    return "".join(f"{part}, " for part in parts if part)


def _durations(history: Path, backend: str) -> dict[str, float]:
    # They only order scenarios, so a run goes without.
    try:
        return read_durations(history, backend)
    except HistoryError as error:
        print(error, file=sys.stderr, flush=True)
        return {}


def _remember(history: Path, info: RunInfo, reporter: Reporter) -> None:
    try:
        remember(history, info, reporter.in_order())
    except HistoryError as error:
        print(error, file=sys.stderr, flush=True)


def _try_capture(backend: Backend) -> None:
    # Better now than once in every scenario.
    with tempfile.TemporaryDirectory() as folder:
        backend.capture(backend.new_address(), Path(folder) / "try.pcap").stop()


def _arguments(request: RunRequest, folder: Path, jobs: int, turns: Sequence[Turn]) -> list[str]:
    return [
        *(turn.target for turn in turns),
        *scenario_arguments(request.root, folder, jobs),
        *("--quiet", "-rfE", "--override-ini=console_output_style=classic"),
        "--color=auto" if request.colour else "--color=no",
        "--tb=short" if request.verbosity > 0 else "--tb=no",
        f"--junitxml={folder / 'junit.xml'}",
        f"--override-ini=junit_suite_name=scenarios-{folder.name}",
        *(["--exitfirst"] if request.until_fail else []),
    ]


def scenario_arguments(root: Path, folder: Path, jobs: int) -> list[str]:
    """Return what pytest is told whenever it runs scenarios, ``jobs`` at once."""
    parallel = (
        # One at a time from the head of the list, so that longest first means that.
        ["--numprocesses", str(jobs), "--dist=load", "--maxschedchunk=1"]
        if jobs > 1
        else ["-p", "no:xdist"]
    )
    return [
        f"--rootdir={root}",
        *("-p", "scenarios.plugin", f"--scenario-run={folder}"),
        *("-p", "no:cacheprovider"),
        # The scenarios were imported to be found, before pytest could rewrite their asserts. No
        # loss: every expectation goes through their Checks.
        *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
        *parallel,
    ]


@contextmanager
def terminate_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM clean up too, as a CI system that gives up sends it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
