"""One audit of mutants and scenarios, which yields a kill matrix, a page and an exit code."""

import difflib
import shutil
import sys
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scenarios.audit.kill_matrix import KillMatrix, intended_checks, kill_matrix, told
from scenarios.audit.mutant import (
    Mutant,
    MutantError,
    make_programs,
    mutants_of,
    program_of,
)
from scenarios.audit.page import page
from scenarios.audit.pairs import UNCHANGED, Pair, PairResult, judge
from scenarios.audit.plugin import PROGRAMS, save_pairs
from scenarios.core.label import own_label
from scenarios.core.sweep import of_run, sweep
from scenarios.family.discovery import Found, Turn
from scenarios.results.history import HISTORY, read_pair_durations, remember_pairs
from scenarios.results.keeping import remove_old_runs
from scenarios.results.results import new_run_folder, write_json
from scenarios.root import ROOT
from scenarios.running.reporter import shown_path, silence_xdist
from scenarios.running.run import (
    FAILED,
    INTERRUPTED,
    PASSED,
    run_pytest,
    scenario_arguments,
)
from scenarios.running.settings import RunSettings
from scenarios.running.signals import end_once

MATRIX, PAGE = "kill-matrix.json", "kill-matrix.html"
UNPROVEN_SHOWN = 40
_COLOURS = {
    "killed": "green", "killed-otherwise": "red", "crashed": "red", "survived": "red",
    "skipped": "yellow",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The user's request.

    With all mutants of its scenarios, an audit reports which checks are unproven; with all
    scenarios too, an unproven check is a failure.
    """

    jobs: int
    all_scenarios: bool
    all_mutants: bool
    full: bool = False
    keep: bool = False
    timeout_factor: float = 1.0
    verbosity: int = 0
    root: Path = ROOT

    @property
    def history(self) -> Path:
        """The file with the durations of earlier pairs."""
        return self.root / HISTORY


def run_audit(request: AuditRequest, mutants: Sequence[Mutant], chosen: Mapping[str, Found]) -> int:
    """Run the pairs of these mutants and scenarios, as processes, and return the exit code.

    Raises MutantError if a mutant is invalid.
    """
    pairs = pairs_of(mutants, chosen, full=request.full)
    folder = new_run_folder(request.root / "runs", "audit", latest="latest-audit")
    began = time.monotonic()
    print(
        f"{len(mutants)} mutants and the unchanged programs under {len(chosen)} scenarios: "
        f"{len(pairs)} pairs, {request.jobs} at once, into {shown_path(folder)}",
        flush=True,
    )
    for (letter, packages), of_program in _by_program(mutants).items():
        make_programs(of_program, packages, folder / PROGRAMS / letter)
    settings = RunSettings(
        run_id=folder.name,
        runner=str(own_label(folder.name)),
        backend="process",
        clock_start=time.monotonic(),
        keep=request.keep,
        timeout_factor=request.timeout_factor,
    )
    settings.save(folder)
    durations = read_pair_durations(request.history)
    alone = {
        pair
        for mutant in mutants
        if mutant.alone
        for pair in _pairs_of_mutant(mutant, chosen, full=request.full)
    }
    save_pairs(folder, in_order(pairs, chosen, durations, alone))
    remove_old_runs(request.root / "runs", spare=[folder])
    reporter = PairReporter(intended_checks(mutants), len(pairs), request.verbosity)
    try:
        with end_once() as interruption:
            run_pytest(_arguments(request, folder, chosen), reporter)
    finally:
        sweep(of_run(settings.run_id))
        if not request.keep:
            shutil.rmtree(folder / PROGRAMS, ignore_errors=True)
    if interruption.came:
        ran = len(reporter.outcomes)
        print(f"interrupted: {ran} of {len(pairs)} pairs were run, so nothing is proven")
        return INTERRUPTED
    names = {key: found.info.name for key, found in chosen.items()}
    matrix = kill_matrix(
        mutants,
        names,
        reporter.outcomes,
        whole=request.all_scenarios and request.all_mutants,
    )
    lost = sorted(map(str, set(pairs) - {outcome.pair for outcome in reporter.outcomes}))
    write_json(folder / MATRIX, matrix.document())
    (folder / PAGE).write_text(page(matrix, folder.name), encoding="utf-8")
    remember_pairs(request.history, {str(one.pair): one.duration_s for one in reporter.outcomes})
    _say_summary(matrix, lost, folder, time.monotonic() - began)
    if request.all_mutants and not matrix.whole:
        _say_unproven(matrix)
    return FAILED if matrix.problems or lost else PASSED


def select(
    names: Sequence[str], scenarios: Mapping[str, Found], *, full: bool
) -> tuple[list[Mutant], dict[str, Found]]:
    """Return the mutants with these names (default: all), and the scenarios to run them with.

    A name selects the mutants of all families of the scenarios that have one so called. Raises
    MutantError for an unknown name, and if no mutant remains.
    """
    families = dict.fromkeys(found.family for found in scenarios.values())
    known = [mutant for family in families for mutant in mutants_of(family).values()]
    for name in names:
        if name not in (called := [mutant.name for mutant in known]):
            near = difflib.get_close_matches(name, called, n=5)
            raise MutantError(f"There is no mutant {name}. Near ones: {', '.join(near) or 'none'}.")
    mutants = [
        mutant
        for mutant in known
        if (not names or mutant.name in names)
        and (full or scenarios.keys() & mutant.noticed_by.keys())
    ]
    meant = {scenario for mutant in mutants for scenario in mutant.noticed_by}
    if not mutants:
        which = " or ".join(names) if names else "any mutant"
        raise MutantError(
            f"Nothing to prove: {', '.join(scenarios)} {'is' if len(scenarios) == 1 else 'are'} "
            f"not meant to notice {which}. Name others, or write a mutant; mutants/__init__.py of "
            "the family says how."
        )
    every = full or not names
    return mutants, {key: one for key, one in scenarios.items() if every or key in meant}


def pairs_of(mutants: Sequence[Mutant], chosen: Mapping[str, Found], *, full: bool) -> list[Pair]:
    """Return the pairs to run: the intended ones or all, and one per scenario without a mutant."""
    return [Pair(UNCHANGED, scenario) for scenario in chosen] + [
        pair for mutant in mutants for pair in _pairs_of_mutant(mutant, chosen, full=full)
    ]


def _pairs_of_mutant(mutant: Mutant, scenarios: Iterable[str], *, full: bool) -> list[Pair]:
    return [
        Pair(mutant.name, scenario)
        for scenario in scenarios
        if scenario in mutant.noticed_by or (full and scenario.startswith(mutant.letter))
    ]


def _by_program(mutants: Sequence[Mutant]) -> dict[tuple[str, tuple[Path, ...]], list[Mutant]]:
    """Return the mutants by their family's letter and their program's packages."""
    found: dict[tuple[str, tuple[Path, ...]], list[Mutant]] = {}
    for mutant in mutants:
        found.setdefault((mutant.letter, program_of(mutant).packages), []).append(mutant)
    return found


def in_order(
    pairs: Sequence[Pair],
    chosen: Mapping[str, Found],
    durations: Mapping[str, float],
    alone: Container[Pair],
) -> list[Pair]:
    """Return the pairs, longest first; those that must run alone come last.

    A pair without a known duration counts as long, so that it starts early.
    """
    return sorted(
        pairs,
        key=lambda pair: (
            chosen[pair.scenario].info.measures or pair in alone,
            -durations.get(str(pair), float("inf")),
        ),
    )


@dataclass(eq=False)  # pytest hashes its plugins
class PairReporter:
    """The pytest plugin that collects and shows the outcome of each pair."""

    intended: Mapping[Pair, Sequence[str]]  # the checks that each expected pair must turn red
    total: int
    verbosity: int = 0
    outcomes: list[PairResult] = field(default_factory=list)
    _terminal: pytest.TerminalReporter | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take over the terminal, and suppress xdist's messages about its workers."""
        plugins = session.config.pluginmanager
        self._terminal = plugins.get_plugin("terminalreporter")
        silence_xdist(plugins)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self) -> tuple[str, str, str]:
        """Print and count nothing: failures are expected here."""
        return "", "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show a pair when its last phase is over."""
        fields = getattr(report, "pair", None)
        if fields is None:
            return
        outcome = PairResult(**{**fields, "pair": Pair(**fields["pair"])})
        self.outcomes.append(outcome)
        self._show(outcome)

    def _show(self, outcome: PairResult) -> None:
        pair = outcome.pair
        if pair.mutant == UNCHANGED:
            if outcome.failure:
                self._line(outcome, "failed", "red", outcome.failure)
            return
        intended = self.intended.get(pair, ())
        judged = judge(outcome, intended)
        if not intended:
            if self.verbosity > 0:
                self._line(outcome, f"({judged.verdict})", "yellow", told(judged))
            return
        wrong = judged.verdict not in ("killed", "skipped")
        if self.verbosity >= 0 or wrong:
            self._line(outcome, judged.verdict, _COLOURS[judged.verdict], told(judged))
        if self.verbosity > 0 or wrong:
            for what in [*judged.by, *judged.also]:
                detail = " ".join(outcome.red[what].split())[:200]
                self._write(f"    {'*' if what in judged.by else ' '} {what}: {detail}\n")
            if outcome.error:
                self._write(f"      then: {outcome.error[:200]}\n")

    def _line(self, outcome: PairResult, verdict: str, colour: str, said: str) -> None:
        self._write(f"{len(self.outcomes):>4}/{self.total} {outcome.pair.scenario:<4}")
        self._write(f"{verdict:<17}", colour)
        self._write(f"{outcome.duration_s:5.1f} s  {outcome.pair.mutant} — {said}\n")

    def _write(self, text: str, colour: str | None = None) -> None:
        if self._terminal is not None:
            self._terminal.write(text, flush=True, **({colour: True} if colour else {}))


def _arguments(request: AuditRequest, folder: Path, chosen: Mapping[str, Found]) -> list[str]:
    return [
        *(Turn(found).target for found in chosen.values()),
        *scenario_arguments(request.root, folder, request.jobs),
        *("-p", "scenarios.audit.plugin"),
        *("-qq", "--no-summary", "--tb=no", "--override-ini=console_output_style=classic"),
    ]


def _say_summary(matrix: KillMatrix, lost: Sequence[str], folder: Path, took_s: float) -> None:
    killed = sum(one.verdict == "killed" for one in matrix.judged)
    alive = {one.outcome.pair for one in matrix.judged if one.verdict != "killed"}
    dead = [one for one in matrix.mutants if alive.isdisjoint(intended_checks([one]))]
    print(
        f"\n{len(dead)} of {len(matrix.mutants)} mutants killed in every "
        f"scenario that is meant to notice them, {killed} of {len(matrix.judged)} pairs, in "
        f"{took_s:.0f} s: {shown_path(folder / PAGE)}"
    )
    for pair in lost:
        print(f"  {pair} was not run to its end; a worker died. Run it again.")
    for problem in matrix.problems[:UNPROVEN_SHOWN]:
        print(f"  {problem}")
    if len(matrix.problems) > UNPROVEN_SHOWN:
        print(f"  and {len(matrix.problems) - UNPROVEN_SHOWN} more, in {MATRIX}")
    if matrix.problems or lost:
        print(
            "A check that no mutant turns red proves nothing: fix the scenario so that it "
            "notices, or write a mutant; mutants/__init__.py of its family says how."
        )
    sys.stdout.flush()


def _say_unproven(matrix: KillMatrix) -> None:
    """Report checks unproven by the scenarios' mutants, except always-on checks."""
    unproven = [f"{one}: {what}" for one, what in matrix.unproven if one != "every"]
    if unproven:
        print("No mutant has turned these checks red here; write one for each:")
        print("\n".join(f"  {text}" for text in unproven[:UNPROVEN_SHOWN]))
