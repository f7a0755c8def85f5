"""A mutant under a scenario: what came of it and how that is judged. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# What a mutant that crashes turns red, wherever it does.
CRASH_CHECKS = ("always: no traceback on stderr", "always: right exit code")
REAL_PEER = "real-peer"

Verdict = Literal["killed", "killed-otherwise", "crashed", "survived", "skipped"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A mutant's name (or REAL_PEER) and a scenario's ID."""

    mutant: str
    scenario: str

    def __str__(self) -> str:
        return f"{self.mutant} under {self.scenario}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to with a mutant."""

    pair: Pair
    ran: Mapping[str, str]  # each check that was looked at: its `what` and its kind
    red: Mapping[str, str]  # those that failed: the `what` and why
    crash: str  # how the mutant crashed; empty: it did not
    error: str  # why the scenario did not go all its way; empty: it did
    skipped: str  # why it was not run; empty: it was
    duration_s: float


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome with its verdict; ``by`` are the intended checks that turned red."""

    outcome: Outcome
    verdict: Verdict
    by: Sequence[str]
    also: Sequence[str]  # other checks that turned red
    missing: Sequence[str]  # intended checks that did not

    @property
    def red(self) -> Sequence[str]:
        """The checks that count as having been seen red."""
        return [*self.by, *self.also] if self.verdict == "killed" else []


def judge(outcome: Outcome, intended: Sequence[str]) -> Judged:
    """Judge a pair: killed only when all intended checks turned red and the mutant lived on."""
    by = [what for what in intended if what in outcome.red]
    also = [what for what in outcome.red if what not in intended]
    missing = [what for what in intended if what not in outcome.red]
    verdict: Verdict
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
