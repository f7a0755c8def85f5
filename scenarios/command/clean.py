"""`clean`: remove the leftovers of dead runs."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser
from scenarios.family.family import Family
from scenarios.live.folders import remove_abandoned
from scenarios.results.keeping import remove_dead_work, remove_old_runs
from scenarios.running.backends import remove_left_overs
from scenarios.running.run import PASSED, RUNS

_ABOUT = """\
Remove containers, networks, processes and mounts of runs and live nodes that did not end
properly. Active ones are not touched. With --runs also remove the folders of old runs, except, of
each kind, the newest of all scenarios and the newest that failed."""


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    clean = add("clean", "remove the leftovers of dead runs", _ABOUT)
    clean.add_argument("--runs", action="store_true", help="also the folders of old runs")


def carry_out(options: argparse.Namespace, _families: Iterable[Family], root: Path) -> int:
    """Remove them, and print what was removed."""
    removed, problems = remove_left_overs()
    # After their processes, or else these would still use the mounts.
    removed += remove_abandoned()
    removed += remove_dead_work(root / RUNS)
    if options.runs:
        removed += [str(folder) for folder in remove_old_runs(root / RUNS, count=0)]
    for what in removed:
        print(f"Removed {what}")
    for problem in problems:
        print(f"Not everything was looked at: {problem}")
    if not removed:
        print("Nothing was left over.")
    return PASSED
