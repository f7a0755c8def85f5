"""`summary`: the results of runs as Markdown."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser
from scenarios.family.family import Family
from scenarios.results.results import LATEST, named_run, read_results
from scenarios.results.summary import runs_since, summary
from scenarios.running.run import PASSED, RUNS


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    page = add(
        "summary", "the results of runs as Markdown",
        "Print the results of runs as Markdown, for the page of a CI run: outcomes, every failure "
        "with its text, the slowest.",
    )  # fmt: skip
    page.add_argument(
        "runs", nargs="*", metavar="RUN",
        help=f"folders, or names of some in runs/ (default: {LATEST})",
    )  # fmt: skip
    page.add_argument(
        "--since", type=float, metavar="SECONDS", help="all runs started since then (Unix time)"
    )


def carry_out(options: argparse.Namespace, _families: Iterable[Family], root: Path) -> int:
    """Print it."""
    folders = [named_run(root / RUNS, run) for run in options.runs]
    if options.since is not None:
        folders += runs_since(root / RUNS, options.since)
    elif not folders:
        folders = [root / RUNS / LATEST]
    print(summary(map(read_results, folders)), end="")
    return PASSED
