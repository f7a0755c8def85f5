"""`history`: the results of earlier runs, and how two of them differ."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scenarios.command.options import AddParser, add_ids
from scenarios.family.discovery import Found, select
from scenarios.family.family import Family
from scenarios.results.compare import CompareError, compare_turns, difference_lines, turn_folder
from scenarios.results.history import BEFORE, HISTORY, LETTERS, RECENT, history_lines, read_past
from scenarios.running.run import PASSED, RUNS

_ABOUT = f"""\
Show how often each scenario failed in all runs on this machine, its recent duration (median of
the latest {RECENT} passes, and the trend against the {BEFORE} before these), and how its latest
turns ended: {", ".join(f"{letter} {outcome}" for outcome, letter in LETTERS.items())}."""


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    history = add("history", "the results of earlier runs", _ABOUT)
    add_ids(history)
    history.add_argument(
        "--compare", nargs=2, metavar="RUN",
        help="show the first line in which each node of one scenario differs between two runs: "
        "names of folders in runs/, or latest; RUN:3 is the third turn of a repeated scenario",
    )  # fmt: skip


def carry_out(options: argparse.Namespace, families: Iterable[Family], root: Path) -> int:
    """Print the history, or the comparison."""
    chosen = select(options.ids, families)
    if options.compare:
        return _compare(chosen, options.compare, root / RUNS)
    pasts = [past for past in read_past(root / HISTORY) if past.scenario in chosen]
    print("\n".join(history_lines(pasts)) if pasts else "No run of these is on record yet.")
    return PASSED


def _compare(chosen: Mapping[str, Found], runs: Sequence[str], folder: Path) -> int:
    if len(chosen) != 1:
        raise CompareError("Say which one scenario to compare, such as S7.")
    [(scenario_id, found)] = chosen.items()
    left, right = (turn_folder(folder, run, scenario_id) for run in runs)
    print("\n".join(difference_lines(compare_turns(left, right, found.family), *runs)))
    return PASSED
