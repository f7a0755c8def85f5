"""Shows and stores what the scenarios of one run come to. Lives in the process of the runner."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scenarios.discovery import Found
from scenarios.ids import sort_key
from scenarios.results import RunInfo, ScenarioResult, write_results

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow", "unsupported": "yellow"}


@dataclass
class Reporter:
    """A pytest plugin. pytest's own progress is silenced, its closing lines stay."""

    folder: Path
    info: RunInfo
    scenarios: Mapping[str, Found]
    verbosity: int = 0  # -1: failures only; 1: starts and what each proves
    results: dict[str, ScenarioResult] = field(default_factory=dict)
    _failed_in: dict[str, str] = field(default_factory=dict)  # node ID to phase
    _terminal: pytest.TerminalReporter | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take the terminal, and keep xdist from telling there of what it calls nodes."""
        plugins = session.config.pluginmanager
        self._terminal = plugins.get_plugin("terminalreporter")
        if dsession := plugins.get_plugin("dsession"):
            dsession.terminal = None
            plugins.unregister(name="terminaldistreporter")

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
        """Say what begins, if asked to."""
        found = self._by_node(nodeid)
        if self.verbosity > 0 and found:
            self._write(f"{found.info.id} started: {found.info.name}: {found.info.proves}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show and store a scenario when its last phase is over."""
        result = _result_of(report)
        found = self._by_node(report.nodeid)
        if result is None and found and _is_crash(report):
            result = ScenarioResult(
                found.info.id, found.info.name, "failed", 0.0, failure=report.longreprtext
            )
        if result is None:
            return
        self.results[result.id] = result
        self.store()
        self._show(result)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let pytest's closing line have its usual form, however little was asked for before."""
        session.config.option.verbose = 0

    def store(self) -> None:
        """Write what there is so far, so that it is there however the run ends."""
        write_results(self.folder, self.info, self.in_order())

    def in_order(self) -> list[ScenarioResult]:
        """Return the results so far, by ID."""
        return [self.results[key] for key in sorted(self.results, key=sort_key)]

    def _by_node(self, nodeid: str) -> Found | None:
        file, _, function = nodeid.partition("::")
        for found in self.scenarios.values():
            if found.function == function and found.file.match(file):
                return found
        return None

    def _show(self, result: ScenarioResult) -> None:
        if self.verbosity < 0 and result.outcome != "failed":
            return
        said = result.evidence if result.outcome == "passed" else result.reason
        tail = f" — {said}" if said else ""
        self._write(f"{result.id:<4}", end="")
        self._write(f"{result.outcome:<12}", end="", colour=_COLOURS[result.outcome])
        self._write(f"{result.duration_s:6.1f} s  {result.name}{tail}")
        if result.outcome == "failed":
            for line in result.failure.splitlines():
                self._write(f"    {line}")
            self._write(f"    folder: {shown_path(self.folder / result.folder)}")
            self._write(
                f"    again:  {again_command(result.id, self.info.backend, self.info.peer)}"
            )

    def _write(self, text: str, *, end: str = "\n", colour: str | None = None) -> None:
        if self._terminal is not None:
            self._terminal.write(text + end, flush=True, **({colour: True} if colour else {}))


def again_command(ids: str, backend: str, peer: str = "") -> str:
    """Return the command that runs these scenarios once more; ``peer`` names a foreign peer."""
    return " ".join(filter(None, ["./justw peer-cli-tests", ids, f"--backend {backend}", peer]))


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
