"""The result of an audit: verdicts, and the assertions that no mutant turned red. Pure.

An assertion is a check of kind "check" in one scenario: a mutant must turn it red there. An
always-on check must turn red only once, in any scenario, since all run the same code. A wait cannot
pass without its event, so it need not turn red; the matrix still lists which mutants failed it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scenarios.audit.mutant import Mutant
from scenarios.audit.pairs import UNCHANGED, Judged, Pair, PairResult, judge
from scenarios.family.ids import sort_key


@dataclass(frozen=True, slots=True)
class ScenarioProof:
    """The proof of a scenario: by check and by wait, the mutants that turned it red."""

    id: str
    name: str
    unchanged: str  # why it fails with unchanged programs; empty if it passes
    killed: Sequence[str]
    checks: Mapping[str, Sequence[str]]
    waits: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class KillMatrix:
    """An audit's result. ``whole`` says whether every expected pair was run."""

    mutants: Sequence[Mutant]
    judged: Sequence[Judged]  # the expected pairs
    others: Sequence[Judged]  # with --full, the pairs that are not intended
    scenarios: Sequence[ScenarioProof]
    always: Mapping[str, Sequence[str]]
    whole: bool
    problems: Sequence[str] = ()

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """The assertions that no mutant turned red: scenario ID (or "every") and check."""
        return [
            *(("every", what) for what, proofs in self.always.items() if not proofs),
            *(
                (scenario.id, what)
                for scenario in self.scenarios
                for what, proofs in scenario.checks.items()
                if not proofs
            ),
        ]

    def document(self) -> dict[str, Any]:
        """Return the content of kill-matrix.json."""
        return {
            "whole": self.whole,
            "problems": list(self.problems),
            "unproven": [{"scenario": one, "check": what} for one, what in self.unproven],
            "mutants": [
                {
                    "name": mutant.name,
                    "breaks": mutant.breaks,
                    "noticed_by": {key: list(value) for key, value in mutant.noticed_by.items()},
                }
                for mutant in self.mutants
            ],
            "pairs": [_row(judged, expected=True) for judged in self.judged]
            + [_row(judged, expected=False) for judged in self.others],
            "scenarios": [asdict(scenario) for scenario in self.scenarios],
            "always": {what: list(proofs) for what, proofs in self.always.items()},
        }


def kill_matrix(
    mutants: Sequence[Mutant],
    names: Mapping[str, str],
    outcomes: Iterable[PairResult],
    *,
    whole: bool,
) -> KillMatrix:
    """Combine an audit's outcomes; ``names`` are those of the audited scenarios, by ID."""
    meant = intended_checks(mutants)
    real: dict[str, PairResult] = {}
    judged: list[Judged] = []
    others: list[Judged] = []
    for outcome in outcomes:
        pair = outcome.pair
        if pair.mutant == UNCHANGED:
            real[pair.scenario] = outcome
            continue
        intended = meant.get(pair, ())
        (judged if intended else others).append(judge(outcome, intended))
    judged.sort(key=_order)
    others.sort(key=_order)
    scenarios = [
        _proof(one, names[one], real.get(one), judged) for one in sorted(names, key=sort_key)
    ]
    always: dict[str, list[str]] = {}
    for outcome in real.values():
        for what, kind in outcome.ran.items():
            if kind == "always":
                always.setdefault(what, [])
    for what, proofs in always.items():
        proofs += [str(one.outcome.pair) for one in judged if what in one.red]
    matrix = KillMatrix(mutants, judged, others, scenarios, always, whole)
    return replace(matrix, problems=_problems(matrix))


def intended_checks(mutants: Iterable[Mutant]) -> dict[Pair, Sequence[str]]:
    """Return the checks that each expected pair must turn red."""
    return {
        Pair(mutant.name, scenario): checks
        for mutant in mutants
        for scenario, checks in mutant.noticed_by.items()
    }


def told(judged: Judged) -> str:
    """Describe the result of a pair in one line."""
    outcome = judged.outcome
    match judged.verdict:
        case "killed":
            return "; ".join(judged.by)
        case "killed-otherwise" if judged.missing and (judged.by or judged.also):
            seen = "; ".join([*judged.by, *judged.also])
            return f"not red: {'; '.join(judged.missing)} (red: {seen})"
        case "killed-otherwise":
            return "; ".join(judged.also) or outcome.error
        case "crashed":
            return outcome.crash.splitlines()[0]
        case "skipped":
            return outcome.skipped
        case _:
            return "nothing turned red"


def _problems(matrix: KillMatrix) -> list[str]:
    problems = [
        f"{one.id} fails with unchanged programs, so nothing is proven there: {one.unchanged}"
        for one in matrix.scenarios
        if one.unchanged
    ]
    problems += [
        f"{one.outcome.pair}: {one.verdict}: {told(one)}"
        for one in matrix.judged
        if one.verdict not in ("killed", "skipped")
    ]
    expected = {one.outcome.pair.scenario for one in matrix.judged}
    run = {one.outcome.pair.scenario for one in matrix.judged if one.verdict != "skipped"}
    problems += [
        f"{one.id} kills no mutant"
        for one in matrix.scenarios
        # A skip because this machine lacks something is not a failure.
        if not one.killed and (one.id in run or (matrix.whole and one.id not in expected))
    ]
    if matrix.whole:
        problems += [f"{one}: no mutant turns this red: {what}" for one, what in matrix.unproven]
    return problems


def _proof(
    scenario: str, name: str, real: PairResult | None, judged: Sequence[Judged]
) -> ScenarioProof:
    mine = [one for one in judged if one.outcome.pair.scenario == scenario]
    ran = real.ran if real else {}

    def proofs(kind: str) -> dict[str, list[str]]:
        return {
            what: [one.outcome.pair.mutant for one in mine if what in one.red]
            for what, its_kind in ran.items()
            if its_kind == kind
        }

    return ScenarioProof(
        scenario,
        name,
        real.failure if real else "",
        [one.outcome.pair.mutant for one in mine if one.verdict == "killed"],
        proofs("check"),
        proofs("wait"),
    )


def _order(judged: Judged) -> tuple[str, tuple[str, int]]:
    return judged.outcome.pair.mutant, sort_key(judged.outcome.pair.scenario)


def _row(judged: Judged, *, expected: bool) -> dict[str, Any]:
    outcome = judged.outcome
    return {
        "mutant": outcome.pair.mutant,
        "scenario": outcome.pair.scenario,
        "expected": expected,
        "verdict": judged.verdict,
        "by": {what: outcome.red[what] for what in judged.by},
        "also": {what: outcome.red[what] for what in judged.also},
        "missing": list(judged.missing),
        "told": told(judged),
        "duration_s": outcome.duration_s,
    }
