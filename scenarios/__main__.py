"""`python -m scenarios`: the command line, which delegates to a module per command."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from scenarios.audit.mutant import MutantError
from scenarios.command import audit, clean, history, image, live, matrix, report, run, summary
from scenarios.command import list as listing
from scenarios.command.options import AddParser, UsageError
from scenarios.command.saying import say
from scenarios.core.backends.base import BackendError
from scenarios.family.discovery import DiscoveryError, FamilyError, every_family
from scenarios.family.family import Family
from scenarios.family.ids import UnknownScenarioError
from scenarios.results.compare import CompareError
from scenarios.results.history import HistoryError
from scenarios.results.results import NoResultsError, RunFolderError
from scenarios.root import ROOT
from scenarios.running.run import ENVIRONMENT, INTERRUPTED, PASSED, USAGE
from scenarios.running.signals import end_once

_ABOUT = "Start real nodes, put them under stress and faults, and check their behaviour."


class Command(Protocol):
    """The interface of a command's module."""

    def add_parser(self, add: AddParser, /) -> None:
        """Add the command's name and options."""

    def carry_out(
        self, options: argparse.Namespace, families: Iterable[Family], root: Path, /
    ) -> int:
        """Run the command; return the exit code."""


COMMANDS: Mapping[str, Command] = {
    "run": run,
    "audit": audit,
    "list": listing,
    "live": live,
    "image": image,
    "clean": clean,
    "matrix": matrix,
    "history": history,
    "summary": summary,
    "report": report,
}

# Errors with a message for the user, by their exit codes.
_TOLD: Mapping[type[Exception], int] = {
    UnknownScenarioError: USAGE,
    DiscoveryError: USAGE,
    FamilyError: USAGE,
    CompareError: USAGE,
    NoResultsError: USAGE,
    UsageError: USAGE,
    MutantError: USAGE,
    BackendError: ENVIRONMENT,
    HistoryError: ENVIRONMENT,
    RunFolderError: ENVIRONMENT,
}


def main(
    arguments: Sequence[str] | None = None,
    *,
    families: Iterable[Family] | None = None,
    root: Path = ROOT,
) -> int:
    """Run a command line and return the exit code.

    Scenarios are those of ``families`` (default: all); runs and history are kept below ``root``.
    """
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse accepts IDs only in one block; people put options between them.
    if rest and (not hasattr(options, "ids") or any(word.startswith("-") for word in rest)):
        parser.error(f"{rest[0]} is not understood; --help shows what there is.")
    if rest:
        options.ids.extend(rest)
    options.command_line = shlex.join(["python", "-m", "scenarios", *(arguments or sys.argv[1:])])
    try:
        chosen = every_family() if families is None else tuple(families)
        with end_once():
            return COMMANDS[options.command].carry_out(options, chosen, root)
    except tuple(_TOLD) as error:
        say(str(error))
        return next(code for kind, code in _TOLD.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe (`… list | head`); keep the exit from reporting that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PASSED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios", description=_ABOUT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=about,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    for command in COMMANDS.values():
        command.add_parser(add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
