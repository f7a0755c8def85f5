"""A peer that is told to pause: F38."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.core.timeouts import EVENT_S
from scenarios.families.folder_sync.folders import Made
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync
from scenarios.families.folder_sync.watch import until

MIB = 1 << 20


@scenario(
    "F38", name="Paused",
    proves="a peer that is told to pause ends what it fetches, and takes nothing until it is told "
    "to go on; what had come is not sent again",
)  # fmt: skip
def paused(sync: Sync) -> None:
    alpha, bravo = sync.swarm(peer("alpha", {}, "--upload-limit", "4MiB"), "bravo")
    window = bravo.window()
    pause = sync.faults.when(
        window, "fetch-progress", path="large",
        do=lambda: bravo.node.request("pause"), what="pause bravo",
    )  # fmt: skip
    alpha.save("large", Made(16 * MIB, "F38"))
    pause.carried_out()
    failed = window.wait_event("fetch-failed", path="large", code="paused")
    alpha.save("small", "new")
    begins = "what it begins to fetch while it is paused"
    until(
        sync.scene, bravo.folder,
        lambda: {row["path"] for row in bravo.status()["out_of_step"]},
        {"large", "small"}.__eq__, EVENT_S, begins,
    )  # fmt: skip
    begun = [event.data["path"] for event in window.since(failed).events("fetch-begin")]
    sync.check.equal(begins, begun, [])
    sync.check.equal("whether it says that it is paused", bravo.status()["paused"], True)
    bravo.node.request("resume")
    whole = window.wait_event("fetch-finished", path="large")
    sync.check.equal(
        "all of it, and some of it had come before",
        (whole.data["bytes"] + whole.data["reused_bytes"], whole.data["reused_bytes"] > 0),
        (16 * MIB, True),
    )
    sync.in_step(alpha, bravo)
