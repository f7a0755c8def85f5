"""The pair family: two peers that share a folder, and the relay at which they meet."""

from scenarios.core.words import Words
from scenarios.families.pair.live import LIVE_PEER, LIVE_RELAY
from scenarios.families.pair.programs import DESK_IMAGE, PAIR_PROGRAM
from scenarios.families.pair.story import LOOKS, MOVES, bars, connections
from scenarios.family.family import Family
from scenarios.family.story import Story

FAMILY = Family(
    letter="P",
    name="pair",
    title="Two peers that share a folder, end to end encrypted",
    package="scenarios.families.pair",
    programs=(PAIR_PROGRAM,),
    images=(DESK_IMAGE,),
    words=Words(
        ready_event="pair-ready",
        node_id="fingerprint",
        identities=("path", "fingerprint"),
    ),
    # Times and values derived from times, and keys that are made anew.
    varying=frozenset(
        ["uptime_s", "rtt_ms", "duration_ms", "bytes_per_second", "in_s", "heartbeats", "seconds"]
    ),
    paced=frozenset(["pull-progress", "reconnecting", "connect-failed"]),
    story=Story(bars=bars, connections=connections, looks=LOOKS, moves=MOVES),
    live={"peer": LIVE_PEER, "relay": LIVE_RELAY},
)
