"""What the nodes of this family are started with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.core.backends.base import Argument, Mount, NodeSpec, OwnAddress, Placed, Program
from scenarios.families.folder_sync.folders import Things
from scenarios.families.folder_sync.programs import SYNC_PROGRAM
from scenarios.family.commanded import commanded

READY = "sync-ready"
LEGACY = ("--legacy",)
FOLDER_NAME = "folder"  # in a peer's home
_HERE = Path(__file__).parent
_RAW = Mount(_HERE / "raw")
_LAUNCHED = Mount(_HERE / "launched.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """A peer with another clock, a coarser disk, a death at a step, and more (launched.py)."""

    clock_s: float = 0
    grain_s: int = 0
    die_at: str = ""
    reads: int = 0
    taken: int = 0
    folds: bool = False
    lies: bool = False


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """A peer to start, with what is in its folder.

    ``port`` is the wanted one (0: any); ``disk_bytes`` puts the folder on a disk of that size;
    ``address`` is its IP address (None: the next one); ``exit_code`` is how it is to end.
    """

    name: str
    things: Things = field(default_factory=dict)
    flags: tuple[Argument, ...] = ()
    port: int = 0
    disk_bytes: int | None = None
    launch: Launch | None = None
    address: str | None = None
    exit_code: int = 0


def peer(
    name: str,
    things: Things | None = None,
    *flags: Argument,
    port: int = 0,
    disk_bytes: int | None = None,
    launch: Launch | None = None,
    address: str | None = None,
    exit_code: int = 0,
) -> PeerSpec:
    """Return a peer."""
    return PeerSpec(name, things or {}, flags, port, disk_bytes, launch, address, exit_code)


def tracker_node(
    program: Program, name: str, state: Mount, listen: Argument, flags: Sequence[Argument]
) -> NodeSpec:
    """Return a tracker."""
    return NodeSpec(
        name=name,
        program=program,
        arguments=(
            "tracker",
            *("--name", name),
            *("--state-dir", Placed(state)),
            *("--listen", listen),
            *flags,
        ),
        ready_event=READY,
    )


def peer_node(
    program: Program,
    spec: PeerSpec,
    home: Mount,
    state: Mount,
    tracker: str | None,
    flags: Sequence[Argument],
) -> NodeSpec:
    """Return a peer of the tracker at "IP:port", or of none."""
    return NodeSpec(
        name=spec.name,
        program=launched(program, spec.launch) if spec.launch else program,
        arguments=(
            "peer",
            *("--name", spec.name),
            *("--folder", Placed(home, "" if spec.disk_bytes else FOLDER_NAME)),
            *("--state-dir", Placed(state)),
            *("--listen", OwnAddress(suffix=f":{spec.port}")),
            *(("--tracker", tracker) if tracker else ()),
            *flags,
            *spec.flags,
        ),
        address=spec.address,
        ready_event=READY,
        expected_exit=spec.exit_code,
        # A legacy peer that loses its tracker fails, as it should.
        ends_first=LEGACY[0] in (*flags, *spec.flags),
    )


def raw_node(name: str, folder: Mount | None = None) -> NodeSpec:
    """Return a node of the legacy wire that is not ours (raw/)."""
    shared = (Placed(folder),) if folder else ()
    return commanded(name, _RAW, (OwnAddress(), *shared), SYNC_PROGRAM.target)


def launched(program: Program, launch: Launch) -> Program:
    """Return a program that launched.py runs. Raises ValueError if it is no Python module."""
    *python, flag, module = program.command
    if flag != "-m":
        raise ValueError("only a Python program can be launched with another clock or a death")
    figures = (
        launch.clock_s,
        launch.grain_s,
        launch.die_at,
        launch.reads,
        launch.taken,
        int(launch.folds),
        int(launch.lies),
    )
    run = (Placed(_LAUNCHED), module, *map(str, figures))
    return Program((*python, *run), ("python", "-P", *run), program.image)
