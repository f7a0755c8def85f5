"""Times that cannot be trusted: F30, F31."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import os
import time

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import Text, files_of, sha256_of
from scenarios.families.folder_sync.peers import versions
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

DAY_S = 86_400
SECOND_NS = 10**9


@scenario(
    "F30", name="Clocks apart",
    proves="clocks a day apart, mtimes in the future, a disk that keeps mtimes to 2 s: all get in "
    "step, the newer edit is the one by vector, and nothing goes round for ever",
)  # fmt: skip
def clocks_apart(sync: Sync) -> None:
    ahead = time.time() + 30 * DAY_S
    things = {
        "past.txt": Text(b"past", mtime=3.7),
        "future.txt": Text(b"future", mtime=ahead),
        "edited.txt": Text(b"as it was", mtime=ahead),
    }
    peers = sync.swarm(
        peer("alpha", things),
        peer("bravo", launch=Launch(clock_s=DAY_S)),
        peer("charlie", launch=Launch(clock_s=-DAY_S, grain_s=2)),
        times=False,
    )
    for turn in range(2):
        for one in peers:
            text = f"{turn} by {one}"
            one.save("edited.txt", text)
            held = sync.in_step(*peers, what="all have the edit of one", times=False)
            last = files_of(held)["edited.txt"]
            sync.check.equal("the edit that all have", last, sha256_of(text.encode()))
    before = [versions(one) for one in peers]
    sync.in_step(*peers, times=False)  # after each has looked at its folder, at least once more
    sync.check.equal("versions after another round", [versions(one) for one in peers], before)
    for one in peers:
        one.node.everything().none_of("conflict", what="no edit counts as a conflict")
    times = [(one.folder / "past.txt").stat().st_mtime_ns for one in peers]
    kept = 37 * SECOND_NS // 10
    sync.check.equal("mtimes", times, [kept, kept, 2 * SECOND_NS])
    sync.evidence("6 edits in turn, none a conflict; versions stay as they are")


@scenario(
    "F31", name="Same size, same mtime",
    proves="a file whose content changes while its size and mtime stay is sent",
)  # fmt: skip
def same_size_same_mtime(sync: Sync) -> None:
    alpha, bravo, charlie = sync.swarm(peer("alpha", {"file": "one"}), "bravo", "charlie")
    was = (alpha.folder / "file").stat().st_mtime_ns
    bravo.overwrite("file", 0, b"two")
    os.utime(bravo.folder / "file", ns=(was, was))
    sync.in_step(alpha, bravo, charlie)
    for one in (alpha, charlie):
        sync.check.equal(f"what {one} has", one.read("file"), b"two")
    alpha.shutdown()
    alpha.overwrite("file", 0, b"six")
    os.utime(alpha.folder / "file", ns=(was, was))
    alpha = sync.restart(alpha)
    sync.in_step(alpha, bravo, charlie)
    held = {str(one): one.read("file") for one in (alpha, bravo, charlie)}
    sync.check.equal("what all have after a restart", held, dict.fromkeys(held, b"six"))
