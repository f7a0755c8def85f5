"""Who is who, whatever the address: S27, S28."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.lan_spread.lan import Lan
from scenarios.lan_spread.peers import known_row, remote_row
from scenarios.lan_spread.specs import peer

BRAVO = ("bfbc2", "cnc4", "cnctw", "ggoo")


@scenario(
    "S27",
    name="Self-connect refused",
    proves="Alpha is told to connect to its own address, and a raw client presents alpha's own "
    "identity: an error, no entry, and alpha still answers",
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
    proves="A connected peer comes back under another address while it is still known under the "
    "old one: the same entry, its library kept, its address the new one; a download from it works",
)
def address_change(lan: Lan) -> None:
    client, bravo = lan.start(peer("client"), peer("bravo", "fixture-bravo"))
    client.connect(bravo)
    offered = [remote_row(bravo.root(game_id), sources=1) for game_id in BRAVO]
    lan.check.equal("what bravo offers", client.remote(), offered)
    window = client.window()
    moved = lan.moved(bravo)
    # Frozen, its connections stay open: the client still knows it when it comes back.
    bravo.node.freeze()
    lan.check.equal("bravo's id", moved.peer_id, bravo.peer_id)
    lan.check.true("bravo's address is another one", moved.addr != bravo.addr, moved.addr)
    lan.check.equal("the client's peers before", client.known(), [known_row(bravo, len(BRAVO))])
    moved.connect(client)

    entry = [known_row(moved, len(BRAVO))]
    lan.check.equal("the client's peers afterwards", client.known(), entry)
    lan.check.equal("what bravo offers afterwards", client.remote(), offered)
    # Now the old connections end, too: they are not what the entry lives by.
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
