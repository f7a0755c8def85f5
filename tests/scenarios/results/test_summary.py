"""What runs came to, as Markdown."""

from dataclasses import replace
from pathlib import Path

from scenarios.results.results import (
    RunInfo,
    RunResults,
    ScenarioResult,
    read_results,
    write_results,
)
from scenarios.results.summary import log_row, runs_since, summary

VERSIONS = {"project": "0.1.0", "python": "3.11.7", "platform": "long", "docker": "28.2"}


def a_run(folder: Path, started: float, *results: ScenarioResult) -> RunResults:
    folder.mkdir(parents=True)
    write_results(folder, RunInfo(folder.name, "docker", 1, VERSIONS, started), results)
    return replace(read_results(folder), duration_s=61.7)


def test_the_page_has_the_outcomes_every_failure_and_what_was_left_out(tmp_path: Path) -> None:
    one = a_run(
        tmp_path / "one", 0.0,
        ScenarioResult("S1", "Scan", "passed", 1.0),
        ScenarioResult("S7", "Two", "failed", 9.0, failure="wanted <2>", cause="check"),
        ScenarioResult("S8", "Cut", "skipped", 0.0, reason="no disconnect"),
    )  # fmt: skip
    two = a_run(
        tmp_path / "two", 0.0, ScenarioResult("S1", "Scan", "failed", 3.0, repetition=2)
    )  # fmt: skip
    page = summary([one, two])
    assert "| one | docker | failed: 1 passed, 1 failed, 1 skipped | 62 s |\n" in page
    assert "<summary>S7 Two on docker: check</summary>\n\n<pre>wanted &lt;2&gt;</pre>" in page
    assert "<summary>S1 Scan (turn 2) on docker: failed</summary>" in page
    assert "- S8 Cut skipped: no disconnect" in page
    assert page.endswith(
        "Slowest: S7 Two on docker 9.0 s; S1 Scan (turn 2) on docker 3.0 s; "
        "S1 Scan on docker 1.0 s; S8 Cut on docker 0.0 s.\n"
    )


def test_a_row_of_the_log(tmp_path: Path) -> None:
    document = a_run(
        tmp_path / "20260102-the-run", 1767316200.0,
        ScenarioResult("S1", "Scan", "passed", 1.0),
        ScenarioResult("S7", "Two", "failed", 9.0),
    )  # fmt: skip
    assert log_row(document) == (
        "| 2026-01-02 01:10 UTC | docker | failed: 1 passed, 1 failed (S7) | 62 s "
        "| peer-cli 0.1.0, Python 3.11.7, Docker 28.2 | 20260102-the-run |"
    )


def test_runs_since(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        a_run(tmp_path / f"2026010{day}-x", float(day))
    (tmp_path / "20260104-x").mkdir()  # ended before it had results
    assert [path.name for path in runs_since(tmp_path, 2.0)] == ["20260102-x", "20260103-x"]
