"""What runs came to, as Markdown: for the page of a CI run and for the run log."""

import html
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

SLOWEST_SHOWN = 5
OUTCOMES = ("passed", "failed", "skipped", "unsupported")


class NoResultsError(Exception):
    """A run has no results.json that can be read; the message says which."""


def read_results(folder: Path) -> dict[str, Any]:
    """Return a run's results.json; raises NoResultsError."""
    try:
        document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoResultsError(f"{folder} has no results of a run: {error}") from error
    if not isinstance(document, dict):
        raise NoResultsError(f"{folder}/results.json is not of this project.")
    return document


def runs_since(runs: Path, began: float) -> list[Path]:
    """Return the folders of the runs that started at ``began`` (unix seconds) or later."""
    return [
        file.parent
        for file in sorted(runs.glob("[0-9]*/results.json"))
        if read_results(file.parent)["started"] >= began
    ]


def summary(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a page about runs: what each came to, the failures in full, the slowest."""
    documents = list(results)
    lines = ["| Run | Backend | Outcome | Took |", "|---|---|---|---|"]
    lines += [
        f"| {each['run_id']} | {each['backend']} | {counts(each['scenarios'])} "
        f"| {each['duration_s']:.0f} s |"
        for each in documents
    ]
    for each in documents:
        failed = [row for row in each["scenarios"] if row["outcome"] == "failed"]
        lines += [text for row in failed for text in _failure(each, row)]
        left_out = [row for row in each["scenarios"] if row["outcome"] in OUTCOMES[2:]]
        lines += ["", *(f"- {_title(row)} {row['outcome']}: {row['reason']}" for row in left_out)]
    return "\n".join([*lines, *_slowest(documents)]) + "\n"


def counts(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how many rows of results.json had which outcome, such as "46 passed, 1 failed"."""
    found = Counter(row["outcome"] for row in rows)
    return ", ".join(f"{found[each]} {each}" for each in OUTCOMES if found[each]) or "nothing ran"


def log_row(document: Mapping[str, Any]) -> str:
    """Return a run as a row of the run log: when, where, what it came to, on what."""
    rows = document["scenarios"]
    failed = list(dict.fromkeys(row["id"] for row in rows if row["outcome"] == "failed"))
    outcome = counts(rows) + (f" ({', '.join(failed)})" if failed else "")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(document["started"]))
    versions = document["versions"]
    names = {"project": "peer-cli", "python": "Python", "docker": "Docker"}
    ran_on = ", ".join(f"{name} {versions[key]}" for key, name in names.items() if key in versions)
    return (
        f"| {when} | {document['backend']} | {outcome} | {document['duration_s']:.0f} s "
        f"| {ran_on} | {document['run_id']} |"
    )


def _failure(document: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    head = f"{_title(row)} on {document['backend']}: {row['cause'] or 'failed'}"
    return [
        "",
        f"<details><summary>{html.escape(head)}</summary>",
        "",
        f"<pre>{html.escape(row['failure'])}</pre>",
        "",
        "</details>",
    ]


def _slowest(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(row, each["backend"]) for each in documents for row in each["scenarios"]]
    rows.sort(key=lambda pair: -pair[0]["duration_s"])
    shown = [
        f"{_title(row)} on {backend} {row['duration_s']:.1f} s"
        for row, backend in rows[:SLOWEST_SHOWN]
    ]
    return ["", f"Slowest: {'; '.join(shown)}."] if shown else []


def _title(row: Mapping[str, Any]) -> str:
    turn = f" (turn {row['repetition']})" if row["repetition"] > 1 else ""
    return f"{row['id']} {row['name']}{turn}"
