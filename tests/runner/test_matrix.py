"""PEER_CLI_SCENARIOS.md and the scenarios' own data cannot drift apart."""

import pytest

from scenarios import matrix
from scenarios.audit.mutant import mutants_by_scenario
from scenarios.core.scenario import ScenarioInfo
from scenarios.discovery import discover

INFOS = [
    ScenarioInfo("S1", "One", "this | that\n  and more"),
    ScenarioInfo("S37", "Fast", "a figure", measures=True),
]
MUTANTS = {"S1": ["lingers", "lies"]}


def test_the_document_is_what_the_code_says() -> None:
    infos = [found.info for found in discover().values()]
    document = matrix.PATH.read_text(encoding="utf-8")
    mutants = mutants_by_scenario()
    assert matrix.with_matrix(document, infos, mutants) == document, "run `./justw peer-cli-matrix`"


def test_rows() -> None:
    assert matrix.matrix_table(INFOS, MUTANTS).splitlines()[2:] == [
        r"| S1 | One | this \| that and more | lies, lingers |",
        "| S37 | Fast | a figure *(measures: runs alone)* |  |",
    ]


def test_only_the_table_is_replaced() -> None:
    document = f"before\n{matrix.BEGIN}\nold\n{matrix.END}\nafter\n"
    written = matrix.with_matrix(document, INFOS, MUTANTS)
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert "| S37 |" in written
    assert matrix.with_matrix(written, INFOS, MUTANTS) == written


def test_a_document_without_marks_is_written_anew() -> None:
    assert "| S1 |" in matrix.with_matrix("", INFOS, MUTANTS)


def row(day: int, outcome: str = "47 passed") -> str:
    return f"| 2026-01-0{day} 01:10 UTC | docker | {outcome} | 104 s | Python | run-{day} |"


def test_the_log_has_the_newest_first_and_each_run_once() -> None:
    document = matrix.with_matrix("", INFOS, MUTANTS)
    for each in (row(2), row(3), row(1), row(2, "46 passed, 1 failed (S7)")):
        document = matrix.with_log(document, each)
    log = document.partition(matrix.LOG_BEGIN)[2].partition(matrix.LOG_END)[0]
    assert log.strip().splitlines()[2:] == [row(3), row(2, "46 passed, 1 failed (S7)"), row(1)]
    # Neither table touches the other.
    assert matrix.with_matrix(document, INFOS, MUTANTS) == document
    assert "| S37 |" in document


def test_a_document_without_a_log_is_left_alone() -> None:
    with pytest.raises(ValueError, match="has no run log"):
        matrix.with_log(f"{matrix.BEGIN}\n{matrix.END}\n", row(1))


def test_the_document_has_a_log() -> None:
    document = matrix.PATH.read_text(encoding="utf-8")
    assert row(1) in matrix.with_log(document, row(1))
