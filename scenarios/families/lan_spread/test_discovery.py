"""Which peers there are and which games they have: S1 to S3, S10, S11."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import (
    LOCAL,
    Peer,
    advertised_row,
    known_row,
    local_row,
    remote_row,
    rows,
)
from scenarios.families.lan_spread.specs import peer

ALPHA = ("alienswarm", "bf1942", "ggoo")
BRAVO = ("bfbc2", "cnc4", "cnctw", "ggoo")


@scenario(
    "S1",
    name="Startup scan",
    proves="`local-peer-ready` comes first, then `local-library-changed`; the three games of "
    "fixture-alpha are `downloaded`, not `installed`, and `Ready`",
)
def startup_scan(lan: Lan) -> None:
    [alpha] = lan.start(peer("alpha", "fixture-alpha"))
    life = alpha.everything()
    first = life.events()[0]
    lan.check.equal("first event", first.name, "local-peer-ready")
    ip, _, port = alpha.addr.rpartition(":")
    lan.check.equal("IP of the ready address", ip, alpha.node.address)
    lan.check.between("port of the ready address", int(port), 1, 65535)
    lan.check.equal("name in local-peer-ready", first.data.get("name"), "alpha")
    lan.check.contains("local-peer-ready tells the protocol", first.data, "protocol")

    want = [local_row(alpha.root(game_id)) for game_id in ALPHA]
    scanned = life.wait_event("local-library-changed")
    lan.check.equal("games of local-library-changed", rows(scanned.data.get("games"), LOCAL), want)
    lan.check.equal("games of list-games", alpha.local(), want)
    lan.check.equal("games that others offer", alpha.remote(), [])
    lan.check.equal("peers that it knows", alpha.known(), [])
    status = alpha.status()
    lan.check.equal(
        "status tells the same id, name and address as local-peer-ready",
        [status.get(key) for key in ("peer_id", "name", "addr")],
        [first.data.get(key) for key in ("peer_id", "name", "addr")],
    )
    lan.evidence(
        f"{len(want)} games with {sum(row['size'] for row in want)} bytes, all Ready, "
        f"{scanned.at - first.at:.3f} s after local-peer-ready"
    )


@scenario(
    "S2",
    name="Direct connect handshake",
    proves="After one `connect`, alpha and bravo list each other only and never themselves; "
    "alpha sees bravo's 4 games and bravo alpha's 3",
)
def direct_connect_handshake(lan: Lan) -> None:
    alpha, bravo = lan.start(peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"))
    alpha.connect(bravo)
    for one, other, games in ((alpha, bravo, BRAVO), (bravo, alpha, ALPHA)):
        reply = one.node.request("wait-peers", count=1, timeout_ms=5000)
        lan.check.equal(f"peers that {one} waited for", reply.get("count"), 1)
        lan.check.equal(f"peers of {one}", one.known(), [known_row(other, len(games))])
        lan.check.equal(
            f"games of {other} as {one} sees them",
            one.advertised_by(other),
            [advertised_row(other.root(game_id)) for game_id in games],
        )
        one.everything().none_of(
            "peer-connected", peer_id=one.peer_id, what=f"{one} never met itself"
        )
        met = one.everything().events("peer-connected")
        lan.check.equal(
            f"peers that {one} met", [event.data["name"] for event in met], [other.name]
        )
    lan.check.true("the two ids differ", alpha.peer_id != bravo.peer_id)
    lan.evidence(f"1 connect: alpha lists bravo with {len(BRAVO)} games, bravo alpha with 3")


@scenario(
    "S3",
    name="Remote aggregation",
    proves="An empty client of alpha and bravo has one row per game; `ggoo` has 2 sources, "
    "alienswarm, bf1942, bfbc2, cnc4 and cnctw one each",
)
def remote_aggregation(lan: Lan) -> None:
    alpha, bravo, client = lan.start(
        peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"), peer("client")
    )
    client.connect(alpha, bravo)
    sources = dict.fromkeys(ALPHA, alpha) | dict.fromkeys(BRAVO, bravo)
    remote = client.remote()
    lan.check.equal("one row per game", sorted(row["id"] for row in remote), sorted(sources))
    lan.check.equal(
        "rows of what others offer",
        {row["id"]: row for row in remote},
        {
            game_id: remote_row(owner.root(game_id), sources=2 if game_id == "ggoo" else 1)
            for game_id, owner in sources.items()
        },
    )
    lan.check.equal("the client's own games", client.local(), [])
    counts = {row["id"]: row["peer_count"] for row in remote}
    lan.evidence("sources: " + ", ".join(f"{game_id} {n}" for game_id, n in counts.items()))


@scenario(
    "S10",
    name="Graceful goodbye",
    proves="When bravo shuts down, alpha no longer lists it or its games, with the reason "
    "`goodbye`",
)
def graceful_goodbye(lan: Lan) -> None:
    alpha, bravo = lan.start(peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"))
    alpha.connect(bravo)
    lan.check.equal("bravo's games at alpha before", offered(alpha), set(BRAVO))
    window = alpha.window()
    asked = lan.now()
    bravo.shutdown()
    gone = window.wait_event("peer-disconnected", peer_id=bravo.peer_id)
    lan.check.equal("reason", gone.data.get("reason"), "goodbye")
    lan.check.equal(
        "who said goodbye",
        (gone.data.get("name"), gone.data.get("addr")),
        (bravo.spec.name, bravo.addr),
    )
    lan.check.equal("peers of alpha afterwards", alpha.known(), [])
    lan.check.equal("bravo's games at alpha afterwards", offered(alpha), set())
    lan.check.equal("alpha's own games", [row["id"] for row in alpha.local()], list(ALPHA))
    lan.check.equal("alpha was told once", len(alpha.everything().events("peer-disconnected")), 1)
    lan.evidence(f"gone with reason goodbye {gone.at - asked:.3f} s after shutdown was asked for")


@scenario(
    "S11",
    name="Same identity after restart",
    proves="Bravo, restarted on its state at another address and connected again, is "
    "one entry with the same `peer_id`, and its new address works",
)
def same_identity_after_restart(lan: Lan) -> None:
    client, bravo = lan.start(
        peer("client", [game("cod5", "fixture-charlie")]), peer("bravo", "fixture-bravo")
    )
    client.connect(bravo)
    window = client.window()
    bravo.shutdown()
    window.wait_event("peer-disconnected", peer_id=bravo.peer_id)

    again = lan.restart(bravo, new_address=True)
    assert again.node.address != bravo.node.address
    lan.check.equal("bravo's id after the restart", again.peer_id, bravo.peer_id)
    client.connect(again)
    lan.check.equal("peers of the client", client.known(), [known_row(again, len(BRAVO))])
    lan.check.equal("peers of bravo", again.known(), [known_row(client, 1)])

    download = client.download("bfbc2", install=False)
    download.finished()
    lan.check.equal(
        "addresses that served", {chunk.peer_addr for chunk in download.chunks()}, {again.addr}
    )
    lan.same_game("bfbc2", client, again)
    lan.evidence(f"same id at {bravo.addr} and {again.addr}; {download.told()} from the latter")


def offered(client: Peer) -> set[str]:
    """Return the ids of the games that a peer could download."""
    return {str(row["id"]) for row in client.remote()}
