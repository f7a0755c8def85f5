"""The start parameters of peers and raw clients."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.core.backends.base import (
    Argument,
    BackendLacks,
    Mount,
    NodeSpec,
    OwnAddress,
    Placed,
    Program,
)
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.games import Thing
from scenarios.families.lan_spread.programs import PEER_PROGRAM
from scenarios.family import launcher, link_local
from scenarios.family.commanded import commanded

PEER = PEER_PROGRAM.program()
# The entry point of the peer's image, for commands that wrap it.
_IN_IMAGE = ("python", "-P", "-m", "peer_cli")
_RAW = Mount(Path(__file__).with_name("raw"))
_RELAY = Mount(Path(__file__).with_name("relay.py"))
_FLOOD_CLIENT = Mount(Path(__file__).with_name("raw") / "flood_client.py")
_LAUNCHER = Mount(Path(launcher.__file__))
_LINK_LOCAL = Mount(Path(link_local.__file__))
_ODD_DISK = Mount(Path(__file__).with_name("odd_disk.py"))
_REFERENCE_UNRAR = Mount(Path(__file__).with_name("reference_unrar.py"))


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """A peer to start. ``fixture`` is mounted read-only; otherwise ``things`` fill its own folder.

    The identity and the rest of the state folder survive a restart. With ``disk_bytes`` the games
    are on a disk of that size, which is empty at the start; with ``odd_disk`` both folders are on a
    disk of that kind (odd_disk.py). With ``link_local`` it listens at a link-local IPv6 address
    (link_local.py). ``launched`` starts it through launcher.py, which measures it and can stop
    reading its output.
    """

    name: str
    fixture: str = ""
    things: tuple[Thing, ...] = ()
    flags: tuple[Argument, ...] = ()
    disk_bytes: int | None = None
    odd_disk: str = ""
    launched: bool = False
    link_local: bool = False


def peer(
    name: str,
    games: str | Sequence[Thing] = (),
    *,
    upload_limit: str | None = None,
    download_limit: str | None = None,
    flags: Sequence[Argument] = (),
    disk_bytes: int | None = None,
    odd_disk: str = "",
    launched: bool = False,
    link_local: bool = False,
) -> PeerSpec:
    """Return a peer with the games of a fixture, or with a writable folder that holds ``things``.

    Limits are rates as in docs/contract.md section 2, such as "2MiB"; ``flags`` are passed on.
    """
    limits: list[str] = []
    if upload_limit is not None:
        limits += ["--upload-limit", upload_limit]
    if download_limit is not None:
        limits += ["--download-limit", download_limit]
    every = (*limits, *flags)
    if isinstance(games, str):
        return PeerSpec(name, fixture=games, flags=every, launched=launched, link_local=link_local)
    return PeerSpec(
        name,
        things=tuple(games),
        flags=every,
        disk_bytes=disk_bytes,
        odd_disk=odd_disk,
        launched=launched,
        link_local=link_local,
    )


def peer_node(spec: PeerSpec, games: Mount, state: Mount, program: Program) -> NodeSpec:
    """Return the node of a peer with these folders. Raises BackendLacks."""
    if spec.launched:
        program = _wrapped(program, Placed(_LAUNCHER))
    if spec.link_local:
        if program.image != PEER.image:  # the peer would listen at another address, and be blamed
            raise BackendLacks("A foreign image cannot be told its link-local address.")
        program = _wrapped(program, Placed(_LINK_LOCAL))
    games_dir, state_dir = Placed(games), Placed(state)
    if spec.odd_disk:  # with both folders on it
        disk = Mount(games.host.parent, writable=True)
        games_dir, state_dir = (Placed(disk, mount.host.name) for mount in (games, state))
        program = _wrapped(program, Placed(_ODD_DISK), spec.odd_disk, Placed(disk))
    return NodeSpec(
        name=spec.name,
        program=program,
        fuse=bool(spec.odd_disk),
        link_local=spec.link_local,
        arguments=(
            *("--name", spec.name),
            *("--games-dir", games_dir),
            *("--state-dir", state_dir),
            *("--catalog-db", Placed(Mount(fixtures.catalog_path()))),
            *("--listen", OwnAddress()),
            *spec.flags,
        ),
        # A container mounts fixtures read-only as well; processes share the folder itself.
        env={} if games.writable else {"PEER_CLI_READ_ONLY": "on"},
        ready_event="local-peer-ready",
    )


def _wrapped(program: Program, *wrapper: Argument) -> Program:
    command = (sys.executable, "-P", *wrapper, *program.command)
    if program.image != PEER.image:  # a foreign image may lack the Python that the wrapper needs
        return replace(program, command=command)
    entrypoint = ("python", "-P", *wrapper, *(program.entrypoint or _IN_IMAGE))
    return Program(command, entrypoint, PEER.image)


def raw_client_node(name: str) -> NodeSpec:
    """Return the node of a raw client (raw/)."""
    return _own_program(name, _RAW)


def relay_node(name: str) -> NodeSpec:
    """Return the node of a relay in the path (relay.py)."""
    return _own_program(name, _RELAY)


def flood_client_node(name: str) -> NodeSpec:
    """Return the node of a flooding stranger (raw/flood_client.py)."""
    return _own_program(name, _FLOOD_CLIENT)


def _own_program(name: str, program: Mount) -> NodeSpec:
    return commanded(name, program, (OwnAddress(),), PEER.image)


def reference_unrar_node(archive: Path) -> NodeSpec:
    """Return the node that asks the reference UnRAR about an archive (reference_unrar.py)."""
    return commanded("unrar", _REFERENCE_UNRAR, (Placed(Mount(archive)),), PEER.image)
