"""The folder synchroniser family: trackers, and peers that keep one folder in step."""

from scenarios.core.words import Words
from scenarios.families.folder_sync.live import LIVE_PEER, LIVE_TRACKER
from scenarios.families.folder_sync.programs import SYNC_PROGRAM
from scenarios.families.folder_sync.report.activity import MOVES, bars, connections
from scenarios.families.folder_sync.report.provenance import transfers
from scenarios.family.family import Family
from scenarios.family.story import Story

FAMILY = Family(
    letter="F",
    name="sync",
    title="Peers that keep a folder in step",
    package="scenarios.families.folder_sync",
    programs=(SYNC_PROGRAM,),
    words=Words(
        ready_event="sync-ready",
        node_id="peer_id",
        identities=("path", "peer_id", "name"),
    ),
    # Times, and what depends on when others were heard.
    varying=frozenset(["uptime_s", "port", "mtime_ns", "seen_s", "fetched_bytes", "after_s"]),
    paced=frozenset(["fetch-progress", "index-changed", "in-step", "tracker-lost"]),
    story=Story(
        bars=bars,
        connections=connections,
        transfers=transfers,
        looks={
            "conflict": "bad",
            "fetch-progress": "progress",
            "halted": "bad",
            "in-step": "good",
            "low-space": "bad",
            "name-clash": "bad",
            "peer-disconnected": "bad",
            "source-dropped": "bad",
            "tracker-lost": "bad",
        },
        moves=MOVES,
    ),
    live={"peer": LIVE_PEER, "tracker": LIVE_TRACKER},
)
