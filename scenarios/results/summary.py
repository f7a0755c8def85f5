"""The results of runs as Markdown, for the page of a CI run and for the run log."""

import html
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from scenarios.results.results import (
    OUTCOMES,
    RunResults,
    ScenarioResult,
    read_results,
    run_outcome,
    under_test,
)

SLOWEST_SHOWN = 5


def runs_since(runs: Path, began: float) -> list[Path]:
    """Return the folders of the runs that started at ``began`` (Unix seconds) or later."""
    return [
        file.parent
        for file in sorted(runs.glob("[0-9]*/results.json"))
        if read_results(file.parent).started >= began
    ]


def summary(results: Iterable[RunResults]) -> str:
    """Return a page about runs: the outcome of each, all failures, the slowest scenarios."""
    runs = list(results)
    lines = ["| Run | Backend | Outcome | Took |", "|---|---|---|---|"]
    lines += [
        f"| {each.run_id} | {each.backend} | {run_outcome(each).text} | {each.duration_s:.0f} s |"
        for each in runs
    ]
    lines += ["", *(f"- {each.run_id}: {html.escape(under_test(each))}" for each in runs)]
    for each in runs:
        failed = [row for row in each.scenarios if row.outcome == "failed"]
        lines += [text for row in failed for text in _failure(each, row)]
        if left_out := [row for row in each.scenarios if row.outcome in OUTCOMES[2:]]:
            lines += ["", *(f"- {_title(row)} {row.outcome}: {row.reason}" for row in left_out)]
    return "\n".join([*lines, *_slowest(runs)]) + "\n"


def log_row(run: RunResults) -> str:
    """Return a run as a row of the run log: time, backend, outcome, platform."""
    rows = run.scenarios
    failed = list(dict.fromkeys(row.id for row in rows if row.outcome == "failed"))
    outcome = run_outcome(run).text + (f" ({', '.join(failed)})" if failed else "")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.started))
    versions = run.versions
    names = {"project": "peer-cli", "python": "Python", "docker": "Docker"}
    ran_on = ", ".join(f"{name} {versions[key]}" for key, name in names.items() if key in versions)
    return (
        f"| {when} | {run.backend} | {outcome} | {run.duration_s:.0f} s | {ran_on} | {run.run_id} |"
    )


def _failure(run: RunResults, row: ScenarioResult) -> list[str]:
    head = f"{_title(row)} on {run.backend}: {row.cause or 'failed'}"
    return [
        "",
        f"<details><summary>{html.escape(head)}</summary>",
        "",
        f"<pre>{html.escape(row.failure)}</pre>",
        "",
        "</details>",
    ]


def _slowest(runs: Sequence[RunResults]) -> list[str]:
    rows = [(row, each.backend) for each in runs for row in each.scenarios]
    rows.sort(key=lambda pair: -pair[0].duration_s)
    shown = [
        f"{_title(row)} on {backend} {row.duration_s:.1f} s"
        for row, backend in rows[:SLOWEST_SHOWN]
    ]
    return ["", f"Slowest: {'; '.join(shown)}."] if shown else []


def _title(row: ScenarioResult) -> str:
    turn = f" (turn {row.repetition})" if row.repetition > 1 else ""
    return f"{row.id} {row.name}{turn}"
