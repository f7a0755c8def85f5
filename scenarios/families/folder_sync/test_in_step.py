"""Peers that keep up with each other, and with what happened while one was away: F11 to F17."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import re
import time
from collections.abc import Callable

from blake3 import blake3

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import FOLDER, Link, Made, Text, files_of, sha256_of
from scenarios.families.folder_sync.peers import Peer, received, versions
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
WITHIN_S = 2.0
NAMES = ("alpha", "bravo", "charlie")
DAY_S = 86_400
EARLIER, LATER = 1_700_000_000, 1_700_000_100


@scenario(
    "F11", name="All in step",
    proves="new, changed, renamed, deleted, empty files, empty folders, links, x bits: on all "
    "three peers within 2 s each, whoever did it",
    measures=True,
)  # fmt: skip
def all_in_step(sync: Sync) -> None:
    peers = sync.swarm(*NAMES)
    changes: dict[str, Callable[[Peer], None]] = {
        "a new file": lambda one: one.write("new.txt", "new"),
        "a changed file": lambda one: one.save("new.txt", "changed"),
        "a file changed in place": lambda one: one.overwrite("new.txt", 2, b"!"),
        "an empty file": lambda one: one.write("empty", b""),
        "an empty folder": lambda one: one.write("folder", FOLDER),
        "a link": lambda one: one.write("link", Link("new.txt")),
        "a link to nowhere": lambda one: one.write("folder/nowhere", Link("../../nowhere")),
        "an x bit": lambda one: one.make_executable("new.txt"),
        "a renamed file": lambda one: one.rename("new.txt", "folder/renamed.txt"),
        "a renamed folder": lambda one: one.rename("folder", "other"),
        "a deleted file": lambda one: one.delete("empty"),
        "a deleted link": lambda one: one.delete("link"),
        "a deleted folder": lambda one: one.delete("other"),
        "a last file": lambda one: one.write("last.txt", "last"),
    }
    took: dict[str, float] = {}
    lacking: dict[str, list[str]] = {}
    lacks = "what does not arrive"
    for turn, (what, change) in enumerate(changes.items()):
        one = peers[turn % len(peers)]
        change(one)
        others = [other for other in peers if other is not one]
        found, took[what] = sync.wait_until_alike(others, one.now(), lacks)
        if found:
            lacking[what] = found
            break  # the next changes are made to what is missing
    sync.check.equal(lacks, lacking, {})
    late = {what: seconds for what, seconds in took.items() if seconds > WITHIN_S}
    sync.check.equal("what takes longer than 2 s", late, {})
    slowest = max(took, key=lambda what: took[what])
    sync.evidence(f"{len(took)} changes; the slowest, {slowest}, took {took[slowest]:.2f} s")


@scenario(
    "F12", name="Back after a while",
    proves="a peer that was away: its old copies never beat newer ones, whatever their mtimes; "
    "what was deleted and renamed meanwhile is so on it too",
)  # fmt: skip
def back_after_a_while(sync: Sync) -> None:
    things = {f"{name}.txt": f"old {name}" for name in ("changed", "deleted", "renamed", "kept")}
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), "bravo", "charlie")
    charlie.shutdown()
    alpha.save("changed.txt", Text(b"newer", mtime=EARLIER))
    bravo.delete("deleted.txt")
    bravo.rename("renamed.txt", "folder/renamed.txt")
    alpha.write("new.txt", "new")
    want = sync.alike(alpha, bravo)
    future = time.time_ns() + DAY_S * 10**9
    for name in things:
        charlie.touch(name, future)
    charlie = sync.restart(charlie)
    sync.in_step(alpha, bravo, charlie, times=False)  # a touch is nobody else's business
    held = {str(one): files_of(one.now()) for one in (alpha, bravo, charlie)}
    sync.check.equal("what all have", held, dict.fromkeys(held, files_of(want)))
    for one in (alpha, bravo, charlie):
        one.node.everything().none_of("conflict", what="no conflict")


@scenario(
    "F13", name="Edits on two sides",
    proves="of two edits made apart, the newer by mtime wins, or at the same mtime the larger "
    "hash; the other one is kept, once, under the same name everywhere; a copy gets no copy",
)  # fmt: skip
def two_sides(sync: Sync) -> None:
    alpha, *apart = sync.swarm(
        peer("alpha", {"by-time.txt": "old", "by-hash.txt": "old"}), "bravo", "charlie"
    )
    _edit_apart(sync, apart, "by-time.txt", (LATER, EARLIER))
    _edit_apart(sync, apart, "by-hash.txt", (EARLIER, EARLIER))
    bravo, charlie = apart = [sync.restart(one) for one in apart]
    files = files_of(sync.in_step(alpha, bravo, charlie))
    ours, theirs = b"edit of bravo", b"edit of charlie"
    by_hash = max(ours, theirs, key=lambda data: blake3(data).digest())
    sync.check.equal("the winner by mtime", files["by-time.txt"], sha256_of(ours))
    sync.check.equal("the winner by hash", files["by-hash.txt"], sha256_of(by_hash))
    copies = alpha.copies()
    sync.check.equal("conflict copies", len(copies), 2)
    by_hash_lost = (ours, bravo) if by_hash is theirs else (theirs, charlie)
    losers = {"by-time": (theirs, charlie), "by-hash": by_hash_lost}
    kept = {}
    for stem, (_, author) in losers.items():
        pattern = rf"{stem}\.sync-conflict-\d{{8}}-\d{{6}}-\d{{9}}-{author.peer_id[:7]}\.txt"
        kept[stem] = [files[name] for name in copies if re.fullmatch(pattern, name)]
    lost = {stem: [sha256_of(content)] for stem, (content, _) in losers.items()}
    sync.check.equal("what is kept, under the right names", kept, lost)
    told = charlie.told("conflict", path="by-time.txt")
    sync.check.equal("who won, as it is told", told.data["winner"], bravo.peer_id)
    _edit_apart(sync, apart, copies[0], (EARLIER, LATER), "copy edit")
    apart = [sync.restart(one) for one in apart]
    files = files_of(sync.in_step(alpha, *apart))
    sync.check.equal("copies after a conflict about a copy", sorted(alpha.copies()), sorted(copies))
    newer = sha256_of(b"copy edit of charlie")
    sync.check.equal("the winner among its edits", files[copies[0]], newer)


def _edit_apart(
    sync: Sync, apart: list[Peer], name: str, mtimes: tuple[int, int], what: str = "edit"
) -> None:
    """End peers, if they run, and edit a file on each."""
    for one in apart:
        if one.node.running:
            one.shutdown()
    for one, mtime in zip(apart, mtimes, strict=True):
        one.save(name, Text(f"{what} of {one}".encode(), mtime=mtime))


@scenario(
    "F14", name="Delete against change",
    proves="a file deleted on one side and changed on the other is there, changed; a folder "
    "deleted against a new file in it has that file only",
)  # fmt: skip
def delete_against_change(sync: Sync) -> None:
    things = {"doc.txt": "old", "box/old.txt": "old", "gone.txt": "old"}
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), "bravo", "charlie")
    bravo.shutdown()
    charlie.shutdown()
    for name in ("doc.txt", "box", "gone.txt"):
        bravo.delete(name)
    charlie.save("doc.txt", Text(b"changed", mtime=EARLIER))
    charlie.write("box/new.txt", "new")
    bravo, charlie = sync.restart(bravo), sync.restart(charlie)
    got = files_of(sync.in_step(alpha, bravo, charlie))
    want = {"doc.txt": sha256_of(b"changed"), "box/new.txt": sha256_of(b"new")}
    sync.check.equal("what is there", got, want)


@scenario(
    "F15", name="Same content on two sides",
    proves="files that have the same content already, with other mtimes, are no conflict and are "
    "not sent; a touch makes no version",
)  # fmt: skip
def same_content(sync: Sync) -> None:
    def things(mtime: int) -> dict[str, Made]:
        return {f"file-{n}": Made(2 * MIB, f"F15 {n}", mtime + n) for n in range(3)}

    alpha, bravo, charlie = sync.swarm(
        peer("alpha", things(EARLIER)), peer("bravo", things(LATER)), peer("charlie", things(LATER))
    )
    _nothing_sent(sync, alpha, bravo, charlie)
    for one in (bravo, charlie):
        one.shutdown()
    for one in (alpha, bravo, charlie):
        one.save("made-apart", Made(2 * MIB, "F15", EARLIER + len(one.name)))
    bravo, charlie = sync.restart(bravo), sync.restart(charlie)
    sync.in_step(alpha, bravo, charlie)
    _nothing_sent(sync, alpha, bravo, charlie)
    before = versions(alpha)
    alpha.touch("file-0", (LATER + 10) * 10**9)
    alpha.scan()
    sync.check.equal("versions after a touch", versions(alpha), before)
    sync.evidence(f"{len(before)} files that each had already: nothing fetched, nothing kept")


def _nothing_sent(sync: Sync, *peers: Peer) -> None:
    """Check that nothing was fetched in the last run of each peer, and nothing was a conflict."""
    sent = {str(one): received(one.node.everything()) for one in peers}
    sync.check.equal("bytes that were sent", sent, dict.fromkeys(map(str, peers), 0))
    for one in peers:
        one.node.everything().none_of("conflict", what="no conflict")
    copies = {str(one): one.copies() for one in peers}
    sync.check.equal("conflict copies", copies, {str(one): [] for one in peers})


@scenario(
    "F16", name="Edits that nobody has scanned",
    proves="a file that was edited here a moment ago, unseen by the peer, is not overwritten by a "
    "newer version from elsewhere: both are there",
)  # fmt: skip
def unscanned(sync: Sync) -> None:
    names = [f"doc-{n}.txt" for n in range(20)]
    old = peer("alpha", dict.fromkeys(names, "old"))
    alpha, bravo, charlie = sync.swarm(old, "bravo", "charlie")
    bravo.node.freeze()
    for name in names:
        alpha.save(name, Text(b"of alpha", mtime=LATER))
    sync.becomes(charlie, alpha.now(), "what charlie has")
    for name in names:
        bravo.save(name, Text(b"of bravo", mtime=EARLIER))
    bravo.node.thaw()
    files = files_of(sync.in_step(alpha, bravo, charlie))
    wanted = dict.fromkeys(names, sha256_of(b"of alpha"))
    sync.check.equal("what won", {name: files.get(name) for name in names}, wanted)
    kept = sorted(digest for name, digest in files.items() if name not in names)
    sync.check.equal("what is kept beside", kept, [sha256_of(b"of bravo")] * len(names))


@scenario(
    "F17", name="Tombstones past their age",
    proves="who was away for less than 90 days hears of what was deleted; who was away for longer "
    "joins like a newcomer: all have what anybody has, and nothing is deleted by absence",
)  # fmt: skip
def old_tombstones(sync: Sync) -> None:
    things = {"early.txt": "early", "late.txt": "late", "kept.txt": "kept"}
    alpha, bravo, charlie = sync.swarm(peer("alpha", things), "bravo", "charlie")
    charlie.shutdown()
    alpha.delete("early.txt")
    sync.alike(alpha, bravo)
    for one in (alpha, bravo):
        one.shutdown()
    kept = {name: sha256_of(text.encode()) for name, text in things.items()}
    del kept["early.txt"]
    alpha, bravo, charlie = _days_later(sync, 80, alpha, bravo, charlie)
    got = files_of(sync.in_step(alpha, bravo, charlie))
    sync.check.equal("what is there after 80 days", got, kept)
    charlie.shutdown()
    alpha.delete("late.txt")
    bravo.write("new.txt", "new")
    sync.alike(alpha, bravo)
    for one in (alpha, bravo):
        one.shutdown()
    alpha, bravo, charlie = _days_later(sync, 180, alpha, bravo, charlie)
    got = files_of(sync.in_step(alpha, bravo, charlie))
    kept["new.txt"] = sha256_of(b"new")
    sync.check.equal("what is there after 100 days more", got, kept)


def _days_later(sync: Sync, days: int, *peers: Peer) -> list[Peer]:
    """Start peers so many days after the scenario began; return them when they have met.

    Those that were not away come first.
    """
    again = [sync.restart(one, launch=Launch(clock_s=days * DAY_S)) for one in peers]
    sync.met(*again)
    return again
