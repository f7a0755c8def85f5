"""Pulls that are cut, killed or short of disk, and thousands of files: P42 to P44, P47."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from collections.abc import Callable

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.pair.pair import QUICK, Pair
from scenarios.families.pair.peers import TRANSFER_S, Pull, parts

KB = 1000
MIB = 1 << 20
CUT_AT = 0.37  # of a file
MANY = 5000


@scenario(
    "P42", name="Cut at 37 % twice",
    proves="the pull resumes by itself and fetches less than 1.1 times the file over the wire; if "
    "the source has changed meanwhile it starts afresh, and the file is the new one",
)  # fmt: skip
def cut_twice(pair: Pair) -> None:
    size = 32 * MIB
    pair.start(flags=QUICK, middle=True)
    pair.alpha.shares("large.bin", size)
    before = passed(pair)
    told = pair.middle.window()
    pair.middle.request("tell_at", counts=[int(size * CUT_AT)] * 2, cut=True)
    pull = pair.bravo.pull("large.bin")
    pull.finished()
    share = (passed(pair) - before) / size
    cuts = len(told.events("passed"))
    pair.check.given("the wire has been cut twice", cuts == 2, f"it was cut {cuts} times")
    pair.check.between("share of the file on the wire", share, 1.0, 1.1)
    pair.same("content", pair.bravo, "pulled/large.bin", pair.alpha, "large.bin")
    pair.evidence(f"{share:.3f} of the file's bytes for a pull that was cut twice")

    pair.alpha.shares("changing.bin", size, seed=2)
    pair.middle.request("tell_at", counts=[int(size * CUT_AT)], cut=True, dead=True)
    pull = pair.bravo.pull("changing.bin")
    pull.window.wait_event("peer-disconnected")
    pair.alpha.has("changing.bin", size, seed=3)
    pair.alpha.add("changing.bin")
    pair.middle.request("dead", on=False)
    pull.finished()
    restarts = [event.data["reason"] for event in pull.window.events("pull-restarted")]
    pair.check.equal("why it starts afresh", restarts, ["source-changed"])
    pair.same(
        "content after a change", pair.bravo, "pulled/changing.bin", pair.alpha, "changing.bin"
    )


def passed(pair: Pair) -> int:
    """Return how many bytes have passed between the peers."""
    return int(pair.middle.request("passed")["bytes"])


@scenario(
    "P43", name="Killed at every step of a pull",
    proves="at its begin, at several places within and at its end: the target is whole or not "
    "there, and started again the pull goes on to the whole file",
)  # fmt: skip
def killed_at_every_step(pair: Pair) -> None:
    size = 6 * MIB
    pair.start(flags=("--upload-limit", "40MiB"), middle=True)
    steps: dict[str, Callable[[Pull], object]] = {
        "accepted": lambda _: None,
        "begun": lambda pull: pull.window.wait_event("pull-begin"),
        "first block": lambda _: pair.middle.everything().wait_event("passed"),
        "half": lambda _: pair.middle.everything().wait_event("passed"),
        "last block": lambda _: pair.middle.everything().wait_event("passed"),
        "finished": lambda pull: pull.finished(),
    }
    places = {"first block": MIB + 1, "half": 3 * MIB, "last block": size - KB}
    half_written = []
    for seed, (step, reached) in enumerate(steps.items()):
        path = f"{step}.bin"
        pair.alpha.shares(path, size, seed)
        told = pair.middle.window()
        if step in places:
            pair.middle.request("tell_at", counts=[places[step]], cut=False)
        pull = pair.bravo.pull(path)
        if step in places:
            told.wait_event("passed")
        else:
            reached(pull)
        pair.bravo.node.kill()
        target = pair.bravo.file(pull.to)
        if target.exists() and pair.bravo.sha256(pull.to) != pair.alpha.sha256(path):
            half_written.append(path)
        bravo = pair.restart(pair.bravo)
        pair.swap(bravo, "address")
        pair.join()
        if not target.exists():
            bravo.node.everything().wait_event("pull-finished", path=path, timeout=TRANSFER_S)
    pair.check.equal("half-written targets", half_written, [])
    copies = [pair.bravo.sha256(f"pulled/{step}.bin") for step in steps]
    pair.check.equal("contents", copies, [pair.alpha.sha256(f"{step}.bin") for step in steps])
    pair.check.equal("unfinished files", parts(pair.bravo), [])


@scenario(
    "P44", name="Disk full",
    proves="a pull that does not fit fails with the system's error, and leaves the peer at work: a "
    "smaller one is pulled",
    needs=(Capability.SMALL_DISK,),
)  # fmt: skip
def disk_full(pair: Pair) -> None:
    pair.start(disks={"bravo": 3 * MIB})
    pair.alpha.shares("large.bin", 5 * MIB)
    pair.alpha.shares("small.bin", KB)
    failed = pair.bravo.pull("large.bin").failed()
    pair.check.contains("error", ("ENOSPC", "EFBIG"), failed.data["errno"])
    pair.bravo.node.request("discard", path="large.bin")
    finished = pair.bravo.pulls("small.bin")
    announced = pair.bravo.node.everything().wait_event("file-announced", path="small.bin")
    pair.check.equal("hash of the smaller", finished.data["hash"], announced.data["hash"])


@scenario(
    "P47", name="5,000 small files",
    proves="all are announced, though the connection is cut in the middle; what changes while they "
    "are apart is agreed on afterwards",
)  # fmt: skip
def many_files(pair: Pair) -> None:
    pair.start(flags=QUICK, middle=True)
    names = [f"many/{number:04}" for number in range(MANY)]
    for number, path in enumerate(names):
        pair.alpha.has_content(path, b"%d" % number)
    window = pair.bravo.window()
    cut = pair.faults.when(
        window, "file-announced", nth=MANY // 3, what="cut the wire",
        do=lambda: pair.middle.request("cut"),
    )  # fmt: skip
    pair.alpha.add("many")
    cut.carried_out(TRANSFER_S)
    window.wait_event("peer-disconnected").line  # noqa: B018 - what matters is that it came
    window.wait_event("file-announced", path=names[-1], timeout=TRANSFER_S)
    there = window.since(window.wait_event("peer-disconnected"))
    there.wait_event("peer-connected", timeout=TRANSFER_S)
    pair.alpha.shares("last.bin", KB)
    listed = set(pair.bravo.listed("remote"))
    pair.check.equal("missing", sorted({*names, "last.bin"} - listed)[:5], [])
    away = pair.bravo.window()
    pair.middle.request("dead", on=True)
    away.wait_event("peer-disconnected")
    pair.alpha.has_content("while-apart.bin", b"new")
    pair.alpha.add("while-apart.bin")
    pair.alpha.node.request("remove", path="last.bin")
    pair.alpha.has_content(names[0], b"changed")
    pair.alpha.add(names[0])
    pair.middle.request("dead", on=False)
    for event, path in (
        ("file-announced", "while-apart.bin"),
        ("file-removed", "last.bin"),
        ("file-changed", names[0]),
    ):
        away.wait_event(event, path=path, timeout=TRANSFER_S)
    pair.check.equal(
        "list afterwards", set(pair.bravo.listed("remote")), {*names, "while-apart.bin"}
    )
    pair.bravo.pulls(names[0])
    pair.same("content", pair.bravo, f"pulled/{names[0]}", pair.alpha, names[0])
