"""`list`: list scenarios."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser, add_ids
from scenarios.family.discovery import select
from scenarios.family.family import Family
from scenarios.running.run import PASSED


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    add_ids(add("list", "list scenarios", "List scenarios."))


def carry_out(options: argparse.Namespace, families: Iterable[Family], _root: Path) -> int:
    """Print a line for each scenario."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for found in select(options.ids, families).values():
        info = found.info
        alone = " (measures: runs alone)" if info.measures else ""
        print(
            textwrap.fill(
                f"{info.id:<4} {info.name}: {info.proves}{alone}", width, subsequent_indent=" " * 5
            )
        )
    return PASSED
