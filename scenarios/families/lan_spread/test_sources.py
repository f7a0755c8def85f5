"""Which sources a download trusts, keeps and drops: S49 to S51, S56, S58, S92, S93."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.downloads import (
    CHUNK,
    Download,
    archive_chunks,
    bytes_by_source,
    cover_once,
)
from scenarios.families.lan_spread.games import game, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

MIB = 1 << 20
BLOCK = 4 * MIB
POISON_BYTES = 64
# Two thirds of a chunk take 8 s, with progress every half second.
RATE = "10MiB"
ENOUGH = 8 * MIB
# Below the minimum rate of a source, but with some bytes within every stall timeout.
TRICKLE = "900"


@scenario(
    "S49",
    name="Poisoned source",
    proves="A bf1942 from two sources, one behind a relay that changes its last block: "
    "that source is banned and the game finishes from the other, with the right files; it is not "
    "asked again until its library changes",
)
def poisoned_source(lan: Lan) -> None:
    # The relay starts first, since the first source in (IP, port) order serves the archive.
    relay = lan.relay()
    large = made_game("bf1942", 3 * BLOCK, "S49")
    poisoned, honest, client = lan.start(
        peer("poisoned", [large]), peer("honest", [large]), peer("client")
    )
    poison(relay, poisoned, client)
    client.connect(honest)
    lan.check.equal("sources counted before", client.sources_of("bf1942"), 2)
    download = client.download("bf1942", install=False)
    download.finished()
    lan.same_game("bf1942", client, honest)
    lan.check.equal("who is banned", banned(download), [poisoned.peer_id])
    shares = bytes_by_source(archive_chunks(download), lan.peers)
    lan.check.between(
        "bytes of the archive from the honest one", shares.get("honest", 0), BLOCK, 3 * BLOCK
    )
    told = download.told()
    download.close()

    lan.step("the same game once more")
    client.remove("bf1942")
    lan.check.equal("sources counted afterwards", client.sources_of("bf1942"), 1)
    again = client.download("bf1942", install=False)
    again.finished()
    asked = [row.get("peer_id") for row in again.events("download-begin")[0].data["sources"]]
    lan.check.equal("who is asked again", asked, [honest.peer_id])

    lan.step("the library of the banned one changes")
    changes = client.window()
    game("cod5", "fixture-charlie").put_into(poisoned.games)
    changes.wait_event(
        "remote-library-changed", peer_id=poisoned.peer_id, what="the client hears of the change"
    )
    lan.check.equal("sources counted after the change", client.sources_of("bf1942"), 2)
    lan.evidence(f"{told}; bytes of the archive by source: {shares}")


@scenario(
    "S50",
    name="All sources poisoned",
    proves="A bf1942 from two sources, both behind relays that change bytes: it fails, never "
    "finishes, and leaves nothing; both are banned, and the game is no longer available",
)
def all_sources_poisoned(lan: Lan) -> None:
    relays = [lan.relay("one"), lan.relay("other")]
    large = made_game("bf1942", 3 * BLOCK, "S50")
    *sources, client = lan.start(peer("alpha", [large]), peer("bravo", [large]), peer("client"))
    for relay, source in zip(relays, sources, strict=True):
        poison(relay, source, client)
    download = client.download("bf1942", install=False)
    failed = download.failed_or_gone()
    lan.check.equal("who is banned", set(banned(download)), {source.peer_id for source in sources})
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    lan.check.equal("the client's games", client.local(), [])
    error = client.refuses("download", "no peers have game bf1942", game_id="bf1942")
    lan.evidence(f"{failed.name}: {failed.data.get('reason')}; asked again: {error.code}")


@scenario(
    "S51",
    name="2:1 majority",
    proves="A bf1942 at two sources that agree, and at another one, the first, with other bytes "
    "of the same size and version: the majority's files are downloaded, only from the majority",
)
def two_to_one(lan: Lan) -> None:
    odd, alpha, bravo, client = lan.start(
        peer("odd", [made_game("bf1942", 3 * BLOCK, "S51 odd")]),
        peer("alpha", [made_game("bf1942", 3 * BLOCK, "S51")]),
        peer("bravo", [made_game("bf1942", 3 * BLOCK, "S51")]),
        peer("client"),
    )
    client.connect(odd, alpha, bravo)
    lan.check.equal("sources counted", client.sources_of("bf1942"), 3)
    told_by_the_majority(lan, client, [alpha, bravo])


@scenario(
    "S92",
    name="Votes of one address",
    proves="Three sources at one address have one bf1942, two at different addresses "
    "another: the files of the two are downloaded, only from them, since each address has one vote",
)
def votes_of_one_address(lan: Lan) -> None:
    relay = lan.relay()
    lies = made_game("bf1942", 3 * BLOCK, "S92 lies")
    truth = made_game("bf1942", 3 * BLOCK, "S92")
    *sybils, alpha, bravo, client = lan.start(
        *(peer(name, [lies]) for name in ("one", "same", "again")),
        peer("alpha", [truth]),
        peer("bravo", [truth]),
        peer("client"),
    )
    for sybil in sybils:
        client.connect_through(sybil, relay.request("forward", addr=sybil.addr)["addr"])
    client.connect(alpha, bravo)
    lan.check.equal("sources counted", client.sources_of("bf1942"), 5)
    told_by_the_majority(lan, client, [alpha, bravo])


@scenario(
    "S56",
    name="Frozen source",
    proves="A bf1942 from two rate-limited sources, one frozen within its chunk: the other takes "
    "over its work within the stall timeout and the download finishes",
)
def frozen_source(lan: Lan) -> None:
    large = made_game("bf1942", 2 * CHUNK, "S56")
    frozen, awake, client = lan.start(
        peer("frozen", [large], upload_limit=RATE),
        peer("awake", [large], upload_limit=RATE),
        peer("client"),
    )
    client.connect(frozen, awake)
    download = client.download("bf1942", install=False)
    fault = lan.faults.when(
        download.window, "download-progress", game_id="bf1942", where=has_enough,
        do=frozen.node.freeze, what="freeze the first source within its chunk",
    )  # fmt: skip
    fault.carried_out()
    awake.node.request("set-limits", upload=None, download=None)
    finished = download.finished(timeout=45)
    frozen.node.thaw()
    lan.same_game("bf1942", client, awake)
    shares = bytes_by_source(archive_chunks(download), lan.peers)
    lan.check.between("bytes from the one awake", shares.get("awake", 0), CHUNK + 1, 2 * CHUNK)
    lan.check.true("every byte of every chunk came once", all(map(cover_once, download.chunks())))
    lan.evidence(f"{download.told()}; finished at {finished.at:.1f} s; by source: {shares}")


@scenario(
    "S58",
    name="Slow source beside a fast one",
    proves="A bf1942 of 2 chunks from a source of 1 MiB/s and one without a limit: the fast one "
    "takes over most of the slow one's chunk, block by block, so that nothing waits for it; "
    "being slow is no reason for a ban",
)
def slow_source(lan: Lan) -> None:
    large = made_game("bf1942", 2 * CHUNK, "S58")
    slow, fast, client = lan.start(
        peer("slow", [large], upload_limit="1MiB"), peer("fast", [large]), peer("client")
    )
    client.connect(slow, fast)
    download = client.download("bf1942", install=False)
    download.finished(timeout=60)  # alone, the slow one's chunk takes 128 s
    archive = archive_chunks(download)
    shares = bytes_by_source(archive, lan.peers)
    lan.check.between("bytes from the fast one", shares.get("fast", 0), CHUNK + BLOCK, 2 * CHUNK)
    lan.check.true("every byte of every chunk came once", all(map(cover_once, download.chunks())))
    lan.check.equal("who is banned", banned(download), [])
    lan.same_game("bf1942", client, fast)
    lan.evidence(f"{download.told()}; bytes by source: {shares}")


@scenario(
    "S93",
    name="Trickling source",
    proves="The only source of a bf1942 sends less than 1 KiB/s, but never stalls: the client "
    "abandons and bans it, and leaves nothing",
)
def trickling_source(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [made_game("bf1942", 3 * BLOCK, "S93")], upload_limit=TRICKLE),
        peer("client"),
    )
    client.connect(source)
    download = client.download("bf1942", install=False)
    failed = download.failed_or_gone(timeout=45)
    lan.check.equal("who is banned", banned(download), [source.peer_id])
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    lan.evidence(f"{failed.name}; banned: {reasons(download)}")


def poison(relay: Node, source: Peer, client: Peer) -> None:
    """Connect a client to a source through a relay that changes the last block of its bf1942."""
    content = (source.root("bf1942") / "bf1942.eti").read_bytes()
    old = content[len(content) - BLOCK // 2 :][:POISON_BYTES]
    relay.request("replace", old=old.hex(), new=bytes(byte ^ 1 for byte in old).hex())
    client.connect_through(source, relay.request("forward", addr=source.addr)["addr"])


def told_by_the_majority(lan: Lan, client: Peer, majority: list[Peer]) -> None:
    """Check that a client downloads these peers' bf1942, only from them."""
    download = client.download("bf1942", install=False)
    download.finished()
    names = {source.name for source in majority}
    lan.check.equal("who served", download.served_by(lan.peers) - names, set())
    asked = {row.get("peer_id") for row in download.events("download-begin")[0].data["sources"]}
    lan.check.equal("who was asked", asked, {source.peer_id for source in majority})
    lan.same_game("bf1942", client, majority[0])
    lan.evidence(f"{download.told()} from {', '.join(sorted(names))}")


def banned(download: Download) -> list[str]:
    """Return the peers banned during a download."""
    return [str(event.data.get("peer_id")) for event in download.events("source-banned")]


def reasons(download: Download) -> str:
    """Return the reasons of these bans."""
    return "; ".join(str(event.data.get("reason")) for event in download.events("source-banned"))


def has_enough(event: Event) -> bool:
    """Whether a `download-progress` has enough bytes for both chunks to be in progress."""
    return int(event.data.get("downloaded_bytes", 0)) >= ENOUGH
