"""`report`: write a run's report again."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser
from scenarios.family.family import Family
from scenarios.report.writing import write_report
from scenarios.results.results import LATEST, REPORT, TRACE, named_run
from scenarios.running.run import PASSED, RUNS

_ABOUT = f"""\
Write {REPORT} (one file, opens in any browser without a network) and {TRACE} (for
https://ui.perfetto.dev) of a run again, and print the path of the former. Every run writes both
when it ends."""


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    report = add("report", "write a run's report again", _ABOUT)
    report.add_argument(
        "run", nargs="?", default=LATEST, metavar="RUN",
        help="a folder, or the name of one in runs/ (default: %(default)s)",
    )  # fmt: skip


def carry_out(options: argparse.Namespace, _families: Iterable[Family], root: Path) -> int:
    """Write both files, and print the path of the report."""
    print(write_report(named_run(root / RUNS, options.run).resolve()))
    return PASSED
