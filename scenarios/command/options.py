"""Options that several commands share."""

import argparse
import os
from typing import Protocol


class UsageError(Exception):
    """Options are invalid or contradict each other; the message says which."""


class AddParser(Protocol):
    """Adds a command's parser to the command line."""

    def __call__(
        self, name: str, summary: str, about: str, epilog: str = "", /
    ) -> argparse.ArgumentParser:
        """Add a command; ``epilog`` follows its options in `--help`."""


def default_jobs(least: int) -> int:
    """Return the default of -j: one for each CPU, but at least so many, since nodes mostly wait."""
    return max(least, min(8, os.cpu_count() or 1))


def add_ids(parser: argparse.ArgumentParser) -> None:
    """Add the IDs of scenarios."""
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="S7, s7, S3-S9, or a family such as lan; default: all"
    )


def add_backend(parser: argparse.ArgumentParser, more: str = "", *names: str) -> None:
    """Add the choice of backend: the usual names and ``names``, which ``more`` explains."""
    parser.add_argument(
        "--backend", choices=["auto", "process", "docker", *names], default="auto",
        help=f"auto (default): docker if an engine answers, else process{more}",
    )  # fmt: skip


def add_pace(parser: argparse.ArgumentParser, at_once: str, default: int) -> None:
    """Add the concurrency, described by ``at_once``, and the timeout factor."""
    parser.add_argument(
        "-j", "--jobs", type=at_least_one, default=default, metavar="N",
        help=f"{at_once} (default here: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout-factor", type=positive, default=1.0, metavar="F",
        help="multiply every timeout, for a slow or busy machine (default: 1)",
    )  # fmt: skip


def add_verbosity(parser: argparse.ArgumentParser, more: str, less: str) -> None:
    """Add `-v` and `-q` with these help texts."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-v", "--verbose", action="store_const", dest="verbosity", const=1, default=0, help=more
    )
    group.add_argument("-q", "--quiet", action="store_const", dest="verbosity", const=-1, help=less)


def at_least_one(text: str) -> int:
    """Parse a whole number of 1 or more. Raises ArgumentTypeError."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return number


def positive(text: str) -> float:
    """Parse a factor above 0. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a factor such as 1.5 or 3")
    return number
