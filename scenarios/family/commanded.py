"""Nodes that are programs of the scenarios, not under test."""

import sys
from collections.abc import Sequence
from pathlib import Path

from scenarios.core.backends.base import Argument, Mount, NodeSpec, Placed, Program
from scenarios.family import command_loop

_LOOP = Mount(Path(command_loop.__file__))


def commanded(
    name: str, program: Mount, arguments: Sequence[Argument], image: str | None
) -> NodeSpec:
    """Return the node of a program that command_loop.py runs, in a container of that image."""
    run = ("-P", Placed(_LOOP), Placed(program))
    return NodeSpec(
        name=name,
        program=Program((sys.executable, *run), ("python", *run), image),
        arguments=tuple(arguments),
        ready_event="ready",
    )
