"""What counts as a kill, and what an audit has proven."""

import pytest

from scenarios.audit.kill_matrix import KillMatrix, kill_matrix
from scenarios.audit.mutant import Mutant
from scenarios.audit.page import page
from scenarios.audit.pairs import UNCHANGED, MutantStatus, Pair, PairResult, judge

RAN = {"who served": "check", "size": "check", "finishes": "wait", "always: tidy": "always"}


def outcome(
    mutant: str = "one",
    *red: str,
    scenario: str = "S1",
    crash: str = "",
    error: str = "",
    skipped: str = "",
) -> PairResult:
    found = dict.fromkeys(red, "got <this>")
    return PairResult(Pair(mutant, scenario), RAN, found, crash, error, skipped, 1.0)


@pytest.mark.parametrize(
    ("found", "intended", "verdict"),
    [
        (outcome("one", "who served"), ("who served",), "killed"),
        (outcome("one", "who served", "size"), ("who served",), "killed"),
        (outcome("one", "finishes", error="WaitFailed: late"), ("finishes",), "killed"),
        (outcome("one"), ("who served",), "survived"),
        (outcome("one", "size"), ("who served",), "killed-otherwise"),
        (outcome("one", "who served"), ("who served", "size"), "killed-otherwise"),
        (outcome("one", "finishes", error="late"), ("who served",), "killed-otherwise"),
        (outcome("one", error="KeyError: 'x'"), ("who served",), "killed-otherwise"),
        (outcome("one", "who served", crash="it died"), ("who served",), "crashed"),
        (
            outcome("one", "always: right exit code", crash="it died"),
            ("always: right exit code",),
            "killed",
        ),
        (outcome("one", skipped="no small disk here"), ("who served",), "skipped"),
    ],
)
def test_verdicts(found: PairResult, intended: tuple[str, ...], verdict: MutantStatus) -> None:
    assert judge(found, intended).verdict == verdict


def matrix(
    *outcomes: PairResult,
    real: PairResult | None = None,
    whole: bool = True,
) -> KillMatrix:
    mutants = [Mutant(name, "Breaks <it>.", (), {"S1": ("who served",)}) for name in ("one", "two")]
    every = [real or outcome(UNCHANGED), *outcomes]
    return kill_matrix(mutants, {"S1": "First"}, every, whole=whole)


def test_everything_proven() -> None:
    proven = matrix(
        outcome("one", "who served", "size"), outcome("two", "who served", "always: tidy")
    )
    assert list(proven.problems) == []
    assert proven.unproven == []
    [scenario] = proven.scenarios
    assert scenario.checks == {"who served": ["one", "two"], "size": ["one"]}
    assert scenario.waits == {"finishes": []}  # told, but not asked for
    assert proven.always == {"always: tidy": ["two under S1"]}


def test_what_is_not_proven() -> None:
    lacking = matrix(outcome("one", "who served"), outcome("two", "who served"))
    assert lacking.unproven == [("every", "always: tidy"), ("S1", "size")]
    assert list(lacking.problems) == [
        "every: no mutant turns this red: always: tidy",
        "S1: no mutant turns this red: size",
    ]
    part = matrix(outcome("one", "who served"), outcome("two", "who served"), whole=False)
    assert list(part.problems) == []


def test_only_a_kill_proves_anything() -> None:
    lacking = matrix(outcome("one", "size"), outcome("two", "who served", crash="it died"))
    assert ("S1", "size") in lacking.unproven
    assert ("S1", "who served") in lacking.unproven
    assert list(lacking.problems)[:3] == [
        "one under S1: killed-otherwise: not red: who served (red: size)",
        "two under S1: crashed: it died",
        "S1 kills no mutant",
    ]


def test_a_scenario_that_fails_with_unchanged_programs_proves_nothing() -> None:
    lacking = matrix(outcome("one", "who served"), real=outcome(UNCHANGED, "size"))
    assert (
        "S1 fails with unchanged programs, so nothing is proven there: size: got <this>"
        in lacking.problems
    )


def test_what_cannot_be_run_here_is_no_failure() -> None:
    skipped = [outcome(name, skipped="no small disk") for name in (UNCHANGED, "one", "two")]
    nothing_ran = [PairResult(one.pair, {}, {}, "", "", one.skipped, 0.0) for one in skipped]
    assert list(matrix(*nothing_ran[1:], real=nothing_ran[0]).problems) == []
    assert list(matrix().problems) == [
        "S1 kills no mutant",
        "every: no mutant turns this red: always: tidy",
        "S1: no mutant turns this red: who served",
        "S1: no mutant turns this red: size",
    ]


def test_what_nobody_expects_is_told_and_counts_for_nothing() -> None:
    names = {"S1": "First", "S2": "Second"}
    mutants = [Mutant("one", "Breaks it.", (), {"S1": ("who served",)})]
    every = [
        outcome(UNCHANGED),
        outcome("one", "who served"),
        outcome("one", "size", scenario="S2"),
    ]
    found = kill_matrix(mutants, names, every, whole=False)
    assert [str(one.outcome.pair) for one in found.others] == ["one under S2"]
    assert found.document()["pairs"][1]["expected"] is False
    assert ("S1", "size") in found.unproven


def test_the_page_shows_everything_and_escapes_it() -> None:
    shown = page(matrix(outcome("one", "who served"), outcome("two")), "run <1>")
    assert "run &lt;1&gt;" in shown
    assert "Breaks &lt;it&gt;." in shown
    assert "two under S1: survived: nothing turned red" in shown
    assert "<script" not in shown
    assert "http" not in shown


def test_mutants_of_two_families_may_have_one_name() -> None:
    mutants = [
        Mutant("one", "Breaks peers.", (), {"S1": ("who served",)}),
        Mutant("one", "Breaks tunnels.", (), {"T1": ("size",)}),
    ]
    outcomes = [
        outcome(UNCHANGED),
        outcome(UNCHANGED, scenario="T1"),
        outcome("one", "who served"),
        outcome("one", scenario="T1"),
    ]
    found = kill_matrix(mutants, {"S1": "First", "T1": "Other"}, outcomes, whole=False)
    verdicts = {one.outcome.pair.scenario: one.verdict for one in found.judged}
    assert verdicts == {"S1": "killed", "T1": "survived"}
    assert found.problems == [
        "one under T1: survived: nothing turned red",
        "T1 kills no mutant",
    ]
    grid = page(found, "both").partition("<tbody>")[2].partition("</tbody>")[0]
    assert [row.count("title=") for row in grid.split("</tr>")] == [1, 1, 0]
