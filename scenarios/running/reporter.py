"""Shows and stores the results of a run's scenarios. Lives in the runner's process."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from scenarios.core.errors import CAUSES
from scenarios.family.discovery import Turn
from scenarios.family.ids import sort_key
from scenarios.results.keeping import WORK, WORTH_SAYING, human_size, size_on_disk
from scenarios.results.results import (
    REPORT,
    RunEnd,
    RunInfo,
    RunResults,
    ScenarioResult,
    again_command,
    run_outcome,
    write_results,
)
from scenarios.terminal.view import COLOURS, View

# Outcomes that pytest's closing line counts besides its own.
CUT_OFF, NOT_BEGUN = "cut off", "not begun"


@dataclass(kw_only=True, eq=False)  # pytest hashes its plugins
class Recorder:
    """A pytest plugin that stores the results of scenarios."""

    folder: Path
    info: RunInfo
    turns: Sequence[Turn]
    interrupted: Callable[[], bool] = lambda: False  # by a signal
    until_fail: bool = False  # the first failure ends the run
    results: dict[tuple[str, int], ScenarioResult] = field(default_factory=dict)
    begun: set[Turn] = field(default_factory=set)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Record that a scenario begins."""
        if turn := self.turn_of(nodeid):
            self.begun.add(turn)
            self.store()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store a scenario's result when its last phase is over."""
        result = _result_of(report)
        turn = self.turn_of(report.nodeid)
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
        self.results[result.id, result.repetition] = result
        self.store()
        self.over(turn, result)

    def over(self, turn: Turn | None, result: ScenarioResult) -> None:
        """Hook for subclasses, called when a scenario is over."""

    def unfinished(self) -> tuple[list[Turn], list[Turn]]:
        """Return the turns that began but did not finish, and those that did not begin."""
        missing = [
            turn
            for turn in self.turns
            if (turn.found.info.id, turn.repetition or 1) not in self.results
        ]
        return (
            [turn for turn in missing if turn in self.begun],
            [turn for turn in missing if turn not in self.begun],
        )

    @property
    def end(self) -> RunEnd:
        """How the run ended; call it at the end."""
        if self.interrupted():
            return "interrupted"
        return "stopped" if self.until_fail and self.any_failed else "finished"

    def store(self, end: RunEnd = "underway") -> RunResults:
        """Write the results so far, so that they survive any end of the run."""
        cut_off, not_begun = self.unfinished()
        return write_results(
            self.folder,
            self.info,
            self.in_order(),
            ended=end,
            cut_off=[turn.folder for turn in cut_off],
            not_begun=[turn.folder for turn in not_begun],
        )

    def in_order(self) -> list[ScenarioResult]:
        """Return the results so far, by ID and repetition."""
        return sorted(self.results.values(), key=lambda one: (*sort_key(one.id), one.repetition))

    @property
    def any_failed(self) -> bool:
        """Whether anything failed so far."""
        return any(result.outcome == "failed" for result in self.results.values())

    def turn_of(self, nodeid: str) -> Turn | None:
        """Return the turn with this pytest node ID."""
        file, _, name = nodeid.partition("::")
        for turn in self.turns:
            if turn.name == name and turn.found.file.match(file):
                return turn
        return None


@dataclass(kw_only=True, eq=False)
class Reporter(Recorder):
    """Also shows the results. Replaces pytest's progress, but not its closing lines."""

    console: Console
    view: View | None = None  # the progress view at the foot of a terminal
    repeat: int = 1
    verbosity: int = 0  # -1: only failures; 1: also starts and what each proves
    _failed_in: dict[str, str] = field(default_factory=dict)  # node ID to phase

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take over the terminal from pytest's own reporter."""
        silence_xdist(session.config.pluginmanager)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count each scenario once, by its outcome, and print no letter for it.

        A failure counts in the phase where it happened, since pytest's summary quotes that phase.
        pytest may call this more than once per report, so the answer must not change.
        """
        if not isinstance(report, pytest.TestReport):
            return None
        if unfinished := getattr(report, "unfinished", ""):
            return (unfinished, "", "")
        if report.failed:
            first = self._failed_in.setdefault(report.nodeid, str(report.when))
            return ("failed", "", "FAILED") if first == report.when else ("", "", "")
        result = _result_of(report)
        if result is None or result.outcome == "failed":
            return ("", "", "")
        return ("passed" if result.outcome == "passed" else "skipped", "", "")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show that a scenario begins; print it if verbose."""
        super().pytest_runtest_logstart(nodeid)
        turn = self.turn_of(nodeid)
        if turn and self.view:
            self.view.begins(turn, self.folder / turn.folder)
        if turn and self.verbosity > 0:
            info = turn.found.info
            self._write(f"{info.id} started: {info.name}: {info.proves}")

    def over(self, turn: Turn | None, result: ScenarioResult) -> None:
        """Show a scenario's result."""
        if turn and self.view:
            self.view.ended(turn, result.outcome)
        self._show(result)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """List the turns that did not finish, and let pytest print its usual closing lines.

        Turns that were cut off or never began count there, and as failures in JUnit's file.
        """
        if self.view:
            self.view.stop()
        session.config.option.verbose = 0
        cut_off, not_begun = self.unfinished()
        ends = dict.fromkeys(cut_off, CUT_OFF)
        if self.end != "stopped":
            ends |= dict.fromkeys(not_begun, NOT_BEGUN)
        for turn, end in ends.items():
            report = _unfinished(session, turn, end)
            session.config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self) -> None:
        """Print where the report will be, and how often repeated scenarios passed."""
        if self.repeat > 1:
            for line in tally(self.in_order()):
                self._write(line)
        outcome = run_outcome(self.store(self.end))
        if outcome.verdict != "passed":
            self._write(Text(outcome.text, COLOURS["failed"]))
        if self.verbosity >= 0 or outcome.verdict != "passed":
            self._write(f"report: {shown_path(self.folder / REPORT)}")

    def _show(self, result: ScenarioResult) -> None:
        if self.verbosity < 0 and result.outcome != "failed":
            return
        said = result.evidence if result.outcome == "passed" else result.reason
        tail = f" — {said}" if said else ""
        number = f" ({result.repetition} of {self.repeat})" if self.repeat > 1 else ""
        verdict = Text(f"{result.id:<3} ")
        verdict.append(f"{result.outcome:<12}", COLOURS[result.outcome])
        verdict.append(f"{result.duration_s:6.1f} s  {result.name}{number}{tail}")
        # With a view only one line each: results.json has all of the evidence.
        brief = self.view is not None and self.verbosity == 0
        self._write(verdict, brief=brief)
        if result.outcome == "failed":
            for line in result.failure.splitlines():
                self._write(f"    {line}")
            work = self.folder / result.folder / WORK
            self._write(f"    folder: {shown_path(self.folder / result.folder)}")
            if (size := size_on_disk(work)) >= WORTH_SAYING:
                self._write(f"    files:  {human_size(size)} of its nodes' are kept in {WORK}/")
            self._write(f"    again:  {again_command(result.id, self.info)}")

    def _write(self, line: str | Text, *, brief: bool = False) -> None:
        text = Text(line) if isinstance(line, str) else line
        if brief:
            self.console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self.console.print(text, soft_wrap=True)


@dataclass(kw_only=True, eq=False)
class PlainReporter(Recorder):
    """Leaves the terminal to pytest; only adds where the report will be."""

    def pytest_keyboard_interrupt(self) -> None:
        """Record that the run was interrupted."""
        self.interrupted = lambda: True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print where the report will be."""
        terminalreporter.write_line(f"report: {shown_path(self.folder / REPORT)}")


def _unfinished(session: pytest.Session, turn: Turn, end: str) -> pytest.TestReport:
    """Return a report for a turn that did not finish."""
    file = turn.found.file
    inside = file.is_relative_to(session.config.rootpath)
    name = file.relative_to(session.config.rootpath) if inside else file
    report = pytest.TestReport(
        nodeid=f"{name}::{turn.name}",
        location=(str(name), None, turn.name),
        keywords={},
        outcome="failed",
        longrepr=f"{end}: the run ended before it",
        when="call",
    )
    vars(report)["unfinished"] = end
    return report


def silence_xdist(plugins: pytest.PytestPluginManager) -> None:
    """Suppress xdist's own messages about its workers."""
    if dsession := plugins.get_plugin("dsession"):
        dsession.terminal = None
        plugins.unregister(name="terminaldistreporter")


def tally(results: Sequence[ScenarioResult]) -> list[str]:
    """Return, one line per scenario, how many turns passed and which failed."""
    lines = []
    for scenario_id, group in groupby(results, key=lambda result: result.id):
        turns = list(group)
        passed = sum(turn.outcome == "passed" for turn in turns)
        failed = [str(turn.repetition) for turn in turns if turn.outcome == "failed"]
        which = f"; failed: {', '.join(failed)}" if failed else ""
        lines.append(f"{scenario_id:<3} {passed} of {len(turns)} passed{which}")
    return lines


def shown_path(path: Path) -> str:
    """Return a path relative to the current folder, if it is below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _result_of(report: pytest.TestReport) -> ScenarioResult | None:
    fields = getattr(report, "scenario", None)
    return ScenarioResult(**fields) if fields else None


def _is_crash(report: pytest.TestReport) -> bool:
    """Whether this report is for a worker that died; it belongs to no phase."""
    return report.failed and str(report.when) not in {"setup", "call", "teardown"}
