"""Much and many, slowly, and what of it has to be sent: F18, F19, F28, F29, F39."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import os

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import Made, Sparse, shape
from scenarios.families.folder_sync.peers import received
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync
from scenarios.families.folder_sync.watch import until

MIB, GIB = 1 << 20, 1 << 30
# At this rate nothing large is sent before a wait ends: what arrives was not sent.
TRICKLE = ("--upload-limit", "2MiB")
LONG_S = 60.0
PER_FOLDER = 1000


@scenario(
    "F18", name="Renamed",
    proves="a renamed file of 256 MiB, a copy of it, and a renamed folder of 1,000 files: no "
    "content is sent",
    timeout_s=300,
)  # fmt: skip
def renamed(sync: Sync) -> None:
    things = {f"folder/{n}": Made(4096, f"F18 {n}", 1_700_000_000) for n in range(1000)}
    things["large"] = Made(256 * MIB, "F18", 1_700_000_000)
    # Both have it at the start, so that making it is all that it costs.
    alpha, bravo = sync.swarm(peer("alpha", things, *TRICKLE), peer("bravo", things, *TRICKLE))
    window = bravo.window()
    alpha.rename("large", "moved/large")
    alpha.rename("folder", "moved/folder")
    bravo.told("file-renamed", path="moved/large", timeout=LONG_S)
    sync.in_step(alpha, bravo)
    os.link(alpha.folder / "moved/large", alpha.folder / "copy")
    sync.in_step(alpha, bravo)
    sync.check.equal("bytes that were sent", received(window), 0)
    sync.check.equal("entries at bravo", len(bravo.now()), 1004)


@scenario(
    "F19", name="One block of 1 GiB",
    proves="one block of a file of 1 GiB is changed: at most 2 MiB are sent",
    timeout_s=300,
)  # fmt: skip
def one_block(sync: Sync) -> None:
    # 16 MiB of it are no holes, of which one is changed: nothing else may be sent.
    islands = tuple((n * 64 * MIB, os.urandom(MIB)) for n in range(16))
    things = {"large": Sparse(GIB, islands)}
    alpha, bravo = sync.swarm(peer("alpha", things, *TRICKLE), peer("bravo", things, *TRICKLE))
    window = bravo.window()
    alpha.overwrite("large", 5 * 64 * MIB + 12_345, b"changed")
    window.wait_event("fetch-finished", path="large", timeout=LONG_S)
    sync.in_step(alpha, bravo)
    sync.check.between("bytes that were sent", received(window), 1, 2 * MIB)
    sync.evidence(f"{received(window)} bytes of 1 GiB were sent")


@scenario(
    "F28", name="Many at once",
    proves="6,000 small files, or 50,000 at full length, that appear at once, more than the system "
    "tells of, all arrive",
    timeout_s=300,
)  # fmt: skip
def many_at_once(sync: Sync) -> None:
    count = 50_000 if sync.full_length else 6_000
    entries, within_s = count + count // PER_FOLDER, LONG_S * (3 if sync.full_length else 1)
    alpha, bravo = sync.swarm("alpha", "bravo")
    sync.step(f"alpha: write {count} files")
    for number in range(count):
        folder = alpha.folder / f"{number // PER_FOLDER:02}"
        if number % PER_FOLDER == 0:
            folder.mkdir()
        (folder / str(number)).write_bytes(b"%d" % number)
    # Without a scan that is asked for: the peer has to see for itself.
    what = "entries at bravo"
    held, _ = until(
        sync.scene, bravo.folder, lambda: len(shape(bravo.folder)), entries.__eq__, within_s, what
    )
    sync.check.equal(what, held, entries)
    sync.in_step(alpha, bravo)


@scenario(
    "F29", name="Sparse 1 GiB",
    proves="a sparse file of 1 GiB arrives, its holes are neither sent nor stored",
    timeout_s=300,
)  # fmt: skip
def sparse(sync: Sync) -> None:
    islands = ((0, b"begin"), (500 * MIB, b"middle"), (GIB - 3, b"end"))
    _, bravo = sync.swarm(peer("alpha", {"sparse": Sparse(GIB, islands)}, *TRICKLE), "bravo")
    bravo.told("fetch-finished", path="sparse")
    sent = received(bravo.node.everything())
    sync.check.between("bytes that were sent", sent, 1, 4 * MIB)
    stored = (bravo.folder / "sparse").stat().st_blocks * 512
    sync.check.between("bytes that it takes on the disk", stored, 1, 8 * MIB)
    sync.evidence(f"of 1 GiB, {sent} bytes were sent and {stored} are stored")


@scenario(
    "F39", name="A low limit",
    proves="a file of 1 MiB comes from a peer that may send 80 KiB a second: "
    "13 s, more than anybody waits for one that is silent",
)  # fmt: skip
def low_limit(sync: Sync) -> None:
    alpha, bravo = sync.swarm(peer("alpha", {}, "--upload-limit", "80KiB"), "bravo")
    window = bravo.window()
    alpha.save("large", Made(MIB, "F39"))
    window.wait_event("fetch-finished", path="large", timeout=LONG_S)
    sync.in_step(alpha, bravo)
