"""Many peers in disorder: F36."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.disorder import Disorder
from scenarios.families.folder_sync.folders import differences
from scenarios.families.folder_sync.judge import judge
from scenarios.families.folder_sync.sync import Sync

PEERS, STEPS, PER_SECOND = 5, 160, 20.0
FULL_PEERS, FULL_STEPS = 20, 1200  # a minute


@scenario(
    "F36", name="Disorder",
    proves="peers with random edits, deletions, renames, kills and freezes, from a seed, and edits "
    "of one file by all at once: in the end all are in step, no edit is lost that nobody replaced, "
    "and nothing comes back that somebody had replaced",
    timeout_s=300,
)  # fmt: skip
def disorder(sync: Sync, seed: int, full_length: bool) -> None:
    count, steps = (FULL_PEERS, FULL_STEPS) if full_length else (PEERS, STEPS)
    peers = sync.swarm(*(f"peer-{n}" for n in range(count)), compare=False)
    made = Disorder(sync, peers, seed)
    made.run(steps // 2, PER_SECOND)
    made.all_at_once("everybody.txt")
    made.run(steps - steps // 2, PER_SECOND)
    peers = made.settle()
    sync.met(*peers)
    sync.in_step(*peers, compare=False)
    held = peers[0].now()
    final = {
        name: peers[0].read(name).decode() for name, entry in held.items() if entry.kind == "file"
    }
    wrong = judge(made.deeds, final)
    wrong += [f"{one}: {what}" for one in peers[1:] for what in differences(one.now(), held)]
    sync.check.equal("what is lost, came back or differs", wrong, [])
    copies = len(peers[0].copies())
    sync.evidence(
        f"seed {seed}: {len(made.deeds)} deeds, {made.kills} kills, {made.freezes} freezes; "
        f"{len(final)} files in the end, {copies} of them conflict copies"
    )
