"""`image`: build the Docker images, one for each program."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser
from scenarios.command.saying import say
from scenarios.family.family import Family
from scenarios.running.backends import choose_backend, ready_images
from scenarios.running.run import PASSED


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    image = add(
        "image",
        "build the Docker images",
        "Build each program's image if it is out of date, and print its tag.",
    )
    image.add_argument(
        "--make-base", action="store_true",
        help="if the base image is missing and cannot be pulled, make it from Debian's "
        "packages; needs root, and installs debootstrap on this machine if it is missing",
    )  # fmt: skip


def carry_out(options: argparse.Namespace, families: Iterable[Family], _root: Path) -> int:
    """Build the images that are out of date, and print all tags."""
    choose_backend("docker")
    print("\n".join(ready_images(families, say, make_base=options.make_base).values()))
    return PASSED
