"""The options for running the scenarios against foreign programs."""

import argparse
import shlex
from collections.abc import Iterable, Mapping

from scenarios.command.options import UsageError
from scenarios.family.family import Family, Foreign
from scenarios.running.backends import BackendName

_PEERS = "lan"  # its options predate those for all families


def add_foreign(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--program", action="append", default=[], metavar="FAMILY=CMD",
        help="test the program that this command starts with the scenarios of a family, each node "
        "as a process; it gets the same flags as this project's own. If a family has several "
        "programs, write FAMILY.PROGRAM=CMD; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--image", action="append", default=[], metavar="FAMILY=IMAGE",
        help="the same with the entry point of a Docker image",
    )  # fmt: skip
    parser.add_argument("--peer-command", metavar="CMD", help=f"the same as --program {_PEERS}=CMD")
    parser.add_argument("--peer-image", metavar="IMAGE", help=f"the same as --image {_PEERS}=IMAGE")


def read_foreign(options: argparse.Namespace, families: Iterable[Family]) -> dict[str, Foreign]:
    """Return the foreign programs by family and program ("lan.peer"). Raises UsageError."""
    families = tuple(families)
    commands = list(options.program)
    images = list(options.image)
    if options.peer_command:
        commands.append(f"{_PEERS}={options.peer_command}")
    if options.peer_image:
        images.append(f"{_PEERS}={options.peer_image}")
    if commands and images:
        raise UsageError(
            "A foreign program is a command or an image; no run has both, since one is for "
            "processes and the other for containers."
        )
    found = {}
    for text in commands:
        key, command = _named("--program", text, families)
        found[key] = Foreign(command=tuple(shlex.split(command)))
    for text in images:
        key, image = _named("--image", text, families)
        # Without a tag it could be mistaken for a target of the Dockerfile.
        tagged = ":" in image.rpartition("/")[2] or "@" in image
        found[key] = Foreign(image=image if tagged else f"{image}:latest")
    return found


def runs_on(foreign: Mapping[str, Foreign]) -> BackendName | None:
    """Return the only backend that the foreign programs can run on; None if there are none."""
    if not foreign:
        return None
    return "process" if all(one.command for one in foreign.values()) else "docker"


def _named(option: str, text: str, families: tuple[Family, ...]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    family, _, program = name.partition(".")
    known = {f"{one.name}.{each.name}" for one in families for each in one.programs}
    first = {one.name: one.programs[0].name for one in families if one.programs}
    key = f"{family}.{program or first.get(family, '')}"
    if not equals or not value or key not in known:
        raise UsageError(
            f"{option} {text} is not understood; write {option} FAMILY=… with one of: "
            f"{', '.join(sorted(known))}."
        )
    return key, value
