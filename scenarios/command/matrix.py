"""`matrix`: the matrix of scenarios as Markdown."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.audit.mutant import mutants_by_scenario
from scenarios.command.options import AddParser
from scenarios.family.discovery import discover
from scenarios.family.family import Family
from scenarios.results import matrix
from scenarios.results.results import named_run, read_results
from scenarios.results.summary import log_row
from scenarios.running.run import PASSED, RUNS


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    table = add(
        "matrix", "the matrix of scenarios as Markdown",
        f"Print the matrix of scenarios, or write it into {matrix.PATH.name}.",
    )  # fmt: skip
    table.add_argument("--write", action="store_true", help=f"write {matrix.PATH.name}")
    table.add_argument(
        "--log", metavar="RUN", help="also write a run into the run log there; implies --write"
    )


def carry_out(options: argparse.Namespace, families: Iterable[Family], root: Path) -> int:
    """Print or write the matrix."""
    families = tuple(families)
    found = discover(families).values()
    mutants = mutants_by_scenario(families)
    if options.write or options.log:
        old = matrix.PATH.read_text(encoding="utf-8") if matrix.PATH.exists() else ""
        text = matrix.with_matrix(old, found, mutants)
        if options.log:
            text = matrix.with_log(text, log_row(read_results(named_run(root / RUNS, options.log))))
        matrix.PATH.write_text(text, encoding="utf-8")
    else:
        print(matrix.sections(found, mutants))
    return PASSED
