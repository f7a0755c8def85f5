"""What a whole run came to: never green when it did not do all that it was asked."""

from typing import Any

import pytest

from scenarios.core.errors import Cause
from scenarios.results.results import Outcome, RunResults, ScenarioResult, run_outcome, under_test
from scenarios.results.summary import log_row, summary


def a_run(*outcomes: Outcome, cause: Cause | None = None, **fields: Any) -> RunResults:
    rows = [
        ScenarioResult(f"S{number}", "-", outcome, 1.0, cause=cause)
        for number, outcome in enumerate(outcomes, 1)
    ]
    return RunResults("run", "process", 1, {}, scenarios=rows, **fields)


@pytest.mark.parametrize(
    ("run", "verdict", "text"),
    [
        (a_run("passed", "skipped"), "passed", "passed: 1 passed, 1 skipped"),
        (a_run("passed", "failed"), "failed", "failed: 1 passed, 1 failed"),
        (
            a_run("passed", ended="interrupted", cut_off=["S2"], not_begun=["S3", "S4"]),
            "interrupted",
            "interrupted: 1 passed, 1 cut off (S2), 2 not begun",
        ),
        # Even when all had ended: whoever interrupts does not want to be told of a success.
        (a_run("passed", ended="interrupted"), "interrupted", "interrupted: 1 passed"),
        (
            a_run("passed", not_begun=["S2"]),
            "failed",
            "failed: 1 passed, 1 not begun; the runner broke off",
        ),
        (
            a_run("failed", ended="stopped", not_begun=["S2"]),
            "failed",
            "failed: 1 failed, 1 not begun; ended at the first failure, as asked",
        ),
        (
            a_run("passed", ended="underway", cut_off=["S2/1"]),
            "interrupted",
            "interrupted: 1 passed, 1 cut off (S2/1); it still runs, or its runner was killed",
        ),
        (
            a_run("failed", cause="worker-died"),
            "failed",
            "failed: 1 failed (1 by the death of a worker)",
        ),
        (a_run(ended="interrupted", not_begun=["S1"]), "interrupted", "interrupted: 1 not begun"),
        (a_run(), "passed", "passed: nothing ran"),
    ],
)
def test_one_answer(run: RunResults, verdict: str, text: str) -> None:
    outcome = run_outcome(run)
    assert (outcome.verdict, outcome.text) == (verdict, text)
    assert f"| {text} |" in summary([run])
    assert f"| {text}" in log_row(run)


def test_what_was_tested() -> None:
    ours = RunResults(
        "run", "process", 1, {"project": "0.1.0"}, commit="0123456789abcdef", dirty=True,
        command="python -m scenarios run S1",
    )  # fmt: skip
    said = (
        "this project's programs, version 0.1.0; project at 0123456789ab, with changes that are "
        "not committed, by `python -m scenarios run S1`"
    )
    assert under_test(ours) == said
    assert f"- run: {said}".replace("'", "&#x27;") in summary([ours])
    foreign = RunResults("run", "docker", 1, {}, peer="--peer-image other:1")
    assert under_test(foreign) == "--peer-image other:1; project at an unknown commit"
