"""One run of scenarios, which yields a folder with results and an exit code."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from scenarios.core.backends.base import Backend, BackendError
from scenarios.core.label import own_label
from scenarios.core.sweep import of_run, sweep
from scenarios.family.discovery import Found, Turn, run_order
from scenarios.family.family import Family, Foreign, as_options
from scenarios.report.writing import write_report
from scenarios.results.history import HISTORY, HistoryError, read_durations, read_work, remember
from scenarios.results.keeping import (
    WORTH_SAYING,
    human_size,
    remove_dead_work,
    remove_old_runs,
    remove_work,
)
from scenarios.results.results import (
    DEFAULT_SEED,
    RunInfo,
    RunResults,
    RunVerdict,
    new_run_folder,
    run_outcome,
)
from scenarios.root import ROOT
from scenarios.running.backends import Choice, open_backend, ready_images
from scenarios.running.probe import try_foreign
from scenarios.running.reporter import Recorder, Reporter, shown_path
from scenarios.running.settings import RunSettings
from scenarios.running.signals import end_once
from scenarios.terminal.view import View, can_show, open_console

RUNS = "runs"
_NO_OTHER_PLUGINS = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"

PASSED, FAILED, USAGE, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES: Mapping[RunVerdict, int] = {
    "passed": PASSED,
    "failed": FAILED,
    "interrupted": INTERRUPTED,
}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The user's request."""

    jobs: int
    keep: bool = False
    pcap: bool = False
    timeout_factor: float = 1.0
    seed: int = DEFAULT_SEED
    repeat: int = 1
    full_length: bool = False
    until_fail: bool = False  # the first failure ends the run
    random_order: bool = False  # depends on the seed
    verbosity: int = 0
    colour: bool = True  # if the terminal supports it
    foreign: Mapping[str, Foreign] = field(default_factory=dict)  # by family and program
    command: str = ""  # the command line, for the record
    full: bool = False  # all scenarios are selected
    root: Path = ROOT
    say_of_image: Callable[[str], None] = print  # gets each line of an image's build

    @property
    def runs(self) -> Path:
        """The folder of the run folders."""
        return self.root / RUNS

    @property
    def history(self) -> Path:
        """The file with the history of runs."""
        return self.root / HISTORY


class Run(NamedTuple):
    """A run that has started."""

    folder: Path
    settings: RunSettings
    info: RunInfo


def run_scenarios(request: RunRequest, choice: Choice, chosen: Mapping[str, Found]) -> int:
    """Run scenarios on one backend and return the exit code; removes all its nodes.

    Raises BackendError if the backend cannot be prepared.
    """
    jobs = max(1, min(request.jobs, len(chosen) * request.repeat))
    folder = new_run_folder(request.runs, choice.name)
    if request.verbosity >= 0:
        print(
            f"{len(chosen)} scenario{'' if len(chosen) == 1 else 's'} on {choice.name}, "
            f"{_how(request)}{jobs} at once, into {shown_path(folder)}\n{choice.reason}",
            flush=True,
        )
    run = begin_run(request, choice, {found.family for found in chosen.values()}, folder)
    durations = _durations(request.history, run.info.on)
    _require_space(request, choice, run, chosen, jobs)
    turns = run_order(
        chosen.values(),
        durations,
        repeat=request.repeat,
        shuffle_seed=request.seed if request.random_order else None,
    )
    with end_once() as interruption, open_console(colour=request.colour) as console:
        shown = request.verbosity >= 0 and can_show(console)
        view = View(console, turns, durations, jobs) if shown else None
        reporter = Reporter(
            folder=folder,
            info=run.info,
            turns=turns,
            console=console,
            view=view,
            repeat=request.repeat,
            verbosity=request.verbosity,
            interrupted=lambda: interruption.came,
            until_fail=request.until_fail,
        )
        reporter.store()
        try:
            with view or nullcontext():
                run_pytest(_arguments(request, folder, jobs, turns), reporter)
        finally:
            results = end_run(request, run, reporter)
    return EXIT_CODES[run_outcome(results).verdict]


def begin_run(
    request: RunRequest, choice: Choice, families: Collection[Family], folder: Path | None = None
) -> Run:
    """Prepare a run: its folder, unless it exists, its images and its settings.

    Raises BackendError.
    """
    folder = folder or new_run_folder(request.runs, choice.name)
    settings = RunSettings(
        run_id=folder.name,
        runner=str(own_label(folder.name)),
        backend=choice.name,
        clock_start=time.monotonic(),
        images=(ready_images(families, request.say_of_image) if choice.name == "docker" else {}),
        keep=request.keep,
        pcap=request.pcap,
        timeout_factor=request.timeout_factor,
        seed=request.seed,
        repeat=request.repeat,
        full_length=request.full_length,
        foreign=request.foreign,
    )
    settings.save(folder)
    remove_dead_work(request.runs)
    remove_old_runs(request.runs, spare=[folder])
    commit, dirty = project_state(ROOT)
    info = RunInfo(
        folder.name,
        choice.name,
        request.seed,
        try_out(settings, families, folder / "tried"),
        peer=as_options(request.foreign),
        command=request.command,
        commit=commit,
        dirty=dirty,
        full=request.full,
        full_length=request.full_length,
    )
    return Run(folder, settings, info)


def end_run(request: RunRequest, run: Run, recorder: Recorder) -> RunResults:
    """Remove leftovers of a run, write its results, and return them."""
    # Workers clean up themselves; this is for workers that were killed.
    sweep(of_run(run.settings.run_id))
    results = recorder.store(recorder.end)
    if not run.settings.keep:
        remove_work(run.folder, results.cut_off)
    write_report(run.folder)
    _remember(request.history, results)
    return results


def _require_space(
    request: RunRequest, choice: Choice, run: Run, chosen: Mapping[str, Found], jobs: int
) -> None:
    """Print how much disk the run will need, by earlier runs, and check that it is free.

    Raises BackendError.
    """
    try:
        took = read_work(request.history, run.info.on)
    except HistoryError:
        return  # reported when the durations are read
    alone = [took.get(key, 0) for key, found in chosen.items() if found.info.measures]
    together = sorted((took.get(key, 0) for key in chosen), reverse=True)[:jobs]
    need = max([sum(together), *alone])
    if need < WORTH_SAYING:
        return
    free = shutil.disk_usage(run.folder).free
    if request.verbosity >= 0:
        print(f"It will need up to {human_size(need)} of disk while it runs.", flush=True)
    if free < need:
        raise BackendError(
            f"The run needs up to {human_size(need)} in {run.folder.parent}, where only "
            f"{human_size(free)} are free. Free some (`./justw peer-cli-clean --runs` removes old "
            "runs), or run fewer at once: -j 1."
        )


def try_out(settings: RunSettings, families: Iterable[Family], scratch: Path) -> dict[str, str]:
    """Try once what all scenarios need; return the versions of the project and its platform.

    Raises BackendError.
    """
    with open_backend(settings) as backend:
        below = backend.versions()
        try_foreign(settings, families, backend, scratch)
        if settings.pcap:
            _try_capture(backend)
    return {
        "project": version("peer-cli"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **below,
    }


def project_state(root: Path) -> tuple[str, bool]:
    """Return the commit of the working tree ("" without git), and whether files differ from it."""
    said = []
    for words in (["rev-parse", "HEAD"], ["status", "--porcelain"]):
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return "", False
        said.append(done.stdout.strip())
    return said[0], bool(said[1])


def _how(request: RunRequest) -> str:
    parts = [
        f"{request.repeat} times each" if request.repeat > 1 else "",
        "until one fails" if request.until_fail else "",
        "at full length" if request.full_length else "",
        f"in the random order of seed {request.seed}" if request.random_order else "",
    ]
    return "".join(f"{part}, " for part in parts if part)


def _durations(history: Path, backend: str) -> dict[str, float]:
    # They only order scenarios, so a run works without them.
    try:
        return read_durations(history, backend)
    except HistoryError as error:
        print(error, file=sys.stderr, flush=True)
        return {}


def _remember(history: Path, results: RunResults) -> None:
    try:
        remember(history, results)
    except HistoryError as error:
        print(error, file=sys.stderr, flush=True)


def _try_capture(backend: Backend) -> None:
    # Better once now than in every scenario.
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


def run_pytest(arguments: list[str], plugin: object) -> None:
    """Run pytest with no plugins but its own and the runner's.

    Others that are installed cost a second at each start, and might change what scenarios come to.
    """
    before = os.environ.get(_NO_OTHER_PLUGINS)
    os.environ[_NO_OTHER_PLUGINS] = "1"  # the workers inherit it
    try:
        pytest.main(arguments, plugins=[plugin])
    finally:
        if before is None:
            del os.environ[_NO_OTHER_PLUGINS]
        else:
            os.environ[_NO_OTHER_PLUGINS] = before


def scenario_arguments(root: Path, folder: Path, jobs: int) -> list[str]:
    """Return pytest's arguments for scenarios, ``jobs`` at once."""
    parallel = (
        # One at a time from the head of the list, to keep the longest first.
        ["-p", "xdist.plugin", "--numprocesses", str(jobs), "--dist=load", "--maxschedchunk=1"]
        if jobs > 1
        else []
    )
    return [
        f"--rootdir={root}",
        "--pyargs",  # items are named by module
        *("-p", "scenarios.running.plugin", f"--scenario-run={folder}"),
        *("-p", "no:cacheprovider"),
        *("-p", "pytest_timeout"),
        # Every expectation is a check, so no assert needs the rewriting that workers would do.
        "--assert=plain",
        # What goes wrong in a thread or a finalizer, Python says at once. Pytest would say it at
        # the end, and collect all garbage five times before.
        *("-p", "no:unraisableexception", "-p", "no:threadexception"),
        *parallel,
    ]
