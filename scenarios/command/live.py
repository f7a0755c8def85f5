"""`live`: run a node interactively."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from scenarios.command.options import AddParser, UsageError, add_backend
from scenarios.command.saying import say, say_image_briefly, sweep_quietly
from scenarios.family.discovery import every_family
from scenarios.family.family import Family
from scenarios.running.backends import choose_ready_backend

_ABOUT = """\
Run a node interactively. Type a command in its short form, or as JSON; help shows all commands.
Ctrl-C, Ctrl-D and quit end it gracefully, and its data and identity are deleted. On a pipe
everything is raw: JSON lines in, JSON lines out, nothing else on stdout.

kinds of node (--as):"""
_FIRST = "lan"  # the default family


def add_parser(add: AddParser) -> None:
    """Add the command's options."""
    kinds = []
    for family in every_family():
        for kind, live in family.live.items():
            kinds.append(f"  {family.name}.{kind:<10} {live.about}")
            kinds += [f"    {line}" for line in live.examples.splitlines()]
    parser = add("live", "run a node interactively", "\n".join([_ABOUT, *kinds]))
    parser.add_argument("name", metavar="NAME", help="alpha, bravo, charlie, …")
    parser.add_argument(
        "--as", dest="kind", metavar="FAMILY[.KIND]",
        help="the kind of node (default: the one that NAME begins with, such as tunnel-client-1, "
        f"else {_FIRST})",
    )  # fmt: skip
    add_backend(parser)


def carry_out(options: argparse.Namespace, families: Iterable[Family], _root: Path) -> int:
    """Run the node until it ends; return the exit code. Raises UsageError."""
    from scenarios.live.node import run_live  # only this command needs rich and readline

    family, kind = _chosen(options.kind, options.name, families)
    sweep_quietly()
    choice = choose_ready_backend(options.backend, [family], say_image_briefly())
    return run_live(options.name, family, kind, choice, say, say_image_briefly())


def _chosen(text: str | None, node: str, families: Iterable[Family]) -> tuple[Family, str]:
    kinds = {f"{family.name}.{kind}": (family, kind) for family in families for kind in family.live}
    if text is None:
        named = (kind for kind in kinds if f"{node}-".startswith(kind.replace(".", "-") + "-"))
        text = next(named, _FIRST)
    for name, found in kinds.items():
        if text in (name, name.partition(".")[0]):  # no kind: the first of the family
            return found
    raise UsageError(f"There is no kind of node {text}. There are: {', '.join(kinds)}.")
