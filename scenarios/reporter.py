"""Shows and stores what the scenarios of one run come to. Lives in the process of the runner."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from scenarios.core.errors import CAUSES
from scenarios.discovery import Turn
from scenarios.ids import sort_key
from scenarios.results import REPORT, RunInfo, ScenarioResult, write_results
from scenarios.settings import DEFAULT_SEED
from scenarios.view import COLOURS, View


@dataclass
class Reporter:
    """A pytest plugin. pytest's own progress is silenced, its closing lines stay."""

    folder: Path
    info: RunInfo
    turns: Sequence[Turn]
    console: Console
    view: View | None = None  # what a terminal shows at its foot
    repeat: int = 1
    verbosity: int = 0  # -1: failures only; 1: starts and what each proves
    results: dict[tuple[str, int], ScenarioResult] = field(default_factory=dict)
    _failed_in: dict[str, str] = field(default_factory=dict)  # node ID to phase

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Have the terminal for oneself."""
        silence_xdist(session.config.pluginmanager)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count each scenario once, by its verdict, and print no letter for it.

        A failure counts where it happened, since pytest's summary quotes that phase. Asked more
        than once for a report, so the answer must not change.
        """
        if not isinstance(report, pytest.TestReport):
            return None
        if report.failed:
            first = self._failed_in.setdefault(report.nodeid, str(report.when))
            return ("failed", "", "FAILED") if first == report.when else ("", "", "")
        result = _result_of(report)
        if result is None or result.outcome == "failed":
            return ("", "", "")
        return ("passed" if result.outcome == "passed" else "skipped", "", "")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show what begins; say so if asked to."""
        turn = self._turn_of(nodeid)
        if turn and self.view:
            self.view.begins(turn, self.folder / turn.folder)
        if turn and self.verbosity > 0:
            info = turn.found.info
            self._write(f"{info.id} started: {info.name}: {info.proves}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show and store a scenario when its last phase is over."""
        result = _result_of(report)
        turn = self._turn_of(report.nodeid)
        if result is None and turn and _is_crash(report):
            result = ScenarioResult(
                turn.found.info.id,
                turn.found.info.name,
                "failed",
                0.0,
                failure=f"{report.longreprtext}\ncause: worker-died: {CAUSES['worker-died']}",
                cause="worker-died",
                folder=turn.folder,
                repetition=turn.repetition or 1,
            )
        if result is None:
            return
        if turn and self.view:
            self.view.ended(turn, result.outcome)
        self.results[result.id, result.repetition] = result
        self.store()
        self._show(result)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let pytest have the terminal for its closing lines, in their usual form."""
        if self.view:
            self.view.stop()
        session.config.option.verbose = 0

    def store(self) -> None:
        """Write what there is so far, so that it is there however the run ends."""
        write_results(self.folder, self.info, self.in_order())

    def in_order(self) -> list[ScenarioResult]:
        """Return the results so far, by ID and repetition."""
        return sorted(self.results.values(), key=lambda one: (*sort_key(one.id), one.repetition))

    @property
    def any_failed(self) -> bool:
        """Whether anything failed so far."""
        return any(result.outcome == "failed" for result in self.results.values())

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self) -> None:
        """Say where the report will be, and how often scenarios that were repeated passed."""
        if self.repeat > 1:
            for line in tally(self.in_order()):
                self._write(line)
        if self.verbosity >= 0 or self.any_failed:
            self._write(f"report: {shown_path(self.folder / REPORT)}")

    def _turn_of(self, nodeid: str) -> Turn | None:
        file, _, name = nodeid.partition("::")
        for turn in self.turns:
            if turn.name == name and turn.found.file.match(file):
                return turn
        return None

    def _show(self, result: ScenarioResult) -> None:
        if self.verbosity < 0 and result.outcome != "failed":
            return
        said = result.evidence if result.outcome == "passed" else result.reason
        tail = f" — {said}" if said else ""
        number = f" ({result.repetition} of {self.repeat})" if self.repeat > 1 else ""
        verdict = Text(f"{result.id:<3} ")
        verdict.append(f"{result.outcome:<12}", COLOURS[result.outcome])
        verdict.append(f"{result.duration_s:6.1f} s  {result.name}{number}{tail}")
        # Beside a view one line each: results.json has all of the evidence.
        brief = self.view is not None and self.verbosity == 0
        self._write(verdict, brief=brief)
        if result.outcome == "failed":
            for line in result.failure.splitlines():
                self._write(f"    {line}")
            self._write(f"    folder: {shown_path(self.folder / result.folder)}")
            self._write(f"    again:  {again_command(result.id, self.info)}")

    def _write(self, line: str | Text, *, brief: bool = False) -> None:
        text = Text(line) if isinstance(line, str) else line
        if brief:
            self.console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self.console.print(text, soft_wrap=True)


def silence_xdist(plugins: pytest.PytestPluginManager) -> None:
    """Keep xdist from telling the terminal of what it calls nodes."""
    if dsession := plugins.get_plugin("dsession"):
        dsession.terminal = None
        plugins.unregister(name="terminaldistreporter")


def again_command(ids: str, info: RunInfo) -> str:
    """Return the command that runs these scenarios of a run once more."""
    seeded = "" if info.seed == DEFAULT_SEED else f"--seed {info.seed}"
    words = ["./justw peer-cli-tests", ids, f"--backend {info.backend}", seeded, info.peer]
    return " ".join(filter(None, words))


def tally(results: Sequence[ScenarioResult]) -> list[str]:
    """Return how many turns of each scenario passed, and which failed, one line each."""
    lines = []
    for scenario_id, group in groupby(results, key=lambda result: result.id):
        turns = list(group)
        passed = sum(turn.outcome == "passed" for turn in turns)
        failed = [str(turn.repetition) for turn in turns if turn.outcome == "failed"]
        which = f"; failed: {', '.join(failed)}" if failed else ""
        lines.append(f"{scenario_id:<3} {passed} of {len(turns)} passed{which}")
    return lines


def shown_path(path: Path) -> str:
    """Return a path as short as the present folder allows."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _result_of(report: pytest.TestReport) -> ScenarioResult | None:
    fields = getattr(report, "scenario", None)
    return ScenarioResult(**fields) if fields else None


def _is_crash(report: pytest.TestReport) -> bool:
    """Whether this stands for a worker that died: such a report belongs to no phase."""
    return report.failed and str(report.when) not in {"setup", "call", "teardown"}
