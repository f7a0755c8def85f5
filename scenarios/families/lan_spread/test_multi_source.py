"""Many sources: which serve, which are excluded, and how they share the work: S14 to S17, S36."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections.abc import Sequence

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.downloads import (
    CHUNK,
    Download,
    archive_chunks,
    bytes_by_source,
    chunks_by_source,
    name_of,
)
from scenarios.families.lan_spread.games import catalog_version, game, made_game, served_size
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.specs import peer

CNC4 = catalog_version("cnc4")


@scenario(
    "S14",
    name="Large multi-source chunking",
    proves="A bf1942 of 4 chunks from two peers: each serves exactly 2 chunks; "
    "the bytes add up; the files are the sources'",
)
def large_multi_source_chunking(lan: Lan) -> None:
    # Four full chunks: with a short last one, equal counts would not be equal shares.
    large = made_game("bf1942", 4 * CHUNK, "S14")
    alpha, bravo, client = lan.start(peer("alpha", [large]), peer("bravo", [large]), peer("client"))
    client.connect(alpha, bravo)
    download = client.download("bf1942", install=False)
    lan.check.equal("sources", told_sources(download), {alpha.peer_id, bravo.peer_id})
    download.finished(timeout=60)
    archive = archive_chunks(download)
    lan.check.equal(
        "chunks of the archive",
        [(chunk.offset, chunk.length) for chunk in archive],
        [(number * CHUNK, CHUNK) for number in range(4)],
    )
    lan.check.equal(
        "chunks by source", chunks_by_source(archive, lan.peers), {"alpha": 2, "bravo": 2}
    )
    lan.check.equal(
        "bytes by source",
        bytes_by_source(archive, lan.peers),
        {"alpha": 2 * CHUNK, "bravo": 2 * CHUNK},
    )
    lan.check.equal("who served", download.served_by(lan.peers), {"alpha", "bravo"})
    lan.check.equal(
        "bytes of all chunks",
        sum(chunk.length for chunk in download.chunks()),
        served_size(alpha.root("bf1942")),
    )
    lan.check.equal("the client's games", client.local(), [local_row(client.root("bf1942"))])
    lan.same_game("bf1942", client, alpha)
    order = " ".join(name_of(chunk.peer_id, lan.peers) for chunk in archive)
    lan.evidence(f"{download.told()}; chunks 0 to 3 from {order}")


@scenario(
    "S15",
    name="Three-way version skew",
    proves="cnc4 at 20150101, 20160101 and the catalog's version: exactly these three are "
    "advertised; one source counts, and only it serves; the files are the same as its",
)
def three_way_version_skew(lan: Lan) -> None:
    versions = {"oldest": "20150101", "older": "20160101", "current": CNC4}
    *owners, client = lan.start(
        *(
            peer(name, [game("cnc4", "fixture-bravo", version=version)])
            for name, version in versions.items()
        ),
        peer("client"),
    )
    client.connect(*owners)
    lan.check.equal("versions as advertised", advertised_versions(client, "cnc4", owners), versions)
    [current] = (owner for owner in owners if owner.name == "current")
    only_one_serves(lan, client, "cnc4", current)


@scenario(
    "S16",
    name="Fan-out beside a stale source",
    proves="An alienswarm of 2 chunks at one stale and two current sources: both current ones "
    "serve the archive, the stale one nothing; the files are the sources'",
)
def fan_out_beside_a_stale_source(lan: Lan) -> None:
    size = CHUNK + (8 << 20)
    stale = made_game("alienswarm", size, "S16", version="20180101")
    current = made_game("alienswarm", size, "S16")
    old, alpha, bravo, client = lan.start(
        # The stale one has the first address and the same archive: only its version excludes it.
        peer("old", [stale]),
        peer("alpha", [current]),
        peer("bravo", [current]),
        peer("client"),
    )
    client.connect(old, alpha, bravo)
    lan.check.equal("sources counted", client.sources_of("alienswarm"), 2)
    download = client.download("alienswarm", install=False)
    download.finished(timeout=60)
    lan.check.equal("sources", told_sources(download), {alpha.peer_id, bravo.peer_id})
    archive = archive_chunks(download)
    lan.check.equal(
        "chunks of the archive by source",
        chunks_by_source(archive, lan.peers),
        {"alpha": 1, "bravo": 1},
    )
    shares = bytes_by_source(download.chunks(), lan.peers)
    lan.check.equal("who delivered bytes", set(shares), {"alpha", "bravo"})
    lan.check.equal("who served", download.served_by(lan.peers), {"alpha", "bravo"})
    lan.same_game("alienswarm", client, alpha)
    lan.evidence(f"{download.told()}; bytes by source: {shares}, the stale one 0")


@scenario(
    "S17",
    name="Conflict among current sources",
    proves="A stale cnc4, a current one, and a current one of another size: two sources "
    "count; `download-failed` with `ambiguous-metadata`; no `version.ini`, no byte fetched",
)
def conflict_among_current_sources(lan: Lan) -> None:
    old, alpha, other, client = lan.start(
        peer("old", [game("cnc4", "fixture-bravo", version="20150101")]),
        peer("alpha", [game("cnc4", "fixture-bravo")]),
        peer("other", [made_game("cnc4", 70_000, "S17")]),
        peer("client"),
    )
    client.connect(old, alpha, other)
    lan.check.equal("sources counted", client.sources_of("cnc4"), 2)
    before = tree(client.games)
    download = client.download("cnc4", install=False)
    failed = download.failed("ambiguous-metadata")
    lan.check.equal("the client's games", client.local(), [])
    lan.check.equal("operations afterwards", client.operations(), [])
    client.shutdown()
    for name in ("download-chunk-finished", "download-finished", "install-begin"):
        download.window.none_of(name, what=f"no {name}")
    lan.check.true("no version.ini", not (client.root("cnc4") / "version.ini").exists())
    lan.check.equal("names in the client's folder", sorted(tree(client.games)), sorted(before))
    lan.evidence(f"2 sources of 3 counted, then: {failed.data.get('reason')}")


@scenario(
    "S36",
    name="One current among five",
    proves="cnc4 at five peers, current at one of them: one source counts, and only it "
    "serves; the files are the same as its",
)
def one_current_among_five(lan: Lan) -> None:
    # A newer version is as wrong as an older one, and so is a nearly equal one.
    versions = {
        "first": "20150101",
        "second": "20180101",
        "third": CNC4,
        "fourth": CNC4 + "1",
        "fifth": CNC4[:-1],
    }
    *owners, client = lan.start(
        *(
            peer(name, [game("cnc4", "fixture-bravo", version=version)])
            for name, version in versions.items()
        ),
        peer("client"),
    )
    client.connect(*owners)
    lan.check.equal("versions as advertised", advertised_versions(client, "cnc4", owners), versions)
    [current] = (owner for owner in owners if owner.name == "third")
    only_one_serves(lan, client, "cnc4", current)


def only_one_serves(lan: Lan, client: Peer, game_id: str, current: Peer) -> None:
    """Check that a game has one source; download it, and check that every byte came from it."""
    lan.check.equal("sources counted", client.sources_of(game_id), 1)
    download = client.download(game_id, install=False)
    download.finished()
    lan.check.equal("sources", told_sources(download), {current.peer_id})
    lan.check.equal("who served", download.served_by(lan.peers), {current.name})
    lan.check.equal("the client's games", client.local(), [local_row(client.root(game_id))])
    lan.same_game(game_id, client, current)
    lan.evidence(f"{download.told()}, all from {current}, the one source of {len(lan.peers) - 1}")


def told_sources(download: Download) -> set[str]:
    """Wait for `download-begin` and return the ids of its sources."""
    return {str(row.get("peer_id")) for row in download.begun().data.get("sources", [])}


def advertised_versions(client: Peer, game_id: str, owners: Sequence[Peer]) -> dict[str, str]:
    """Return the version of a game that each owner advertises, as a client lists it."""
    return {
        owner.name: row["eti_version"]
        for owner in owners
        for row in client.advertised_by(owner)
        if row["id"] == game_id
    }
