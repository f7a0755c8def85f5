"""Downloads from one or two equal sources: S4, S7 to S9, S13."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.attempts import FAILURES, OUTCOMES
from scenarios.families.lan_spread.games import catalog_version, game, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import local_row
from scenarios.families.lan_spread.specs import peer


@scenario(
    "S4",
    name="Single-source download, no install",
    proves="`got-game-files`, `download-begin`, `download-finished` come in this order; the game "
    "is `downloaded`, not `installed`, without a `local/`; its files are the source's",
)
def single_source_download(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    download = client.download("bfbc2", install=False)
    download.finished()
    told = ("got-game-files", "download-begin", *OUTCOMES)
    lan.check.equal(
        "order of the download's events",
        [event.name for event in download.events(*told)],
        ["got-game-files", "download-begin", "download-finished"],
    )
    [begin] = download.events("download-begin")
    lan.check.equal(
        "sources of download-begin",
        begin.data.get("sources"),
        [{"peer_id": bravo.peer_id, "addr": bravo.addr}],
    )
    lan.check.equal("who served", download.served_by(lan.peers), {"bravo"})
    lan.check.equal("the client's games", client.local(), [local_row(client.root("bfbc2"))])
    lan.check.equal("operations afterwards", client.operations(), [])

    # An unrequested install would begin only now: give it until the peer exits.
    client.shutdown()
    download.window.none_of(
        "install-begin", "install-finished", "install-failed", what="no install, to the end"
    )
    lan.check.true("no local/", not (client.root("bfbc2") / "local").exists())
    lan.same_game("bfbc2", client, bravo)
    lan.evidence(download.told() + "; no install until the client's exit")


@scenario(
    "S7",
    name="Duplicate-source download",
    proves="`ggoo` from alpha and bravo finishes once; only these two served; no chunk "
    "came twice; the files are the sources'",
)
def duplicate_source_download(lan: Lan) -> None:
    alpha, bravo, charlie, client = lan.start(
        peer("alpha", "fixture-alpha"),
        peer("bravo", "fixture-bravo"),
        peer("charlie", "fixture-charlie"),
        peer("client"),
    )
    client.connect(alpha, bravo, charlie)
    download = client.download("ggoo", install=False)
    download.finished()
    lan.check.equal("who served", download.served_by(lan.peers), {"alpha", "bravo"})
    ranges = [(chunk.path, chunk.offset) for chunk in download.chunks()]
    lan.check.equal("chunks", sorted(ranges), [("ggoo/ggoo.eti", 0), ("ggoo/version.ini", 0)])
    lan.check.equal("the client's games", client.local(), [local_row(client.root("ggoo"))])
    lan.same_game("ggoo", client, alpha)
    client.shutdown()
    lan.check.equal("times finished", len(download.events("download-finished")), 1)
    download.window.none_of(*FAILURES, what="no other outcome")
    shares = ", ".join(str(chunk) for chunk in download.chunks())
    lan.evidence(f"{download.told()}: {shares}; charlie, without the game, served nothing")


@scenario(
    "S8",
    name="Ambiguous metadata",
    proves="Two sources whose `ggoo` archives differ in size at the same version: "
    "`download-failed` with `ambiguous-metadata`, no `version.ini`, no new file",
)
def ambiguous_metadata(lan: Lan) -> None:
    alpha, other, client = lan.start(
        peer("alpha", "fixture-alpha"),
        peer("other", [made_game("ggoo", 70_000, "S8")]),
        peer("client", [game("cod5", "fixture-charlie")]),
    )
    sizes = [one.root("ggoo").joinpath("ggoo.eti").stat().st_size for one in (alpha, other)]
    assert sizes[0] != sizes[1]
    client.connect(alpha, other)
    lan.check.equal(
        "sources of ggoo",
        [row["peer_count"] for row in client.remote() if row["id"] == "ggoo"],
        [2],
    )
    before = tree(client.games)
    own = client.local()
    download = client.download("ggoo", install=False)
    failed = download.failed("ambiguous-metadata")
    lan.check.true("the failure has a reason", failed.data.get("reason"))
    lan.check.equal("the client's games", client.local(), own)
    lan.check.equal("operations afterwards", client.operations(), [])
    # Nothing new, so no version.ini either.
    lan.check.same_tree("the client's folder, right after the failure", tree(client.games), before)
    client.shutdown()
    lan.check.same_tree("the client's folder, at the end", tree(client.games), before)
    download.window.none_of(
        "download-chunk-finished", "download-finished", "install-begin", what="nothing came"
    )
    lan.evidence(f"archives of {sizes[0]} and {sizes[1]} bytes: {failed.data.get('reason')}")


@scenario(
    "S9",
    name="Missing game",
    proves="Downloading a game of the catalog that no peer has is an error, and creates no folder",
)
def missing_game(lan: Lan) -> None:
    alpha, bravo, client = lan.start(
        peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"), peer("client")
    )
    client.connect(alpha, bravo)
    assert catalog_version("cod2")
    error = client.refuses("download", "no peers have game cod2", game_id="cod2")
    lan.check.equal("operations afterwards", client.operations(), [])
    client.shutdown()
    # Over its whole run: after a refusal a peer need not write anything.
    client.everything().none_of("got-game-files", "download-begin", *OUTCOMES, what="no download")
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    lan.evidence(f"refused with {error.code}: {error.error}; the folder is empty")


@scenario(
    "S13",
    name="Exact transfer equality",
    proves="bfbc2 from bravo, then alienswarm from alpha: the files of both are the sources'",
)
def exact_transfer_equality(lan: Lan) -> None:
    alpha, bravo, client = lan.start(
        peer("alpha", "fixture-alpha"), peer("bravo", "fixture-bravo"), peer("client")
    )
    client.connect(alpha, bravo)
    told = []
    for game_id, source in (("bfbc2", bravo), ("alienswarm", alpha)):
        download = client.download(game_id, install=False)
        download.finished()
        lan.check.equal(f"who served {game_id}", download.served_by(lan.peers), {source.name})
        lan.same_game(game_id, client, source)
        told.append(f"{download.told()} from {source}")
    lan.check.equal(
        "the client's games",
        client.local(),
        [local_row(client.root(game_id)) for game_id in ("alienswarm", "bfbc2")],
    )
    lan.evidence("; ".join(told))
