"""A restart with much that is known: F37."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.folder_sync.specs import Launch, peer
from scenarios.families.folder_sync.sync import Sync

LONG_S = 60.0
READS = 10


@scenario(
    "F37", name="Restart with 100,000 files",
    proves="a peer that knows its files (10,000; at full length 100,000) is ready, and tells of "
    "them, without reading them again",
    timeout_s=300,
)  # fmt: skip
def restart_many(sync: Sync) -> None:
    count = 100_000 if sync.full_length else 10_000
    things = {f"{n // 500:03}/{n}": str(n) for n in range(count)}
    [alpha] = sync.swarm(peer("alpha", things), compare=False)
    alpha.shutdown()
    # From then on it can open so many of its files, and no more.
    alpha = sync.restart(alpha, launch=Launch(reads=READS))
    # It looks for others when it has scanned its folder.
    met = alpha.told("tracker-connected", timeout=LONG_S)
    alpha.scan()
    status = alpha.status()
    sync.check.equal("files that it knows", status["files"], count)
    sync.check.equal("files that it could not read", status["out_of_step"], [])
    alpha.node.everything().none_of("index-changed", what="no new version")
    took = met.line.at - alpha.ready.line.at
    sync.evidence(f"{count} files; it met the tracker {took:.1f} s after it was ready")
