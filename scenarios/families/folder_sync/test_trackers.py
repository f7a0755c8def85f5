"""Trackers that are lost, and halves that go their own way: F24, F25."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from functools import partial

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import Text, files_of, sha256_of
from scenarios.families.folder_sync.peers import Peer
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync
from scenarios.families.folder_sync.watch import until

SOON_S = 15.0
EARLIER, LATER = 1_700_000_000, 1_700_000_100


@scenario(
    "F24", name="Trackers lost",
    proves="a tracker that is frozen, killed and started again, and never there again: peers go on "
    "among themselves, even one that starts anew; who is back is known to the tracker in seconds",
)  # fmt: skip
def trackers_lost(sync: Sync) -> None:
    alpha, bravo, charlie = peers = sync.swarm(peer("alpha", {"a.txt": "a"}), "bravo", "charlie")
    sync.the_tracker.node.freeze()
    alpha.write("frozen.txt", "while it is frozen")
    sync.all_become([bravo, charlie], alpha.now(), "while it is frozen")
    sync.the_tracker.node.thaw()
    for one in peers:  # on a slow machine, it may have been given up meanwhile
        until(sync.scene, one.folder, partial(_tracker, one), "connected".__eq__, SOON_S)
    windows = [one.window() for one in peers]
    sync.the_tracker.node.kill()
    for window in windows:
        window.wait_event("tracker-lost")
    bravo.write("killed.txt", "while it is gone")
    sync.all_become([alpha, charlie], bravo.now(), "while it is gone")
    tracker = sync.restart_tracker(sync.the_tracker)
    for window in windows:
        window.wait_event("tracker-connected", timeout=SOON_S)
    known = {row["peer_id"] for row in tracker.rows("list-peers", "peers")}
    sync.check.equal("whom the new one knows", known, {one.peer_id for one in peers})
    [delta] = sync.start(peer("delta"), tracker=tracker)
    sync.met(*peers, delta)
    sync.in_step(*peers, delta)
    tracker.node.kill()
    charlie.shutdown()
    alpha.write("never.txt", "when it never comes back")
    charlie = sync.restart(charlie)
    sync.all_become([charlie, bravo], alpha.now(), "when it never comes back", SOON_S)


def _tracker(one: Peer) -> object:
    """Return what a peer says of its connection to the tracker."""
    return one.status()["tracker"]


@scenario(
    "F25", name="Two halves",
    proves="two halves, each with a tracker of its own, both edit; when they meet, all four have "
    "all of it, and what both have changed is there twice",
)  # fmt: skip
def two_halves(sync: Sync) -> None:
    names = ("alpha", "bravo", "charlie", "delta")
    things = {"both.txt": "old", "left-gone.txt": "old", "right.txt": "old"}
    peers = sync.swarm(peer(names[0], things), *names[1:])
    for one in peers:
        one.shutdown()
    trackers = sync.the_tracker, sync.tracker(name="other-tracker")
    # At other addresses they find only whom their tracker tells of.
    alpha, bravo = (sync.restart(one, tracker=trackers[0], moved=True) for one in peers[:2])
    charlie, delta = (sync.restart(one, tracker=trackers[1], moved=True) for one in peers[2:])
    for one, other in ((alpha, bravo), (charlie, delta)):
        one.told("peer-connected", peer_id=other.peer_id)
    alpha.save("both.txt", Text(b"left", mtime=EARLIER))
    alpha.delete("left-gone.txt")
    bravo.write("left.txt", "left")
    charlie.save("both.txt", Text(b"right", mtime=LATER))
    delta.save("right.txt", Text(b"changed", mtime=LATER))
    left, right = alpha.now() | bravo.now(), charlie.now() | delta.now()
    left.pop("left-gone.txt", None)  # bravo may have heard of it by now
    left["both.txt"], right["both.txt"] = alpha.now()["both.txt"], charlie.now()["both.txt"]
    right["right.txt"] = delta.now()["right.txt"]
    sync.all_become([alpha, bravo], left, "what the left half has")
    sync.all_become([charlie, delta], right, "what the right half has")
    charlie.shutdown()
    delta.shutdown()
    charlie, delta = (sync.restart(one, tracker=trackers[0]) for one in (charlie, delta))
    sync.met(alpha, bravo, charlie, delta)
    files = files_of(sync.in_step(alpha, bravo, charlie, delta))
    [copy] = alpha.copies() or [""]
    want = {"both.txt": b"right", copy: b"left", "left.txt": b"left", "right.txt": b"changed"}
    got = {name: files.get(name) for name in want}
    sync.check.equal("what all have", got, {name: sha256_of(data) for name, data in want.items()})
    sync.check.equal("how many files", len(files), len(want))
