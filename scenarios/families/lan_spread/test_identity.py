"""Peers keep their identity at any address: S27, S28, S71, S72."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import re

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import known_row, remote_row
from scenarios.families.lan_spread.specs import peer

LINK_LOCAL = re.compile(r"\[fe80:[0-9a-f:]+%[^\]]+\]:\d+")  # with its zone
BRAVO = ("bfbc2", "cnc4", "cnctw", "ggoo")


@scenario(
    "S27",
    name="Self-connect refused",
    proves="Alpha is told to connect to its own address, and a raw client presents alpha's "
    "identity: both are refused, alpha lists no such peer and still answers",
)
def self_connect_refused(lan: Lan) -> None:
    alpha, bravo = lan.start(peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"))
    lan.step("alpha connects to itself")
    error = alpha.refuses("connect", "cannot connect peer to itself", addr=alpha.addr)
    lan.check.equal("alpha's peers after that", alpha.known(), [])

    lan.step("a raw client presents alpha's identity")
    raw = lan.raw_client()
    honest = raw.dial(alpha)
    lan.check.equal("the id that alpha proved", honest.peer_id, alpha.peer_id)
    refusal = raw.node.refused(
        "dial",
        what="alpha refuses who presents alpha's identity",
        addr=alpha.addr,
        public_key=honest.public_key,
    )
    lan.check.equal("code of the refusal", refusal.code, "self-connect")
    ids = [row["peer_id"] for row in alpha.known()]
    lan.check.equal("entries afterwards: the honest raw client's", len(ids), 1)
    lan.check.excludes("alpha's own id among its peers", ids, alpha.peer_id)

    lan.step("alpha still answers")
    alpha.connect(bravo)
    lan.check.contains("alpha's peers", alpha.known(), known_row(bravo, len(BRAVO)))
    lan.check.equal("alpha's id", alpha.status().get("peer_id"), alpha.peer_id)
    alpha.everything().none_of(
        "peer-connected", peer_id=alpha.peer_id, what="alpha never met itself"
    )
    lan.evidence(f"connect: {error.code}; alpha's own identity: {refusal.code}; no entry of either")


@scenario(
    "S28",
    name="Address change",
    proves="A connected peer comes back at another address while the old one is still "
    "known: the entry and its library stay, the address is the new one; a download from it works",
)
def address_change(lan: Lan) -> None:
    client, bravo = lan.start(peer("client"), peer("bravo", "fixture-bravo"))
    client.connect(bravo)
    offered = [remote_row(bravo.root(game_id), sources=1) for game_id in BRAVO]
    lan.check.equal("what bravo offers", client.remote(), offered)
    window = client.window()
    moved = lan.moved(bravo)
    # Frozen, its connections stay open, so the client still knows it when it comes back.
    bravo.node.freeze()
    lan.check.equal("bravo's id", moved.peer_id, bravo.peer_id)
    lan.check.true("bravo's address is another one", moved.addr != bravo.addr, moved.addr)
    lan.check.equal("the client's peers before", client.known(), [known_row(bravo, len(BRAVO))])
    moved.connect(client)

    entry = [known_row(moved, len(BRAVO))]
    lan.check.equal("the client's peers afterwards", client.known(), entry)
    lan.check.equal("what bravo offers afterwards", client.remote(), offered)
    # Now the old connections end; the entry must not depend on them.
    bravo.node.kill()
    download = client.download("bfbc2", install=False)
    download.finished()
    lan.check.equal(
        "addresses that served", {chunk.peer_addr for chunk in download.chunks()}, {moved.addr}
    )
    lan.same_game("bfbc2", client, moved)
    lan.check.equal("the client's peers at the end", client.known(), entry)
    window.none_of("peer-disconnected", what="bravo was never gone")
    lan.evidence(f"one entry, first at {bravo.addr}, then at {moved.addr}; {download.told()}")


@scenario(
    "S71",
    name="Listening on all addresses",
    proves="A peer listens on `[::]` and is called at its IPv4 address: each lists the other at "
    "its IPv4 address as usual, and each downloads a game from the other",
)
def listening_on_all_addresses(lan: Lan) -> None:
    everywhere, client = lan.start(
        peer("everywhere", [game("bfbc2", "fixture-bravo")], flags=("--listen", "[::]")),
        peer("client", [game("ggoo", "fixture-alpha")]),
    )
    addr = f"{everywhere.node.address}:{everywhere.addr.rpartition(':')[2]}"
    window = everywhere.window()
    client.connect_through(everywhere, addr)
    everywhere.learns_of(client, window)
    lan.check.equal("where it is listed", [row["addr"] for row in client.known()], [addr])
    lan.check.equal("whom it lists", everywhere.known(), [known_row(client, 1)])
    download = client.download("bfbc2", install=False)
    download.finished()
    everywhere.download("ggoo", install=False).finished()
    lan.same_game("bfbc2", client, everywhere)
    lan.same_game("ggoo", everywhere, client)
    lan.evidence(f"called at {addr}: {download.told()}")


@scenario(
    "S72",
    name="Link-local addresses",
    proves="Two peers listen at link-local IPv6 addresses, and one calls the other: each shows "
    "its own address and the other's with the zone, and each downloads a game from the other",
    needs=[Capability.LINK_LOCAL],
)
def link_local_addresses(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [game("bfbc2", "fixture-bravo")], link_local=True),
        peer("client", [game("ggoo", "fixture-alpha")], link_local=True),
    )
    for one in (source, client):
        shown = LINK_LOCAL.fullmatch(one.addr) is not None
        lan.check.true(f"the address of {one} has its zone", shown, one.addr)
    client.connect(source)
    lan.check.equal("whom the client lists", client.known(), [known_row(source, 1)])
    lan.check.equal("whom the source lists", source.known(), [known_row(client, 1)])
    for game_id, one, other in (("bfbc2", client, source), ("ggoo", source, client)):
        download = one.download(game_id, install=False)
        download.finished()
        served = {chunk.peer_addr for chunk in download.chunks()}
        lan.check.equal(f"addresses that served {game_id}", served, {other.addr})
        lan.same_game(game_id, one, other)
    lan.evidence(f"bfbc2 from {source.addr}, ggoo from {client.addr}")
