"""Run folders, results.json."""

import json
from pathlib import Path

import pytest

from scenarios.results.results import (
    NoResultsError,
    RunInfo,
    ScenarioResult,
    named_run,
    new_run_folder,
    read_results,
    write_results,
)


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    first = new_run_folder(tmp_path, "process")
    assert (tmp_path / "latest").resolve() == first
    second = new_run_folder(tmp_path, "process")
    assert first != second
    assert (tmp_path / "latest").resolve() == second
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_results_json(tmp_path: Path) -> None:
    info = RunInfo("the-run", "process", 7, {"python": "3.11"}, started=1.0)
    write_results(tmp_path, info, [ScenarioResult("S7", "Two sources", "passed", 1.25, "5 chunks")])

    document = json.loads((tmp_path / "results.json").read_text())
    assert document["run_id"] == "the-run"
    assert document["backend"] == "process"
    assert document["seed"] == 7
    assert document["versions"] == {"python": "3.11"}
    assert document["scenarios"] == [
        {
            "id": "S7",
            "name": "Two sources",
            "outcome": "passed",
            "duration_s": 1.25,
            "evidence": "5 chunks",
            "proves": "",
            "failure": "",
            "cause": None,
            "reason": "",
            "folder": "",
            "repetition": 1,
            "work_bytes": 0,
        }
    ]


def test_another_kind_of_run_has_a_link_of_its_own(tmp_path: Path) -> None:
    run = new_run_folder(tmp_path, "process")
    audit = new_run_folder(tmp_path, "audit", latest="latest-audit")
    assert (tmp_path / "latest").resolve() == run
    assert (tmp_path / "latest-audit").resolve() == audit


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match=r"has no results\.json"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(NoResultsError, match="cannot be read"):
        read_results(tmp_path)


def test_a_run_is_named_or_a_path(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "one").mkdir(parents=True)
    for named in ("one", str(runs / "one")):
        assert named_run(runs, named) == runs / "one"
    assert named_run(runs, "elsewhere/two") == Path("elsewhere/two")
