"""Peers that are killed, and sources: F23, F32."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from concurrent.futures import ThreadPoolExecutor

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import FOLDER, Link, Made, Text, Things, differences
from scenarios.families.folder_sync.peers import sent_by
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
LONG_S = 60.0
# One peer for each: it dies before this change of what has this name. The second change is of no
# use to a program that makes each in one step; then its peer is killed when all is done.
STEPS = (
    "TEMPORARY:1", "TEMPORARY:2", "TEMPORARY:4", "changed.txt:1", "changed.txt:2", "deleted.txt:1",
    "deleted.txt:2", "renamed.txt:1", "renamed.txt:2", "large:1", "link:1", "script:1",
)  # fmt: skip


@scenario(
    "F23", name="Killed at every step",
    proves="peers that are killed at the steps of fetching, changing, renaming and deleting start "
    "again whole: nothing is lost, nothing comes back, no part of a file is left",
    timeout_s=300,
)  # fmt: skip
def killed_at_every_step(sync: Sync) -> None:
    before: Things = {
        "changed.txt": "old",
        "deleted.txt": "gone soon",
        "folder/deleted.txt": "gone soon",
        "renamed.txt": "the same",
        "script": Text(b"#!"),
    }
    names = [step.replace(":", "-").replace(".", "-") for step in STEPS]
    alpha, *peers = sync.swarm(peer("alpha", before), *names, compare=False)
    for one in peers:
        one.shutdown()
    alpha.save("changed.txt", "new")
    alpha.delete("deleted.txt")
    alpha.delete("folder")
    alpha.rename("renamed.txt", "other/renamed.txt")
    alpha.make_executable("script")
    alpha.write("large", Made(3 * MIB, "F23"))
    alpha.write("link", Link("large"))
    alpha.write("empty", FOLDER)
    alpha.scan()
    want = alpha.now()
    armed = [sync.die_at(step, one) for step, one in zip(STEPS, peers, strict=True)]
    with ThreadPoolExecutor(len(peers)) as pool:
        waits = [
            pool.submit(sync.dies_or_becomes, one, node, want, LONG_S)
            for one, node in zip(peers, armed, strict=True)
        ]
    died = [step for step, wait in zip(STEPS, waits, strict=True) if wait.result()]
    again = [sync.again(one, node) for one, node in zip(peers, armed, strict=True)]
    sync.met(alpha, *again)
    sync.in_step(alpha, *again, compare=False)
    wrong = [f"{one}: {what}" for one in (alpha, *again) for what in differences(one.now(), want)]
    sync.check.equal("what is not as it should be", wrong, [])
    sync.evidence(f"killed at {len(died)} of {len(STEPS)} steps: {', '.join(died)}")


@scenario(
    "F32", name="Several holders",
    proves="a large file is drawn from all three who have it; one of them is killed during "
    "another: that one is whole too, from the others",
    timeout_s=300,
)  # fmt: skip
def several_holders(sync: Sync) -> None:
    large = {"large": Made(24 * MIB, "F32", 1_700_000_000)}
    # The rates, and not the machine, say how long it takes: so long that all have begun to send.
    slowly = ("--upload-limit", "2MiB")
    holders = sync.swarm(*(peer(name, large, *slowly) for name in ("alpha", "bravo", "charlie")))
    [first] = sync.start(peer("first", {}, *slowly), tracker=sync.the_tracker)
    first.told("fetch-finished", path="large", timeout=LONG_S)
    wanted = {one.peer_id for one in holders}
    sync.check.equal("who sent it", sent_by(first.node.everything(), "large"), wanted)
    sync.in_step(*holders, first)
    [second] = sync.start(peer("second"), tracker=sync.the_tracker)
    victim = holders[0]
    begun = second.node.everything()
    sync.faults.when(
        begun, "fetch-progress", path="large", do=victim.node.kill, what="kill one"
    ).carried_out(LONG_S)
    second.told("fetch-finished", path="large", timeout=LONG_S)
    sync.alike(*holders[1:], first, second)
