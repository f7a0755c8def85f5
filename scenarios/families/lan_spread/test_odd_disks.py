"""Disks that take two names for one, or fail: S69, S70."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import unicodedata

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.games import File, Thing, catalog_version, game, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.test_bad_folders import stderr_about
from scenarios.families.lan_spread.test_hostile_sources import outcome

MIB = 1 << 20
ACCENT = "é"
# Of each game two paths, which a disk like those of Windows and macOS takes for one.
CLASHES = {
    "bf1942": ("Data/a.bin", "data/a.bin"),
    "css": ("read.me", "READ.ME"),
    "coh": ("maps/one", "Maps/two"),
    "cod5": tuple(f"{unicodedata.normalize(form, ACCENT)}.txt" for form in ("NFC", "NFD")),
    "cod6": ("Data/x", "data"),
}


def clashing(game_id: str) -> list[Thing]:
    """Return a game with two names that clash."""
    files = {path: path.encode() for path in CLASHES[game_id]}
    files["version.ini"] = f"{catalog_version(game_id)}\n".encode()
    return [File(f"{game_id}/{path}", content) for path, content in files.items()]


@scenario(
    "S69",
    name="Disk that folds names",
    proves="A client's disk takes names that differ in case or normal form for one: games with "
    "such names, of files, folders or both, fail with `name-clash` before a byte is fetched and "
    "leave nothing, and other games download onto it; on another disk they download completely",
    needs=[Capability.FUSE],
)
def disk_that_folds_names(lan: Lan) -> None:
    clashes = [thing for game_id in CLASHES for thing in clashing(game_id)]
    source, client, other = lan.start(
        peer("source", [*clashes, game("ggoo", "fixture-alpha")]),
        peer("client", odd_disk="folds"),
        peer("other"),
    )
    client.connect(source)
    tries = [client.download(game_id, install=False) for game_id in CLASHES]
    ends = {download.game_id: outcome(download) for download in tries}
    want = dict.fromkeys(CLASHES, ("download-failed", "name-clash"))
    lan.check.equal("how each download ends", ends, want)
    fetched = [download.game_id for download in tries if download.chunks()]
    lan.check.equal("games of which something was fetched", fetched, [])
    lan.check.equal("the client's folder", sorted(tree(client.games)), [])
    client.download("ggoo", install=False).finished()
    lan.same_game("ggoo", client, source)

    other.connect(source)
    other.download("bf1942", install=False).finished()
    lan.same_game("bf1942", other, source)
    lan.evidence(f"{len(CLASHES)} kinds of clash; on another disk everything")


@scenario(
    "S70",
    name="Disk of a sender fails",
    proves="While a source sends, its disk fails to read the file: the client goes on with the "
    "other source and gets everything; the failing one does not offer the game any more, its row "
    "has a `problem`, stderr reports it once, and it keeps serving its other games",
    needs=[Capability.FUSE],
)
def disk_of_a_sender_fails(lan: Lan) -> None:
    large = made_game("bf1942", 12 * MIB, "S70")
    failing, other, client = lan.start(
        peer(
            "failing", [large, game("ggoo", "fixture-alpha")],
            odd_disk="fails:bf1942.eti", upload_limit="4MiB",
        ),
        peer("other", [large], upload_limit="4MiB"),
        peer("client"),
    )  # fmt: skip
    client.connect(failing, other)
    download = client.download("bf1942", install=False)
    control = failing.games.parent / ".now"
    lan.faults.when(
        download.window, "download-progress", do=control.touch, what="the disk of failing fails",
        where=lambda event: event.data.get("downloaded_bytes", 0) > 0,
    ).carried_out()  # fmt: skip
    download.finished()
    lan.same_game("bf1942", client, other)
    client.everything().wait_event(
        "remote-library-changed", peer_id=failing.peer_id, game_count=1,
        what="the client is told of what failing offers now",
    )  # fmt: skip
    why = [row.get("problem") for row in failing.node.request("list-games")["local"]]
    lan.check.true("failing says what is wrong with bf1942", why[0], str(why))
    client.download("ggoo", install=False).finished()
    failing.shutdown()
    told = stderr_about(failing, "bf1942")
    says_it = ["Input/output error" in line for line in told]
    lan.check.equal("lines of failing's stderr that say it", says_it, [True])
    lan.evidence(f"{told[:1]}; {download.told()}")
