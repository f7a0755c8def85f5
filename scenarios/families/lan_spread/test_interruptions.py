"""Downloads that are interrupted, cancelled, or lose what they download: S52, S53, S65, S77."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread.attempts import OUTCOMES
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.games import File, Link, Thing, catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.streams import drains

GAME = "bf1942"
MIB = 1 << 20
PARTS = 24
RATE = "4MiB"  # so a game of this many parts takes six seconds


def in_parts(fill: bytes = b"part") -> list[Thing]:
    """Return a game of many files of 1 MiB each."""
    parts = [
        File(f"{GAME}/{number}.bin", (fill + bytes([number])) * (MIB // 5))
        for number in range(PARTS)
    ]
    return [*parts, File(f"{GAME}/version.ini", f"{catalog_version(GAME)}\n".encode())]


def under_way(lan: Lan, download: Download) -> None:
    """Wait until some files have come."""
    download.window.wait_event("download-chunk-finished", game_id=GAME, what="some files have come")


@scenario(
    "S52",
    name="Receiver killed, and resumes",
    proves="A client is killed while it downloads a bf1942 of many files, and started again: the "
    "next download of it finishes, fetches none of the files again that had come, and only the "
    "bytes that were missing",
)
def receiver_killed_and_resumes(lan: Lan) -> None:
    source, client = lan.start(peer("source", in_parts(), upload_limit=RATE), peer("client"))
    client.connect(source)
    first = client.download(GAME, install=False)
    lan.faults.when(
        first.window, "download-chunk-finished", nth=4, do=client.node.kill, what="kill the client"
    ).carried_out()
    client.node.wait_exit()
    again = lan.restart(client)
    lan.check.equal("the client's games after the kill", again.local(), [])
    source.node.request("set-limits", upload=None, download=None)
    again.connect(source)
    second = again.download(GAME, install=False)
    second.finished()
    lan.same_game(GAME, again, source)
    had = {chunk.path: chunk.length for chunk in first.chunks()}
    came = {chunk.path for chunk in second.chunks()}
    lan.check.equal("files that came twice", sorted(had.keys() & came), [])
    whole = sum(entry.size for entry in tree(again.root(GAME)).values())
    fetched = second.figures().get("bytes", 0)
    lan.check.true(
        "only what was missing is fetched", fetched <= whole - sum(had.values()), f"{fetched} bytes"
    )
    lan.evidence(f"{len(had)} files had come; then {second.told()}")


@scenario(
    "S53",
    name="Download cancelled",
    proves="A download is cancelled while files come: when the reply comes it is rolled back; "
    "`download-cancelled`, neither failed nor finished; the sender's count drops to none; the same "
    "command then succeeds",
)
def download_cancelled(lan: Lan) -> None:
    source, client = lan.start(peer("source", in_parts(), upload_limit=RATE), peer("client"))
    client.connect(source)
    download = client.download(GAME, install=False)
    under_way(lan, download)
    client.node.request("cancel-download", game_id=GAME)
    left = [path.name for path in client.games.iterdir()]
    lan.check.equal("the client's folder after the reply", left, [])
    lan.check.equal("the client's operations after the reply", client.operations(), [])
    download.cancelled()
    drains(lan, source)
    download.close()
    ends = [event.name for event in download.events(*OUTCOMES)]
    lan.check.equal("how it ends", ends, ["download-cancelled"])
    source.node.request("set-limits", upload=None, download=None)
    again = client.download(GAME, install=False)
    again.finished()
    lan.same_game(GAME, client, source)
    lan.evidence(f"cancelled after {len(download.chunks())} files; then {again.told()}")


@scenario(
    "S65",
    name="Removed while it is sent",
    proves="A source removes a game that a client downloads from it and from another source: the "
    "game is gone there, the client is told, gets everything, and downloads another game from it",
)
def removed_while_it_is_sent(lan: Lan) -> None:
    leaving, other, client = lan.start(
        peer("leaving", [*in_parts(), game("ggoo", "fixture-alpha")], upload_limit=RATE),
        peer("other", in_parts(), upload_limit=RATE),
        peer("client"),
    )
    client.connect(leaving, other)
    told = client.window()
    download = client.download(GAME, install=False)
    under_way(lan, download)
    lan.step("leaving removes it")
    leaving.remove(GAME)
    lan.check.equal("whether its folder is gone", leaving.root(GAME).exists(), False)
    other.node.request("set-limits", upload=None, download=None)
    download.finished()
    lan.same_game(GAME, client, other)
    told.wait_event(
        "remote-library-changed", peer_id=leaving.peer_id, game_count=1,
        what="the client is told that leaving has it no more",
    )  # fmt: skip
    drains(lan, leaving)
    client.download("ggoo", install=False).finished()
    lan.evidence(download.told())


@scenario(
    "S77",
    name="Update behind a link",
    proves="A game's folder is a link to one elsewhere: a download of a newer version replaces the "
    "files behind the link, the link stays, and the game is offered to others; a failed update, "
    "whose only source is killed, leaves the older version whole",
)
def update_behind_a_link(lan: Lan) -> None:
    old: list[Thing] = [
        File(f".elsewhere/{GAME}/old.bin", b"old"),
        File(f".elsewhere/{GAME}/version.ini", b"19990101\n"),
        Link(GAME, f".elsewhere/{GAME}"),
    ]
    source, spare, client, reader = lan.start(
        peer("source", in_parts(), upload_limit=RATE),
        peer("spare", in_parts()),
        peer("client", old),
        peer("reader"),
    )
    before = tree(client.games)
    client.connect(source)
    download = client.download(GAME, install=False)
    under_way(lan, download)
    source.node.kill()
    download.failed_or_gone()
    download.close()
    lan.check.same_tree("the client's folder after a failed update", tree(client.games), before)
    client.connect(spare)
    download = client.download(GAME, install=False)
    download.finished()
    lan.same_game(GAME, client, spare)
    lan.check.equal("whether it is still a link", client.root(GAME).is_symlink(), True)
    reader.connect(client)
    reader.download(GAME, install=False).finished()
    lan.same_game(GAME, reader, spare)
    lan.evidence(download.told())
