"""What the nodes of this family are started with."""

import sys
from collections.abc import Sequence
from pathlib import Path

from scenarios.core.backends.base import Argument, Mount, NodeSpec, OwnAddress, Placed, Program
from scenarios.families.pair.programs import DESK_IMAGE, PAIR_PROGRAM
from scenarios.family.commanded import commanded

_HERE = Path(__file__).parent
_IN_IMAGE = ("python", "-P", "-m", PAIR_PROGRAM.module)


def relay_node(
    program: Program, flags: Sequence[Argument] = (), *, name: str, port: int, captured: bool
) -> NodeSpec:
    """Return a relay; with port 0 it takes any."""
    return NodeSpec(
        name=name,
        program=program,
        arguments=("relay", "--listen", OwnAddress(suffix=f":{port}"), *flags),
        ready_event="relay-ready",
        captured=captured,
    )


def peer_node(
    name: str,
    program: Program,
    folder: Mount,
    state: Mount,
    flags: Sequence[Argument] = (),
    *,
    desk: Mount | None = None,
    captured: bool = False,
) -> NodeSpec:
    """Return a peer that shares ``folder``. With ``desk`` it runs beside one (desk.py).

    ``desk`` is the folder on which it may mount.
    """
    return NodeSpec(
        name=name,
        program=program if desk is None else _at_desk(program, desk),
        arguments=(
            "peer",
            *("--listen", OwnAddress()),
            *("--folder", Placed(folder)),
            *("--state-dir", Placed(state)),
            *flags,
        ),
        ready_event="pair-ready",
        fuse=desk is not None,
        captured=captured,
    )


def relay_client_node(name: str) -> NodeSpec:
    """Return a client of relays that is no peer (relay_client.py)."""
    return _script(name, "relay_client.py")


def middle_node() -> NodeSpec:
    """Return a man in the middle (middle.py)."""
    return _script("middle", "middle.py")


def foreign_node() -> NodeSpec:
    """Return a peer that is not ours (foreign.py)."""
    return _script("foreign", "foreign.py")


def _at_desk(program: Program, folder: Mount) -> Program:
    desk = (Placed(Mount(_HERE / "desk.py")), Placed(folder))
    inside = program.entrypoint or _IN_IMAGE
    return Program(
        (sys.executable, "-P", *desk, *program.command),
        ("python", "-P", *desk, *inside),
        DESK_IMAGE if program.image == PAIR_PROGRAM.target else program.image,
    )


def _script(name: str, file: str) -> NodeSpec:
    return commanded(name, Mount(_HERE / file), (OwnAddress(),), PAIR_PROGRAM.target)
