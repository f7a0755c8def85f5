"""The commands that look back on runs: `history`, `summary` and `report`."""

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from scenarios.compare import CompareError, compare_turns, difference_lines, turn_folder
from scenarios.discovery import select
from scenarios.history import BEFORE, HISTORY, LETTERS, RECENT, history_lines, read_past
from scenarios.options import add_ids
from scenarios.report.writing import write_report
from scenarios.results import LATEST, REPORT, TRACE, read_results
from scenarios.run import PASSED, RUNS
from scenarios.summary import runs_since, summary

_HISTORY_ABOUT = f"""\
Show how often each scenario failed in all runs on this machine, what it takes of late (median of
its latest {RECENT} passes, and the trend against the {BEFORE} before these), and how its latest
turns ended: {", ".join(f"{letter} {outcome}" for outcome, letter in LETTERS.items())}."""


_REPORT_ABOUT = f"""\
Write {REPORT} (for people: one file, opens in any browser without a network) and {TRACE} (for
https://ui.perfetto.dev) of a run once more, and print the path of the former. Every run writes
both when it ends."""


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; ``add`` takes a name, a summary and a description."""
    history = add("history", "what earlier runs came to", _HISTORY_ABOUT)
    add_ids(history)
    history.add_argument(
        "--compare", nargs=2, metavar="RUN",
        help="show the first line in which each node of one scenario differs between two runs: "
        "names of folders in runs/, or latest; RUN:3 is the third turn of a repeated one",
    )  # fmt: skip

    page = add(
        "summary", "what runs came to as Markdown",
        "Print what runs came to as Markdown, for the page of a CI run: outcomes, every failure "
        "with its text, the slowest.",
    )  # fmt: skip
    page.add_argument(
        "runs", nargs="*", metavar="RUN", help=f"names of folders in runs/ (default: {LATEST})"
    )
    page.add_argument(
        "--since", type=float, metavar="SECONDS", help="all runs begun since then (unix time)"
    )

    report = add("report", "write a run's report again", _REPORT_ABOUT)
    report.add_argument(
        "run", nargs="?", default=LATEST, metavar="RUN",
        help="a folder, or the name of one in runs/ (default: %(default)s)",
    )  # fmt: skip


def _history(options: argparse.Namespace, families: Iterable[str], root: Path) -> int:
    chosen = select(options.ids, families)
    if options.compare:
        return _compare(chosen, options.compare, root / RUNS)
    pasts = [past for past in read_past(root / HISTORY) if past.scenario in chosen]
    print("\n".join(history_lines(pasts)) if pasts else "No run of these is on record yet.")
    return PASSED


def _compare(chosen: Collection[str], runs: Sequence[str], folder: Path) -> int:
    if len(chosen) != 1:
        raise CompareError("Say which one scenario to compare, such as S7.")
    [scenario_id] = chosen
    left, right = (turn_folder(folder, run, scenario_id) for run in runs)
    print("\n".join(difference_lines(compare_turns(left, right), *runs)))
    return PASSED


def _summary(options: argparse.Namespace, _families: Iterable[str], root: Path) -> int:
    folders = [root / RUNS / run for run in options.runs]
    if options.since is not None:
        folders += runs_since(root / RUNS, options.since)
    elif not folders:
        folders = [root / RUNS / LATEST]
    print(summary(map(read_results, folders)), end="")
    return PASSED


def _report(options: argparse.Namespace, _families: Iterable[str], root: Path) -> int:
    named = root / RUNS / options.run
    print(write_report((named if named.is_dir() else Path(options.run)).resolve()))
    return PASSED


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Iterable[str], Path], int]] = {
    "history": _history,
    "summary": _summary,
    "report": _report,
}
