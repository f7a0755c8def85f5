"""Whom peers must not trust: F33, F34."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.folders import Made, Things
from scenarios.families.folder_sync.peers import sent_by
from scenarios.families.folder_sync.specs import LEGACY, Launch, peer
from scenarios.families.folder_sync.sync import Sync

MIB = 1 << 20
OTHER_KEY = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f"


@scenario(
    "F33", name="Poisoned holder",
    proves="a holder that sends other bytes than it promised is found out by their hash and "
    "dropped; the file comes from the others, and nobody ever has a wrong one",
)  # fmt: skip
def poisoned_holder(sync: Sync) -> None:
    large: Things = {"large": Made(8 * MIB, "F33", 1_700_000_000), "small": "small"}
    liar = peer("liar", large, launch=Launch(lies=True))
    honest, lying = sync.swarm(peer("honest", large, "--upload-limit", "8MiB"), liar)
    [taker] = sync.start(peer("taker"), tracker=sync.the_tracker)
    dropped = taker.told("source-dropped")
    sync.check.equal("who is dropped", dropped.data["peer_id"], lying.peer_id)
    taker.told("fetch-finished", path="large", timeout=60.0)
    sync.alike(honest, taker)
    sent = sent_by(taker.node.everything(), "large")
    sync.check.contains("who sent it", sent, honest.peer_id)


@scenario(
    "F34", name="Strangers",
    proves="a stranger without the key, one with another key and a legacy one learn nothing of a "
    "swarm that has one, and bring nothing into it",
)  # fmt: skip
def strangers_kept_out(sync: Sync) -> None:
    members = sync.swarm(
        peer("alpha", {"secret.txt": "secret"}), "bravo", "charlie", flags=("--key", sync.key())
    )
    other_key = sync.key(OTHER_KEY, "other-key")
    strangers = (
        peer("without", {"without.txt": "without"}),
        peer("other", {"other.txt": "other"}, "--key", other_key),
        peer("legacy", {"legacy.txt": "legacy"}, *LEGACY, exit_code=1),
    )
    without, other, legacy = sync.start(*strangers, tracker=sync.the_tracker)
    # One that is let in is in step some time, with what there is to know.
    told = {str(one): one.told("tracker-lost", "in-step").name for one in (without, other)}
    sync.check.equal("what strangers are told", told, dict.fromkeys(told, "tracker-lost"))
    raw = sync.raw("raw")
    asked = {"tracker": sync.the_tracker.addr, "member": members[0].addr}
    counts = {who: raw.ask(addr, "secret.txt\n")["count"] for who, addr in asked.items()}
    sync.check.equal("what the legacy wire is answered", counts, dict.fromkeys(asked, 0))
    own = {str(one): [f"{one}.txt"] for one in (without, other, legacy)}
    held = {str(one): sorted(one.now()) for one in (without, other, legacy)}
    sync.check.equal("what strangers have", held, own)
    known = {row["peer_id"] for row in sync.the_tracker.rows("list-peers", "peers")}
    sync.check.equal("whom the tracker knows", known, {one.peer_id for one in members})
    sync.check.equal("what members have", sorted(sync.in_step(*members)), ["secret.txt"])
