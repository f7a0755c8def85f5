"""The LAN family: peers that share games on a local network."""

from scenarios.core.words import Words
from scenarios.families.lan_spread.live import LIVE_PEER
from scenarios.families.lan_spread.programs import PEER_PROGRAM
from scenarios.families.lan_spread.report.activity import bars, connections
from scenarios.families.lan_spread.report.movement import MOVES
from scenarios.families.lan_spread.report.provenance import transfers
from scenarios.family.family import Family
from scenarios.family.story import Story

FAMILY = Family(
    letter="S",
    name="lan",
    title="Peers that share games on a local network",
    package="scenarios.families.lan_spread",
    programs=(PEER_PROGRAM,),
    words=Words(
        ready_event="local-peer-ready",
        node_id="peer_id",
        identities=("id", "game_id", "peer_id", "relative_path", "path", "name"),
    ),
    # Times, and values derived from times.
    varying=frozenset(["uptime_s", "duration_ms", "bytes_per_second", "mib_per_s", "mbit_per_s"]),
    paced=frozenset(["download-progress"]),
    story=Story(
        bars=bars,
        connections=connections,
        transfers=transfers,
        looks={
            "peer-disconnected": "bad",
            "download-chunk-finished": "bytes",
            "download-progress": "progress",
        },
        moves=MOVES,
    ),
    live={"peer": LIVE_PEER},
)
