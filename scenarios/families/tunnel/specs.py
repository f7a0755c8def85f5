"""What the nodes of this family are started with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scenarios.core.backends.base import Argument, Mount, NodeSpec, OwnAddress, Placed, Program
from scenarios.families.tunnel.programs import TUNNEL_PROGRAM
from scenarios.family import launcher
from scenarios.family.commanded import commanded

SERVER_URL = OwnAddress(prefix="http://", suffix=":0")
_HERE = Path(__file__).parent


def server_node(
    program: Program,
    listens: Sequence[str],
    targets: Mapping[str, str],
    flags: Sequence[Argument] = (),
    ip: str | None = None,
) -> NodeSpec:
    """Return the server: it listens for some tunnels, and dials "IP:port" for the others.

    ``ip`` is another address than its own to listen at, here and below.
    """
    return NodeSpec(
        name="server",
        program=program,
        arguments=(
            "--server",
            *("--url", SERVER_URL if ip is None else f"http://{ip}:0"),
            *_tunnels(listens, targets, ip),
            *flags,
        ),
        ready_event="tunnel-ready",
    )


def client_node(
    program: Program,
    number: int,
    server: str,
    listens: Sequence[str],
    targets: Mapping[str, str],
    flags: Sequence[Argument] = (),
    ip: str | None = None,
) -> NodeSpec:
    """Return client ``number`` of the server at "IP:port"."""
    return NodeSpec(
        name=f"client-{number}",
        program=program,
        arguments=(
            *("--client-id", str(number)),
            *("--url", f"http://{server}"),
            *_tunnels(listens, targets, ip),
            *flags,
        ),
        ready_event="tunnel-ready",
    )


def tcp_node(ip: str | None = None) -> NodeSpec:
    """Return the node of TCP programs at the ends of tunnels (tcp_program.py)."""
    return _script("tcp", Mount(_HERE / "tcp_program.py"), OwnAddress() if ip is None else ip)


def link_node(library: Path | None = None) -> NodeSpec:
    """Return a client that is not ours (link_program.py).

    With the folder of the `websockets` package, that speaks WebSocket.
    """
    script = Mount(_HERE / "link_program.py")
    if library is None:
        return _script("foreign", script, OwnAddress())
    return _script("websockets", script, OwnAddress(), Placed(Mount(library)))


def narrow_node() -> NodeSpec:
    """Return a narrow, long link (narrow_program.py)."""
    return _script("narrow", Mount(_HERE / "narrow_program.py"), OwnAddress())


def _script(name: str, script: Mount, *arguments: Argument) -> NodeSpec:
    return commanded(name, script, arguments, TUNNEL_PROGRAM.target)


def limited(program: Program, open_files: int) -> Program:
    """Return a program that may have only so many descriptors open (prlimit of util-linux)."""
    prefix = ("prlimit", f"--nofile={open_files}", "--")
    inside = program.entrypoint or ("python", "-P", "-m", TUNNEL_PROGRAM.module)
    return Program((*prefix, *program.command), (*prefix, *inside), program.image)


def measured(program: Program) -> Program:
    """Return a program that also answers what it uses: `resources` (launcher.py)."""
    prefix = (sys.executable, "-P", Placed(Mount(Path(launcher.__file__))))
    inside = program.entrypoint or ("python", "-P", "-m", TUNNEL_PROGRAM.module)
    return Program((*prefix, *program.command), ("python", *prefix[1:], *inside), program.image)


def _tunnels(listens: Sequence[str], targets: Mapping[str, str], ip: str | None) -> list[Argument]:
    arguments: list[Argument] = []
    for tunnel in listens:
        own = OwnAddress(prefix=f"{tunnel}=", suffix=":0")
        arguments += ["--listen", own if ip is None else f"{tunnel}={ip}:0"]
    for tunnel, addr in targets.items():
        arguments += ["--connect", f"{tunnel}={addr}"]
    return arguments
