"""What the options of several commands have in common."""

import argparse
import os


def default_jobs() -> int:
    """Nodes mostly wait, so two at once do no harm even on one processor."""
    return max(2, min(8, os.cpu_count() or 2))


def add_ids(parser: argparse.ArgumentParser) -> None:
    """Add which scenarios are meant."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="S7, s7, S3-S9; default: all")


def add_pace(parser: argparse.ArgumentParser, at_once: str, default: int) -> None:
    """Add how much is done at once, as `at_once` says, and how long it may take."""
    parser.add_argument(
        "-j", "--jobs", type=at_least_one, default=default, metavar="N",
        help=f"{at_once} (default here: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout-factor", type=positive, default=1.0, metavar="F",
        help="stretch every deadline, for a slow or busy machine (default: 1)",
    )  # fmt: skip


def add_verbosity(parser: argparse.ArgumentParser, more: str, less: str) -> None:
    """Add `-v` and `-q`, which say as much as their texts tell."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-v", "--verbose", action="store_const", dest="verbosity", const=1, default=0, help=more
    )
    group.add_argument("-q", "--quiet", action="store_const", dest="verbosity", const=-1, help=less)


def at_least_one(text: str) -> int:
    """Return the number from 1 on that an option's text is. Raises ArgumentTypeError."""
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def positive(text: str) -> float:
    """Return the factor above 0 that an option's text is. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a factor such as 1.5 or 3")
    return number
