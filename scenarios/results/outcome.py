"""The outcome of a run: the same for terminal, exit code, report, summary and run log."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from scenarios.results.results import Outcome, RunResults, ScenarioResult

RunVerdict: TypeAlias = Literal["passed", "failed", "interrupted"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
NAMED = 10  # at most so many cut-off turns are named


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run passed only if it ran everything that was requested."""

    verdict: RunVerdict
    text: str  # such as "interrupted: 2 passed, 1 cut off (S20), 1 not begun"


def run_outcome(run: RunResults) -> RunOutcome:
    """Return the outcome of a run."""
    failed = any(row.outcome == "failed" for row in run.scenarios)
    unfinished = bool(run.cut_off or run.not_begun)
    verdict: RunVerdict = "passed"
    if run.ended in ("interrupted", "underway"):
        verdict = "interrupted"
    elif failed or unfinished:
        verdict = "failed"
    said = {
        "underway": "; it still runs, or its runner was killed",
        "stopped": "; ended at the first failure, as asked",
    }.get(run.ended, "")
    if run.ended == "finished" and unfinished:
        said = "; the runner broke off"
    return RunOutcome(verdict, f"{verdict}: {tally(run)}{said}")


def tally(run: RunResults) -> str:
    """Count a run's turns by outcome, such as "46 passed, 1 failed, 2 not begun"."""
    parts = [counts(run.scenarios)] if run.scenarios else []
    if died := sum(row.cause == "worker-died" for row in run.scenarios):
        parts[-1] += f" ({died} by the death of a worker)"
    if run.cut_off:
        more = ", …" if len(run.cut_off) > NAMED else ""
        parts.append(f"{len(run.cut_off)} cut off ({', '.join(run.cut_off[:NAMED])}{more})")
    if run.not_begun:
        parts.append(f"{len(run.not_begun)} not begun")
    return ", ".join(parts) or "nothing ran"


def counts(rows: Sequence[ScenarioResult]) -> str:
    """Count results by outcome, such as "46 passed, 1 failed"."""
    found = Counter(row.outcome for row in rows)
    return ", ".join(f"{found[each]} {each}" for each in OUTCOMES if found[each])
