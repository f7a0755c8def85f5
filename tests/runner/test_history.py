"""The history of all runs."""

from pathlib import Path

import pytest

from scenarios.history import HistoryError, history_lines, read_durations, read_past, remember
from scenarios.results import Outcome, RunInfo, ScenarioResult


def took(
    path: Path, *seconds: float, outcome: Outcome = "passed", backend: str = "process"
) -> None:
    for each in seconds:
        number = sum(len(past.turns) for past in read_past(path))
        info = RunInfo(f"run-{number}", backend, 1, {}, started=float(number))
        remember(path, info, [ScenarioResult("S1", "", outcome, each)])


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
    info = RunInfo("the-run", "process", 1, {}, started=1.0)
    turns = [ScenarioResult("S1", "", "passed", 1.0, repetition=turn) for turn in (1, 2)]
    remember(path, info, turns)
    remember(path, info, turns)
    (past,) = read_past(path)
    assert len(past.turns) == 2


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database, though it is long enough to look like a file" * 20)
    with pytest.raises(HistoryError, match="delete it"):
        read_durations(path, "process")


def test_a_foreign_peer_has_a_history_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    info = RunInfo("run", "process", 1, {}, peer="--peer-command mine")
    remember(path, info, [ScenarioResult("S1", "One", "passed", 9.0)])
    assert read_durations(path, "process") == {}
    assert read_durations(path, info.on) == {"S1": 9.0}
