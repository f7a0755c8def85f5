"""Disks that are full: F22."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from pathlib import Path

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import OWN, Made, Sparse
from scenarios.families.folder_sync.peers import Peer
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync
from scenarios.families.folder_sync.watch import until

MIB = 1 << 20
LONG_S = 60.0


@scenario(
    "F22", name="Disk full",
    proves="a file that finds no room is not there in any part; an event tells of it, and when "
    "there is room again, all goes on",
    needs=[Capability.SMALL_DISK],
)  # fmt: skip
def disk_full(sync: Sync) -> None:
    # A container's folder is a disk of 100 MiB, of which 64 stay free. A process cannot write files
    # of more than 100 MiB, as with a quota: the system says that there is room, until it is used.
    [alpha] = sync.swarm(peer("alpha", {"first": Made(20 * MIB, "F22")}), compare=False)
    [small] = sync.start(peer("small", disk_bytes=100 * MIB), tracker=sync.the_tracker)
    small.told("fetch-finished", path="first", timeout=LONG_S)
    window = small.window()
    # No holes, which would take no room.
    alpha.save("large", Sparse(104 * MIB, tuple((n * MIB, b"x") for n in range(104))))
    low = window.wait_event("low-space", timeout=LONG_S)
    # Where a write has to fail, it is tried again and again: there is nothing of it in between.
    what = "what is there when it is full"
    held, _ = until(
        sync.scene, small.mount.host, lambda: _held(small), {"first"}.__eq__, LONG_S, what
    )
    sync.check.equal(what, held, {"first"})
    alpha.delete("first")
    alpha.save("large", Made(28 * MIB, "F22 smaller"))  # more than there was room for at first
    window.wait_event("fetch-finished", path="large", timeout=LONG_S)
    sync.in_step(alpha, small, compare=False)
    sync.check.equal("what is there when there is room", _held(small), {"large"})
    sync.evidence(f"{low.data['free_bytes'] // MIB} MiB free when it was told of")


def _held(one: Peer) -> set[str]:
    """Return the names in a peer's folder, with unfinished files, as the peer sees it."""
    unfinished = Path(OWN, "tmp")
    held = one.node.listing(one.mount)
    return {name for name in held if not name.startswith(OWN) or Path(name).parent == unfinished}
