"""Strangers on the network: S60, S61, S85, S86, S88, S89."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import secrets

from scenarios.core.errors import CommandFailed
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.raw_client import RawClient, advertised
from scenarios.families.lan_spread.specs import peer


@scenario(
    "S61",
    name="Swarm key: stranger refused",
    proves="Two peers with the same swarm key meet and share; peers without one or with another "
    "are refused, whichever side connects; a stranger that connects gets a hello and a refusal, "
    "and nothing derived from the key; with the right key it is admitted",
)
def swarm_key(lan: Lan) -> None:
    key, other_key = secrets.token_hex(32), secrets.token_hex(32)
    ours = ("--swarm-key", lan.file("swarm.key", f"{key}\n"))
    theirs = ("--swarm-key", lan.file("other.key", f"{other_key}\n"))
    member, friend, keyless, other = lan.start(
        peer("member", "fixture-bravo", flags=ours),
        peer("friend", flags=ours),
        peer("keyless"),
        peer("other", flags=theirs),
    )
    lan.step("whoever has another key or none is refused, both ways")
    for stranger in (keyless, other):
        for caller, called in ((stranger, member), (member, stranger)):
            caller.node.refused(
                "connect", what=f"{caller} cannot connect to {called}", addr=called.addr
            )

    lan.step("a raw client knocks")
    raw = lan.raw_client()
    for what, wrong in (("no key", ""), ("another key", other_key)):
        heard = raw.knock(member, swarm_key=wrong)
        lan.check.equal(f"what a stranger with {what} hears", heard["told"], ["hello", "refused"])
        lan.check.equal(f"how a stranger with {what} is refused", heard["code"], "wrong-swarm")
    lan.check.equal("whom the member knows so far", member.known(), [])

    lan.step("whoever has the key is one of them")
    friend.connect(member)
    friend.download("ggoo", install=False).finished()
    raw.dial(member, swarm_key=key)
    for stranger in (keyless, other):
        lan.check.equal(f"whom {stranger} knows", stranger.known(), [])
    lan.evidence("6 strangers refused, 2 of them raw: hello, refused; a friend downloaded ggoo")


# What strangers send first, inside TLS or not. The peer answers none and closes all.
GARBAGE: dict[str, tuple[bool, bytes]] = {
    "silence": (False, b""),
    "HTTP": (False, b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n"),
    "noise": (False, bytes(range(255, 0, -1)) * 1000),
    "half a ticket": (False, b"LSD1" + bytes(16)),
    "a ticket that nobody issued": (False, b"LSD1" + bytes(32)),
    "half a TLS hello": (False, bytes.fromhex("16030100f0")),
    "TLS, and a frame of noise": (True, bytes.fromhex("00000005c1c1c1c1c1")),
    "TLS, and a frame without end": (True, bytes.fromhex("ffffffff")),
    "TLS, and half a frame": (True, bytes.fromhex("0000ffff80")),
}


@scenario(
    "S60",
    name="Garbage on the port",
    proves="A stranger that is silent, or sends HTTP, noise, half a message, TLS without a "
    "handshake or a ticket that nobody issued, gets no byte and is disconnected; the peer "
    "keeps serving",
)
def garbage(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    stranger = lan.flood_client()
    lan.step("a stranger says what makes no sense")
    openings = [[tls, data.hex()] for tls, data in GARBAGE.values()]
    heard = stranger.request("say", addr=bravo.addr, openings=openings)["heard"]
    lan.check.equal(
        "what garbage gets: its answer, and whether it was closed",
        dict(zip(GARBAGE, map(tuple, heard), strict=True)),
        dict.fromkeys(GARBAGE, ("", True)),
    )
    lan.step("an honest peer comes")
    client.connect(bravo)
    client.download("ggoo", install=False).finished()
    lan.evidence(f"{len(GARBAGE)} kinds of garbage: no byte in answer, all closed; then a download")


@scenario(
    "S85",
    name="Crowds of strangers",
    proves="One address holds hundreds of connections that are silent, stop within TLS, or "
    "violate the protocol and never close: peers that come meanwhile connect and download",
)
def crowds(lan: Lan) -> None:
    bravo, early, late = lan.start(peer("bravo", "fixture-bravo"), peer("early"), peer("late"))
    flood = lan.flood_client()
    lan.step("300 silent connections")
    flood.request("crowd", addr=bravo.addr, tls=False, data="", count=300)
    early.connect(bravo)
    lan.step("100 more that break the protocol inside TLS, and 100 that stop within its hello")
    flood.request("crowd", addr=bravo.addr, tls=True, data="00000001c1", count=100)
    flood.request("crowd", addr=bravo.addr, tls=False, data="16030100f0", count=100)
    late.connect(bravo)
    for peer_ in (early, late):
        peer_.download("ggoo", install=False).finished()
    opened = flood.request("disperse")["opened"]
    lan.evidence(f"2 peers met bravo and downloaded from it beside {opened} strangers")


CALLERS = 32  # of one address, as docs/wire-protocol.md says


@scenario(
    "S86",
    name="Identities without end",
    proves="One address opens session after session, each with a new identity: beyond 32 it is "
    "refused as `busy` and the others stay; peers that come meanwhile connect and download",
)
def identities(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    raw = lan.raw_client()
    lan.step("one address comes as 40 peers")
    codes = [code_of_dial(raw, bravo) for _ in range(CALLERS + 8)]
    lan.check.equal("the first 32 are taken", codes[:CALLERS], [""] * CALLERS)
    lan.check.equal("how the others are refused", set(codes[CALLERS:]), {"busy"})
    lan.step("an honest peer comes")
    client.connect(bravo)
    client.download("ggoo", install=False).finished()
    lan.check.equal("peers that bravo knows", len(bravo.known()), CALLERS + 1)
    lan.evidence(f"{len(codes)} sessions asked for, {codes.count('')} taken; then a download")


def code_of_dial(raw: RawClient, called: Peer) -> str:
    """Return the code with which a new identity is refused, or "" if it is admitted."""
    try:
        raw.dial(called, fresh=True)
    except CommandFailed as error:
        return error.code
    return ""


# A peer keeps 8 MiB of libraries per address (docs/wire-protocol.md): at 100 bytes or more per
# game, at most ten of these.
PEERS_KEPT = 11


@scenario(
    "S88",
    name="Libraries without end",
    proves="One address comes as 16 peers with 8,000 games each: a peer keeps as many as fit its "
    "limit and ends the other sessions; an honest peer stays, and a download works",
)
def libraries(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    raw = lan.raw_client()
    lan.step("16 peers of one address advertise 8,000 games each")
    for number in range(16):
        window = bravo.window()
        raw.dial(bravo, fresh=True, name=f"crowd {number}").advertise(
            advertised(f"game-{number}-", "20200101", times=8000)
        )
        window.wait_event(
            "remote-library-changed", game_count=8000, what=f"bravo hears of library {number}"
        )
    lan.step("what is left")
    # Not list-peers, whose reply would include all these games.
    count = bravo.node.request("wait-peers", count=1, timeout_ms=1000)["count"]
    lan.check.true("peers that bravo keeps", count <= PEERS_KEPT, f"{count} of 17")
    client.download("ggoo", install=False).finished()
    lan.evidence(f"{count - 1} of 16 large libraries kept; then a download")


EVIL, CLEAN = "\x1b[2Jgone\u202e\n", "\ufffd[2Jgone\ufffd\ufffd"


@scenario(
    "S89",
    name="Texts that control terminals",
    proves="In a peer's name, game and version, escape sequences, line ends and marks that "
    "change the writing direction are shown as replacement characters",
)
def texts(lan: Lan) -> None:
    [bravo] = lan.start(peer("bravo", "fixture-bravo"))
    raw = lan.raw_client()
    window = bravo.window()
    session = raw.dial(bravo, name=EVIL)
    met = window.wait_event("peer-connected", what="bravo learns of the raw client")
    lan.check.equal("the name in peer-connected", met.data.get("name"), CLEAN)
    session.advertise(advertised(EVIL, EVIL))
    window.wait_event("remote-library-changed", game_count=1, what="bravo learns of its game")
    [row] = bravo.node.request("list-peers")["peers"]
    [shown] = row["games"]
    lan.check.equal("the name in list-peers", row["name"], CLEAN)
    lan.check.equal("the game in list-peers", (shown["id"], shown["eti_version"]), (CLEAN, CLEAN))
    lan.evidence(f"shown as {row['name']}")
