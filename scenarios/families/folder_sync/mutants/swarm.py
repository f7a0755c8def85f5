"""Mutants that are wrong about others: trackers, holders, strangers."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="never-finds-back",
        breaks="Does not look for a tracker that was lost.",
        edits=(
            Edit(
                "tracking.py",
                old="            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))",
                new="            await asyncio.sleep(1e6 * random.uniform(0.5, 1.0))",
            ),
        ),
        noticed_by={"F24": ("alpha: tracker-connected",)},
        hurry=0.4,
    ),
    Mutant(
        name="takes-any-key",
        breaks="Takes whoever comes, whatever key they have.",
        edits=(
            Edit(
                "handshake.py",
                old="    if not hmac.compare_digest(proof.swarm,",
                new="    if False and not hmac.compare_digest(proof.swarm,",
                package="network",
            ),
        ),
        noticed_by={"F34": ("without: tracker-lost",)},
        hurry=0.4,
    ),
)
