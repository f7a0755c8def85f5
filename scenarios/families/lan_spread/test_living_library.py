"""Libraries that change while other peers are connected: S21 to S23, S35."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import shutil
from pathlib import Path

from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.core.window import Window
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.games import catalog_version, game, served_size
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, advertised_row, remote_row
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.version_watch import VERSION_FILE

# "Within a second or two", doubled for a busy machine.
NOTICED_WITHIN_S = 4.0


@scenario(
    "S21",
    name="Game added while connected",
    proves="cod5 is copied into bravo's folder, `version.ini` last: until then alpha does not see "
    "it, and then sees it with one source, without a reconnect",
)
def game_added_while_connected(lan: Lan) -> None:
    alpha, bravo = lan.start(
        peer("alpha", "fixture-alpha"), peer("bravo", [game("cnc4", "fixture-bravo")])
    )
    alpha.connect(bravo)
    window = alpha.window()
    source = fixtures.games_dir("fixture-charlie")
    lan.check.equal("sources of cod5 before", alpha.sources_of("cod5"), 0)

    # A complete game after the incomplete one: once alpha sees it, bravo has scanned both.
    lan.faults.now(
        "drop cod5 without version.ini", lambda: drop(source / "cod5", bravo, whole=False)
    )
    lan.faults.now("drop cod6", lambda: drop(source / "cod6", bravo))
    is_told(window, bravo, games=2, what="alpha sees cod6")
    lan.check.equal("sources of cod6", alpha.sources_of("cod6"), 1)
    lan.check.equal("sources of cod5 without version.ini", alpha.sources_of("cod5"), 0)
    lan.check.equal("bravo's games", [row["id"] for row in bravo.local()], ["cnc4", "cod6"])

    dropped = lan.now()
    lan.faults.now(
        "drop version.ini of cod5",
        lambda: shutil.copyfile(source / "cod5" / VERSION_FILE, bravo.root("cod5") / VERSION_FILE),
    )
    seen = is_told(window, bravo, games=3, what="alpha sees cod5").at
    lan.check.contains(
        "rows of what others offer", alpha.remote(), remote_row(bravo.root("cod5"), sources=1)
    )
    lan.check.contains(
        "cod5 as advertised", alpha.advertised_by(bravo), advertised_row(bravo.root("cod5"))
    )
    stayed_connected(lan, window, bravo)
    lan.evidence(f"1 source, {seen - dropped:.2f} s after version.ini; 0 before; same connection")


@scenario(
    "S22",
    name="Game removed while connected",
    proves="cod5 is deleted from bravo's folder: alpha no longer sees it, and bravo is still "
    "connected, with its other games",
)
def game_removed_while_connected(lan: Lan) -> None:
    alpha, bravo = lan.start(
        peer("alpha", "fixture-alpha"),
        peer(
            "bravo",
            [
                game("cnc4", "fixture-bravo"),
                game("cod5", "fixture-charlie"),
                game("cod6", "fixture-charlie"),
            ],
        ),
    )
    alpha.connect(bravo)
    window = alpha.window()
    # A peer may rescan once when it begins to watch; another game uses up that rescan.
    lan.faults.now("delete cod6", lambda: shutil.rmtree(bravo.root("cod6")))
    is_told(window, bravo, games=2, what="alpha no longer sees cod6")
    lan.check.equal("sources of cod5 before", alpha.sources_of("cod5"), 1)
    removed = lan.now()
    lan.faults.now("delete cod5", lambda: shutil.rmtree(bravo.root("cod5")))
    seen = is_told(window, bravo, games=1, what="alpha no longer sees cod5").at
    lan.check.equal("sources of cod5 afterwards", alpha.sources_of("cod5"), 0)
    lan.check.equal(
        "bravo's games as advertised",
        alpha.advertised_by(bravo),
        [advertised_row(bravo.root("cnc4"))],
    )
    lan.check.equal("alpha's peers", [row["peer_id"] for row in alpha.known()], [bravo.peer_id])
    lan.check.equal("sources of cnc4", alpha.sources_of("cnc4"), 1)
    lan.check.equal("bravo's games", [row["id"] for row in bravo.local()], ["cnc4"])
    alpha.refuses("download", "no peers have game cod5", game_id="cod5")
    stayed_connected(lan, window, bravo)
    lan.evidence(f"gone {seen - removed:.2f} s after it was deleted; bravo stayed, with cnc4")


@scenario(
    "S23",
    name="Version bump",
    proves="Bravo's cnc4 is stale: advertised, but not offered; once its `version.ini` is "
    "rewritten, it is offered and can be downloaded",
)
def version_bump(lan: Lan) -> None:
    client, bravo = lan.start(
        peer("client"), peer("bravo", [game("cnc4", "fixture-bravo", version="20150101")])
    )
    client.connect(bravo)
    root = bravo.root("cnc4")
    stale = {**advertised_row(root), "eti_version": "20150101"}
    lan.check.equal("cnc4 as advertised before", client.advertised_by(bravo), [stale])
    lan.check.equal("what is offered before", client.remote(), [])
    client.refuses("download", "no peers have game cnc4", game_id="cnc4")

    window = client.window()
    # A peer may rescan once when it begins to watch; another version uses up that rescan.
    lan.faults.now("rewrite version.ini of cnc4", lambda: rewrite_version(root, "20160101"))
    told = window.since(is_told(window, bravo, games=1, what="the client is told of 20160101"))
    stale = {**advertised_row(root), "eti_version": "20160101"}
    lan.check.equal("cnc4 as advertised in between", client.advertised_by(bravo), [stale])
    lan.check.equal("what is offered in between", client.remote(), [])

    rewritten = lan.now()
    lan.faults.now(
        "rewrite version.ini of cnc4", lambda: rewrite_version(root, catalog_version("cnc4"))
    )
    seen = is_told(told, bravo, games=1, what="the client is told of the catalog's version").at
    lan.check.equal("cnc4 as advertised", client.advertised_by(bravo), [advertised_row(root)])
    lan.check.equal("what is offered", client.remote(), [remote_row(root, sources=1)])
    download = client.download("cnc4", install=False)
    download.finished()
    lan.check.equal("who served", download.served_by(lan.peers), {"bravo"})
    lan.same_game("cnc4", client, bravo)
    stayed_connected(lan, window, bravo)
    lan.evidence(
        f"not offered at 20150101, offered {seen - rewritten:.2f} s after version.ini said "
        f"{catalog_version('cnc4')}; {download.told()}"
    )


@scenario(
    "S35",
    name="Unknown game",
    proves="A source has `mystery-game`, which is in no catalog: it is advertised, but not "
    "offered; a download is refused and creates no folder",
)
def unknown_game(lan: Lan) -> None:
    source, client = lan.start(
        peer("source", [game("cod5", "fixture-charlie")], flags=["--fixture", "mystery-game"]),
        peer("client"),
    )
    client.connect(source)
    [mystery] = [row for row in source.local() if row["id"] == "mystery-game"]
    lan.check.equal(
        "mystery-game at its owner",
        (mystery["downloaded"], mystery["availability"], mystery["size"]),
        (True, "Ready", served_size(source.root("mystery-game"))),
    )
    lan.check.contains(
        "mystery-game as advertised",
        client.advertised_by(source),
        {"eti_version": mystery.pop("version"), **mystery},
    )
    lan.check.equal("what is offered", [row["id"] for row in client.remote()], ["cod5"])
    window = client.window()
    error = client.refuses(
        "download", "game mystery-game is not in the local catalog", game_id="mystery-game"
    )
    lan.check.equal("operations afterwards", client.operations(), [])
    # Another download after it: anything that the refused one began would show by its end.
    client.download("cod5", install=False).finished()
    window.none_of(game_id="mystery-game", what="no event of mystery-game")
    client.shutdown()
    lan.check.equal(
        "folders of the client", sorted(path.name for path in client.games.iterdir()), ["cod5"]
    )
    lan.evidence(
        f"advertised with {mystery['size']} bytes, not offered; {error.code}: {error.error}"
    )


def is_told(window: Window, other: Peer, *, games: int, what: str) -> Event:
    """Wait until the window's peer learns that another one has this many games."""
    return window.wait_event(
        "remote-library-changed",
        peer_id=other.peer_id,
        game_count=games,
        timeout=NOTICED_WITHIN_S,
        what=what,
    )


def stayed_connected(lan: Lan, window: Window, other: Peer) -> None:
    """Shut the other peer down, and check that the window's peer never lost it before."""
    other.shutdown()
    gone = window.wait_event("peer-disconnected", peer_id=other.peer_id)
    lan.check.equal(f"why {other} went at last", gone.data.get("reason"), "goodbye")
    met = window.until(gone).events("peer-connected", "peer-disconnected")
    lan.check.equal("nobody came or went before", [event.name for event in met], [gone.name])


def drop(original: Path, owner: Peer, *, whole: bool = True) -> None:
    """Copy a game into a running peer's games folder, `version.ini` last or not at all."""
    root = owner.root(original.name)
    root.mkdir()
    for file in original.iterdir():
        if file.name != VERSION_FILE:
            shutil.copyfile(file, root / file.name)
    if whole:
        shutil.copyfile(original / VERSION_FILE, root / VERSION_FILE)


def rewrite_version(root: Path, version: str) -> None:
    """Overwrite the version with one of the same length, so that no partial one is ever visible."""
    with (root / VERSION_FILE).open("r+", encoding="utf-8") as file:
        file.write(version + "\n")
