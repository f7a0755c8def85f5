"""PEER_CLI_SCENARIOS.md and the scenarios' own data cannot drift apart."""

from pathlib import Path

import pytest

from scenarios.audit.mutant import mutants_by_scenario
from scenarios.core.backends.base import Capability
from scenarios.core.scenario import ScenarioInfo
from scenarios.family.discovery import Found, discover, every_family
from scenarios.family.family import Family
from scenarios.results import matrix

INFOS = [
    ScenarioInfo("S1", "One", "this | that\n  and more"),
    ScenarioInfo("S37", "Fast", "a figure", measures=True),
]
ONES, TWOS = Family("S", "ones", "The ones", ""), Family("T", "twos", "The twos", "")
FOUND = [Found(info, Path("test_x.py"), "x", ONES, "test_x") for info in INFOS]
MUTANTS = {"S1": ["lingers", "lies"]}


def test_the_document_is_what_the_code_says() -> None:
    document = matrix.PATH.read_text(encoding="utf-8")
    found = discover(every_family()).values()
    mutants = mutants_by_scenario(every_family())
    assert matrix.with_matrix(document, found, mutants) == document, "run `./justw peer-cli-matrix`"


def test_rows() -> None:
    assert matrix.matrix_table(INFOS, MUTANTS).splitlines()[2:] == [
        r"| S1 | One | this \| that and more | lies, lingers |",
        "| S37 | Fast | a figure *(measures: runs alone)* |  |",
    ]


def test_a_row_says_which_backend_skips_it() -> None:
    info = ScenarioInfo("T1", "Cut", "it ends", needs=frozenset([Capability.DISCONNECT]))
    [row] = matrix.matrix_table([info], {}).splitlines()[2:]
    assert "it ends *(containers only: a process cannot be cut off the loopback)*" in row


def test_each_family_has_a_part() -> None:
    other = Found(ScenarioInfo("T1", "Open", "it opens"), Path("test_y.py"), "y", TWOS, "test_y")
    parts = matrix.sections([*FOUND, other], MUTANTS)
    assert parts.index("### The ones (`ones`)") < parts.index("| S37 |")
    assert parts.index("| S37 |") < parts.index("### The twos (`twos`)") < parts.index("| T1 |")


def test_only_the_table_is_replaced() -> None:
    document = f"before\n{matrix.BEGIN}\nold\n{matrix.END}\nafter\n"
    written = matrix.with_matrix(document, FOUND, MUTANTS)
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert "| S37 |" in written
    assert matrix.with_matrix(written, FOUND, MUTANTS) == written


def test_a_document_without_marks_is_written_anew() -> None:
    assert "| S1 |" in matrix.with_matrix("", FOUND, MUTANTS)


def row(day: int, outcome: str = "47 passed") -> str:
    return f"| 2026-01-0{day} 01:10 UTC | docker | {outcome} | 104 s | Python | run-{day} |"


def test_the_log_has_the_newest_first_and_each_run_once() -> None:
    document = matrix.with_matrix("", FOUND, MUTANTS)
    for each in (row(2), row(3), row(1), row(2, "46 passed, 1 failed (S7)")):
        document = matrix.with_log(document, each)
    log = document.partition(matrix.LOG_BEGIN)[2].partition(matrix.LOG_END)[0]
    assert log.strip().splitlines()[2:] == [row(3), row(2, "46 passed, 1 failed (S7)"), row(1)]
    # Neither table touches the other.
    assert matrix.with_matrix(document, FOUND, MUTANTS) == document
    assert "| S37 |" in document


def test_a_document_without_a_log_is_left_alone() -> None:
    with pytest.raises(ValueError, match="has no run log"):
        matrix.with_log(f"{matrix.BEGIN}\n{matrix.END}\n", row(1))


def test_the_document_has_a_log() -> None:
    document = matrix.PATH.read_text(encoding="utf-8")
    assert row(1) in matrix.with_log(document, row(1))
