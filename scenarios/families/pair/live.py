"""A live relay and live peers, at the keyboard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount, NodeSpec, Placed, Program
from scenarios.families.pair.programs import PAIR_PROGRAM
from scenarios.family.live import LiveNode, LivePlace, Prepared, Progress

FUSE = Path("/dev/fuse")
RELAY = "relay"  # the name under which peers find one


def prepare_peer(place: LivePlace, program: Program) -> Prepared:
    """Prepare a peer: a file to share, a place to mount, and the live relay if there is one."""
    folders = {kind: place.folder / kind for kind in ("files", "state", "mount")}
    for folder in folders.values():
        folder.mkdir()
    (folders["files"] / f"{place.name}.txt").write_text(f"Hello from {place.name}.\n")
    relay = place.neighbours.get(RELAY)
    spec = NodeSpec(
        name=place.name,
        program=program,
        arguments=(
            "peer",
            *("--listen", place.listen),
            *("--folder", Placed(Mount(folders["files"], writable=True))),
            *("--state-dir", Placed(Mount(folders["state"], writable=True))),
            *(("--relay", f"http://{relay}") if relay else ()),
        ),
        mounts=(Mount(folders["mount"], writable=True),),
        fuse=FUSE.exists(),
        shows_mounts=True,
    )
    where = f"It shares what is in {folders['files']}: {place.name}.txt."
    mount = f"A place to mount on is {folders['mount']}."
    return Prepared(spec, f"{where} {mount} {_relay(relay)}")


def prepare_relay(place: LivePlace, program: Program) -> Prepared:
    """Prepare a relay."""
    arguments = ("relay", "--listen", place.listen, "--bridge")
    return Prepared(NodeSpec(place.name, program, arguments), "Peers that start now use it.")


def progress(data: Mapping[str, Any]) -> Progress:
    """Parse a `pull-progress`."""
    return Progress(
        item=str(data.get("path")),
        done=int(data.get("done_bytes", 0)),
        total=int(data.get("total_bytes", 0)),
        bytes_per_second=float(data.get("bytes_per_second", 0)),
        sources=1,
    )


LIVE_PEER = LiveNode(
    program=PAIR_PROGRAM.name,
    prepare=prepare_peer,
    about="A peer shares one small file; first start a relay. What it mounts is seen outside of it "
    "with --backend process.",
    examples="join bravo     add alpha.txt     ls remote     pull bravo.txt copy.txt     mount DIR",
    nicknames={"ls": "list", "rm": "remove", "mv": "rename", "umount": "unmount"},
    reaches={"join": "fingerprint"},
    address="fingerprint",
    row_names=("path",),
    minor=frozenset(["connect-failed", "reconnecting"]),
    progress={"pull-progress": progress},
)
LIVE_RELAY = LiveNode(
    program=PAIR_PROGRAM.name,
    prepare=prepare_relay,
    about=f"The relay at which two peers meet; call it {RELAY}.",
    ready_event="relay-ready",
)


def _relay(addr: str | None) -> str:
    if addr is None:
        return (
            f"No live node is called {RELAY}: start one with --as pair.relay, and then this anew."
        )
    return f"It meets others at the relay {addr}."
