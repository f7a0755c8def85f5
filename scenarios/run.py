"""One run: scenarios in, a folder with results and an exit code out."""

import platform
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from scenarios.backends import open_backend, ready_image
from scenarios.core.backends.choose import Choice
from scenarios.core.sweep import of_run, sweep
from scenarios.discovery import Found, run_order
from scenarios.reporter import Reporter, shown_path
from scenarios.results import (
    RunInfo,
    new_run_folder,
    read_durations,
    remember_durations,
    remove_old_runs,
)
from scenarios.settings import RunSettings

ROOT = Path(__file__).resolve().parent.parent

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
    timeout_factor: float = 1.0
    seed: int = 1
    verbosity: int = 0
    peer_command: tuple[str, ...] = ()
    peer_image: str = ""
    root: Path = ROOT
    say_of_image: Callable[[str], None] = print  # takes each line of an image being built

    @property
    def runs(self) -> Path:
        """Where run folders are."""
        return self.root / "runs"

    @property
    def peer(self) -> str:
        """The option that names a foreign peer, or ""."""
        if self.peer_image:
            return f"--peer-image {shlex.quote(self.peer_image)}"
        command = shlex.join(self.peer_command)
        return f"--peer-command {shlex.quote(command)}" if command else ""

    @property
    def durations(self) -> Path:
        """Where the durations of earlier runs are."""
        return self.root / ".cache" / "durations.json"


def run_scenarios(request: RunRequest, choice: Choice, chosen: Mapping[str, Found]) -> int:
    """Run scenarios on one backend and return the exit code; no node of the run is left then.

    Raises BackendError when the backend cannot be made ready.
    """
    folder = new_run_folder(request.runs, choice.name)
    jobs = max(1, min(request.jobs, len(chosen)))
    if request.verbosity >= 0:
        print(
            f"{len(chosen)} scenario{'' if len(chosen) == 1 else 's'} on {choice.name}, "
            f"{jobs} at once, into {shown_path(folder)}\n{choice.reason}",
            flush=True,
        )
    settings = RunSettings(
        run_id=folder.name,
        backend=choice.name,
        clock_start=time.monotonic(),
        image=ready_image(request.say_of_image) if choice.name == "docker" else "",
        keep=request.keep,
        timeout_factor=request.timeout_factor,
        seed=request.seed,
        peer_command=request.peer_command,
        peer_image=request.peer_image,
    )
    settings.save(folder)
    remove_old_runs(request.runs, spare=[folder])
    info = RunInfo(folder.name, choice.name, request.seed, versions(settings), peer=request.peer)
    reporter = Reporter(folder, info, chosen, request.verbosity)
    ordered = run_order(chosen.values(), read_durations(request.durations, choice.name))
    try:
        with terminate_like_ctrl_c():
            code = pytest.main(_arguments(request, folder, jobs, ordered), plugins=[reporter])
    finally:
        # Workers remove what is theirs; this is for those that were killed.
        sweep(of_run(settings.run_id))
        reporter.store()
        remember_durations(request.durations, choice.name, reporter.in_order())
    # pytest's other codes (internal error, nothing collected) are never a success.
    return _PYTEST_CODES.get(int(code), FAILED)


def versions(settings: RunSettings) -> dict[str, str]:
    """Return what ran: the project, Python, the platform and what the backend stands on."""
    with open_backend(settings) as backend:
        below = backend.versions()
    return {
        "project": version("peer-cli"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **below,
    }


def _arguments(request: RunRequest, folder: Path, jobs: int, ordered: Sequence[Found]) -> list[str]:
    parallel = (
        # One at a time from the head of the list, so that longest first means that.
        ["--numprocesses", str(jobs), "--dist=load", "--maxschedchunk=1"]
        if jobs > 1
        else ["-p", "no:xdist"]
    )
    return [
        *(found.target for found in ordered),
        f"--rootdir={request.root}",
        *("-p", "scenarios.plugin", f"--scenario-run={folder}"),
        *("-p", "no:cacheprovider"),
        # The scenarios were imported to be found, before pytest could rewrite their asserts. No
        # loss: every expectation goes through their Checks.
        *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
        *("--quiet", "-rfE", "--override-ini=console_output_style=classic"),
        "--tb=short" if request.verbosity > 0 else "--tb=no",
        f"--junitxml={folder / 'junit.xml'}",
        f"--override-ini=junit_suite_name=scenarios-{folder.name}",
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
