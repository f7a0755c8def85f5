"""Pairs of a mutant and a scenario: outcomes and verdicts. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# A crashing mutant turns these red in any scenario.
CRASH_CHECKS = ("always: no traceback on stderr", "always: right exit code")
UNCHANGED = "unchanged"  # the name of no mutant: the programs as they are

MutantStatus = Literal["killed", "killed-otherwise", "crashed", "survived", "skipped"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A mutant's name (or UNCHANGED) and a scenario's ID."""

    mutant: str
    scenario: str

    def __str__(self) -> str:
        return f"{self.mutant} under {self.scenario}"


@dataclass(frozen=True, slots=True)
class PairResult:
    """The outcome of a scenario with a mutant."""

    pair: Pair
    ran: Mapping[str, str]  # each check that ran: its `what` and its kind
    red: Mapping[str, str]  # the failed checks: their `what` and why
    crash: str  # how the mutant crashed, or empty
    error: str  # why the scenario did not finish, or empty
    skipped: str  # why it was not run, or empty
    duration_s: float

    @property
    def failure(self) -> str:
        """Why a scenario that should pass did not, in one line; empty if it passed."""
        red = "; ".join(f"{what}: {why}" for what, why in self.red.items())
        return " ".join((self.crash or red or self.error).split())


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome with its verdict; ``by`` are the intended checks that turned red."""

    outcome: PairResult
    verdict: MutantStatus
    by: Sequence[str]
    also: Sequence[str]  # unintended checks that turned red
    missing: Sequence[str]  # intended checks that did not turn red

    @property
    def red(self) -> Sequence[str]:
        """The checks that count as proven red."""
        return [*self.by, *self.also] if self.verdict == "killed" else []


def judge(outcome: PairResult, intended: Sequence[str]) -> Judged:
    """Judge a pair: killed only if all intended checks turned red and the mutant did not crash."""
    by = [what for what in intended if what in outcome.red]
    also = [what for what in outcome.red if what not in intended]
    missing = [what for what in intended if what not in outcome.red]
    verdict: MutantStatus
    if outcome.skipped:
        verdict = "skipped"
    elif outcome.crash and not any(what in CRASH_CHECKS for what in by):
        verdict = "crashed"
    elif by and not missing:
        verdict = "killed"
    elif outcome.red or outcome.error:
        verdict = "killed-otherwise"
    else:
        verdict = "survived"
    return Judged(outcome, verdict, by, also, missing)
