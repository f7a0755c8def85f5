"""What peers and raw clients are started with."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fixtures
from scenarios.core.backends.base import Mount, NodeSpec, OwnAddress, Placed, Program
from scenarios.lan_spread.games import Thing

PEER_COMMAND = (sys.executable, "-P", "-m", "peer_cli")
PEER = Program(command=PEER_COMMAND)
# The entry point of the peer's image, where something has to run in front of it.
_IN_IMAGE = ("python", "-P", "-m", "peer_cli")
_WIRE_CLIENT = Mount(Path(__file__).with_name("wire_client.py"))
_METERED = Mount(Path(__file__).with_name("metered.py"))
_REFERENCE_UNRAR = Mount(Path(__file__).with_name("reference_unrar.py"))


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """A peer to be started. ``fixture`` is mounted read-only; else ``things`` fill its own folder.

    Identity and everything else in the state folder outlive a restart. With ``disk_bytes`` the
    games are on a disk that takes no more than that, and that begins empty. One that is ``metered``
    also tells what it has read (metered.py).
    """

    name: str
    fixture: str = ""
    things: tuple[Thing, ...] = ()
    flags: tuple[str, ...] = ()
    disk_bytes: int | None = None
    metered: bool = False


def peer(
    name: str,
    games: str | Sequence[Thing] = (),
    *,
    upload_limit: str | None = None,
    download_limit: str | None = None,
    flags: Sequence[str] = (),
    disk_bytes: int | None = None,
    metered: bool = False,
) -> PeerSpec:
    """Return a peer with the games of a fixture, or with a writable folder and what is put in it.

    Limits are rates as CONTRACT section 2 has them, such as "2MiB"; ``flags`` are passed on.
    """
    limits: list[str] = []
    if upload_limit is not None:
        limits += ["--upload-limit", upload_limit]
    if download_limit is not None:
        limits += ["--download-limit", download_limit]
    every = (*limits, *flags)
    if isinstance(games, str):
        return PeerSpec(name, fixture=games, flags=every)
    return PeerSpec(name, things=tuple(games), flags=every, disk_bytes=disk_bytes, metered=metered)


def foreign_peer(command: tuple[str, ...] = (), image: str = "") -> Program:
    """Return how a peer is called that is another command (as a process) or image, or neither.

    Whatever it is, it is given the flags of CONTRACT section 2.
    """
    return Program(command=command or PEER_COMMAND, image=image or None)


def peer_node(spec: PeerSpec, games: Mount, state: Mount, program: Program) -> NodeSpec:
    """Return the node of a peer with these folders."""
    return NodeSpec(
        name=spec.name,
        program=_metered(program) if spec.metered else program,
        arguments=(
            *("--name", spec.name),
            *("--games-dir", Placed(games)),
            *("--state-dir", Placed(state)),
            *("--catalog-db", Placed(Mount(fixtures.catalog_path()))),
            *("--listen", OwnAddress()),
            *spec.flags,
        ),
        ready_event="local-peer-ready",
    )


def _metered(program: Program) -> Program:
    command = (sys.executable, "-P", Placed(_METERED), *program.command)
    if program.image:  # a foreign one need not have a Python to measure with
        return replace(program, command=command)
    entrypoint = ("python", "-P", Placed(_METERED), *(program.entrypoint or _IN_IMAGE))
    return Program(command, entrypoint)


def raw_client_node(name: str) -> NodeSpec:
    """Return the node of a raw client (wire_client.py)."""
    return NodeSpec(
        name=name,
        program=Program(
            command=(sys.executable, "-P", Placed(_WIRE_CLIENT)),
            entrypoint=("python", "-P", Placed(_WIRE_CLIENT)),
        ),
        arguments=(OwnAddress(),),
        ready_event="ready",
    )


def reference_unrar_node(archive: Path) -> NodeSpec:
    """Return the node that asks the reference UnRAR about an archive (reference_unrar.py)."""
    return NodeSpec(
        name="unrar",
        program=Program(
            command=(sys.executable, "-P", Placed(_REFERENCE_UNRAR)),
            entrypoint=("python", "-P", Placed(_REFERENCE_UNRAR)),
        ),
        arguments=(Placed(Mount(archive)),),
        ready_event="ready",
    )
