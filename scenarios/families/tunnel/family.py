"""The tunnel family: a server and clients that carry TCP over WebSocket."""

from scenarios.core.words import Words
from scenarios.families.tunnel.live import LIVE_CLIENT, LIVE_SERVER
from scenarios.families.tunnel.programs import TUNNEL_PROGRAM
from scenarios.families.tunnel.report.activity import bars, connections
from scenarios.families.tunnel.report.flows import transfers
from scenarios.family.family import Family
from scenarios.family.story import Story

FAMILY = Family(
    letter="T",
    name="tunnel",
    title="TCP over WebSocket, with active and standby clients",
    package="scenarios.families.tunnel",
    programs=(TUNNEL_PROGRAM,),
    words=Words(
        ready_event="tunnel-ready",
        ending=("drain",),
        identities=("client_id", "tunnel", "stream"),
    ),
    varying=frozenset(["uptime_s", "rtt_ms", "reopens_in_s", "port", "failover", "median_ms"]),
    story=Story(
        bars=bars,
        connections=connections,
        transfers=transfers,
        looks={
            "client-offline": "bad",
            "link-lost": "bad",
            "link-restored": "good",
            "listener-closed": "bad",
            "listener-opened": "good",
            "failover-begin": "bad",
            "failover-finished": "good",
        },
    ),
    live={"server": LIVE_SERVER, "client": LIVE_CLIENT},
)
