"""A family that somebody adds in a folder of his own, with no change anywhere else."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scenarios.family.discovery import VARIABLE
from tests.scenarios.family.tally import write_family
from tests.scenarios.images.image_of import needs_engine

PROJECT = Path(__file__).parents[3]
MAIN = """
import sys
from pathlib import Path
from scenarios.__main__ import main
sys.exit(main(sys.argv[1:], root=Path.cwd()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("added")
    write_family(folder)
    return folder


def environment(folder: Path) -> Mapping[str, str]:
    return {**os.environ, VARIABLE: str(folder), "PYTHONPATH": str(PROJECT)}


def call(folder: Path, *arguments: str, said: str = "") -> str:
    """Carry out a command line; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        env=environment(folder),
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed_and_in_the_matrix_beside_the_others(folder: Path) -> None:
    listed = call(folder, "list", "tally").splitlines()
    assert listed == [
        "Y1   Sum: two numbers are added", "Y2   Apart: two nodes add each for itself",
    ]  # fmt: skip
    assert call(folder, "list", "Y1-Y9").splitlines() == listed
    assert {line[0] for line in call(folder, "list").splitlines()} >= {"S", "Y"}
    matrix = call(folder, "matrix")
    assert "### Nodes that add numbers up (`tally`)" in matrix
    assert "| Y1 | Sum | two numbers are added | takes-away |" in matrix


def test_it_runs_as_processes_and_is_in_report_and_history(folder: Path) -> None:
    assert "Y1  passed" in call(folder, "run", "tally", "--backend", "process")
    document = json.loads((folder / "runs/latest/results.json").read_text())
    assert [(row["id"], row["outcome"]) for row in document["scenarios"]] == [
        ("Y1", "passed"), ("Y2", "passed"),
    ]  # fmt: skip
    page = (folder / "runs/latest/report.html").read_text()
    assert '"ids":["id-of-one"]' in page
    assert '"item":"5","operation":"Adding"' in page
    history = call(folder, "history", "tally").splitlines()[1:]
    assert [line.split()[:3] for line in history] == [
        ["Y1", "process", "1"],
        ["Y2", "process", "1"],
    ]


@pytest.mark.timeout(300)
def test_it_runs_in_containers(folder: Path) -> None:
    needs_engine()
    assert "2 passed" in call(folder, "run", "tally", "--backend", "docker")


def test_a_program_of_somebody_else_s_may_take_its_place(folder: Path) -> None:
    python = f"env PYTHONPATH={folder}:{PROJECT} {sys.executable} -m tally"
    call(folder, "run", "Y1", "--program", f"tally={python}")
    document = json.loads((folder / "runs/latest/results.json").read_text())
    assert document["peer"] == f"--program 'tally.tally={python}'"


def test_it_is_audited(folder: Path) -> None:
    out = call(folder, "audit", "tally")
    assert "1 of 1 mutants killed in every scenario that is meant to notice them, 2 of 2" in out
    document = json.loads((folder / "runs/latest-audit/kill-matrix.json").read_text())
    assert {pair["scenario"]: list(pair["by"]) for pair in document["pairs"]} == {
        "Y1": ["the total"], "Y2": ["both totals"],
    }  # fmt: skip


def test_its_mutants_may_be_called_like_those_of_other_families(tmp_path: Path) -> None:
    write_family(tmp_path)
    file = tmp_path / "tally_family" / "mutants" / "counting.py"
    file.write_text(file.read_text().replace("takes-away", "plans-all-on-one"))
    out = call(tmp_path, "audit", "Y1", "--mutant", "plans-all-on-one")
    assert "1 of 1 mutants killed" in out


def test_it_is_had_at_the_keyboard(folder: Path) -> None:
    said = '{"cmd":"add","id":1,"number":4}\n'
    out = call(folder, "live", "one", "--as", "tally", "--backend", "process", said=said)
    messages = [json.loads(line) for line in out.splitlines()]
    assert messages[0]["data"] == {"tally_id": "id-of-one"}
    assert {"type": "result", "id": 1, "data": {"total": 4}} in messages
