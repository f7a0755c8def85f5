"""The history of all runs."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scenarios.results.history import (
    HistoryError,
    history_lines,
    read_durations,
    read_past,
    read_work,
    remember,
)
from scenarios.results.results import Outcome, RunResults, ScenarioResult


def a_run(
    run_id: str, rows: list[ScenarioResult], *, backend: str = "process", **fields: Any
) -> RunResults:
    return RunResults(run_id, backend, 1, {}, scenarios=rows, **fields)


def took(
    path: Path, *seconds: float, outcome: Outcome = "passed", backend: str = "process"
) -> None:
    for each in seconds:
        number = sum(len(past.turns) for past in read_past(path))
        rows = [ScenarioResult("S1", "", outcome, each)]
        remember(path, a_run(f"run-{number}", rows, backend=backend, started=float(number)))


def test_durations_are_those_of_the_latest_passes_on_the_backend(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.db"
    assert read_durations(path, "process") == {}
    took(path, 9.0, 9.0, 9.0, 1.0, 2.0, 2.0, 3.0, 7.0)
    took(path, 60.0, outcome="failed")
    took(path, 5.0, backend="docker")
    assert read_durations(path, "process") == {"S1": 2.0}
    assert read_durations(path, "docker") == {"S1": 5.0}


def test_flake_rate_and_trend(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    took(path, 2.0, 2.0, 2.0)
    took(path, 30.0, outcome="failed")
    took(path, 0.0, outcome="skipped")
    took(path, 3.0, 3.0, 3.0, 3.0, 3.0)
    (past,) = read_past(path)
    assert (past.failed, past.judged) == (1, 9)
    assert past.flake_rate == pytest.approx(1 / 9)
    assert past.trend == pytest.approx(0.5)
    assert history_lines([past])[1].split() == [
        "S1", "process", "10", "1", "11.1%", "3.0", "s", "+50%", "...Fs.....",
    ]  # fmt: skip


def test_turns_of_one_run_are_all_there_and_a_run_told_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    turns = [ScenarioResult("S1", "", "passed", 1.0, repetition=turn) for turn in (1, 2)]
    for _ in range(2):
        remember(path, a_run("the-run", turns))
    (past,) = read_past(path)
    assert len(past.turns) == 2


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database, though it is long enough to look like a file" * 20)
    with pytest.raises(HistoryError, match="delete it"):
        read_durations(path, "process")


def test_a_foreign_peer_has_a_history_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    run = a_run("run", [ScenarioResult("S1", "One", "passed", 9.0)], peer="--peer-command mine")
    remember(path, run)
    assert read_durations(path, "process") == {}
    assert read_durations(path, run.on) == {"S1": 9.0}


def test_what_scenarios_take_of_the_disk_is_known_also_from_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    assert read_work(path, "process") == {}
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(
            "CREATE TABLE turn (run, backend, started, scenario, repetition, outcome, duration_s)"
        )
        old.execute("INSERT INTO turn VALUES ('old', 'process', 1.0, 'S1', 1, 'passed', 3.0)")
    for number, size in enumerate((7, 9, 8)):
        row = ScenarioResult("S1", "", "passed", 1.0, work_bytes=size)
        remember(path, a_run(f"run-{number}", [row]))
    assert read_work(path, "process") == {"S1": 9}
    assert read_work(path, "docker") == {}


def test_what_was_cut_off_is_on_record_and_judges_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    remember(path, a_run("one", [ScenarioResult("S1", "One", "passed", 2.0)], cut_off=["S2/3"]))
    whole, cut = read_past(path)
    assert (cut.scenario, cut.judged, cut.now_s) == ("S2", 0, None)
    assert [line.split()[-1] for line in history_lines([whole, cut])[1:]] == [".", "x"]
