"""Folders and files that cannot be read, written or named, or that another peer uses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.core.backends.base import Capability
from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, Link, game, made_game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer
from scenarios.families.lan_spread.test_living_library import is_told

# Not valid UTF-8, in which names are sent, but a valid file name on Linux.
NO_UTF8 = os.fsdecode(b"caf\xe9.txt")


@scenario(
    "S73",
    name="Name that cannot be sent",
    proves="One of two sources of ggoo has a file whose name is not UTF-8: its row has a "
    "`problem`, stderr reports it once, the game is not offered and the source serves nothing",
)
def name_that_cannot_be_sent(lan: Lan) -> None:
    """Put a file whose name cannot be sent into one of two copies of a game."""
    half, whole, client = lan.start(
        peer("half", [game("ggoo", "fixture-alpha"), File(f"ggoo/{NO_UTF8}", b"coffee")]),
        peer("whole", "fixture-bravo"),
        peer("client"),
    )
    client.connect(half, whole)
    is_not_shared(lan, half, "ggoo")
    lan.check.equal("what half advertises", client.advertised_by(half), [])
    lan.check.equal("sources of ggoo", client.sources_of("ggoo"), 1)
    download = client.download("ggoo", install=False)
    download.finished()
    lan.check.equal("who served", download.served_by(lan.peers), {"whole"})
    lan.same_game("ggoo", client, whole)
    half.shutdown()
    told = stderr_about(half, "ggoo")
    lan.check.equal("lines of half's stderr about ggoo", len(told), 1)
    lan.evidence(f"{told[:1]}; {download.told()}")


@scenario(
    "S74",
    name="Part without rights",
    proves="A folder in the only source's bf1942 becomes unreadable: its row has a `problem`, "
    "stderr reports it once, and the game is no longer offered; when the folder is readable again, "
    "the game is offered and downloads completely",
    needs=[Capability.PERMISSIONS],
)
def part_without_rights(lan: Lan) -> None:
    """Make a folder of a game unreadable, then readable again."""
    source, client = lan.start(
        peer("source", [made_game("bf1942", 100_000, "part"), File("bf1942/data/pak", b"pak")]),
        peer("client"),
    )
    client.connect(source)
    window = client.window()
    with closed(lan, source.root("bf1942") / "data"):
        told = window.wait_event("remote-library-changed", peer_id=source.peer_id)
        is_not_shared(lan, source, "bf1942")
        lan.check.equal("source's bf1942 is not offered", client.sources_of("bf1942"), 0)
        window = client.window()
    seen = is_told(window, source, games=1, what="the client is told of the source's bf1942")
    download = client.download("bf1942", install=False)
    download.finished()
    lan.same_game("bf1942", client, source)
    source.shutdown()
    lines = stderr_about(source, "bf1942")
    lan.check.equal("lines of the source's stderr about bf1942", len(lines), 1)
    lan.evidence(f"{lines[:1]}; offered again {seen.at - told.at:.2f} s later; {download.told()}")


@scenario(
    "S75",
    name="One bad folder at the start",
    proves="One of a peer's games is a symbolic link to itself: stderr reports it once, and the "
    "peer starts, lists, serves and watches all others",
)
def one_bad_folder_at_the_start(lan: Lan) -> None:
    """Start a peer with one game and one link to itself."""
    source, client = lan.start(
        peer("source", [game("ggoo", "fixture-alpha"), Link("css", "css")]), peer("client")
    )
    client.connect(source)
    is_not_shared(lan, source, "css")
    download = client.download("ggoo", install=False)
    download.finished()
    lan.same_game("ggoo", client, source)
    window = client.window()
    game("cnc4", "fixture-bravo").put_into(source.games)
    is_told(window, source, games=2, what="the client is told of a game that came later")
    source.shutdown()
    told = stderr_about(source, "css")
    lan.check.equal("lines of the source's stderr about css", len(told), 1)
    lan.evidence(f"{told[:1]}; {download.told()}")


@scenario(
    "S76",
    name="Second peer on a folder",
    proves="While a peer downloads, a second one is started on its games folder and a third on its "
    "state folder: each reports in one line which peer uses the folder, and exits with 2 before "
    "it is ready; the download finishes. After a kill the folders are free at once",
)
def second_peer_on_a_folder(lan: Lan) -> None:
    """Start peers on the folders of a peer that is downloading."""
    source, first = lan.start(
        peer("source", "fixture-alpha", upload_limit="60MiB"), peer("first-one")
    )
    first.connect(source)
    download = first.download("alienswarm", install=False)
    download.window.wait_event("download-begin")
    for what, refused in (
        ("games", lan.start_refused("second", games=first.games)),
        ("state", lan.start_refused("third", state=first.state)),
    ):
        events = refused.everything().events()
        lan.check.equal(f"events of a second peer on the {what}", events, [])
        told = [line.text for line in refused.everything().lines() if line.stream == "err"]
        lan.check.equal(f"lines about the {what}", len(told), 1)
        lan.check.contains(f"who has the {what}", "\n".join(told), "first-one")
    download.finished()
    lan.same_game("alienswarm", first, source)
    first.node.kill()
    first.node.wait_exit()
    lan.restart(first)
    lan.evidence(f"{told}; {download.told()}")


@scenario(
    "S109",
    name="State that cannot be saved",
    proves="A peer whose state folder has become read-only since it last ran reports that in one "
    "line, and exits with 2 before it is ready; once the folder can be written again, the same "
    "peer starts",
    needs=[Capability.PERMISSIONS],
)
def state_that_cannot_be_saved(lan: Lan) -> None:
    """Start a peer again, with and without permission to write to its state folder."""
    (alpha,) = lan.start(peer("alpha", "fixture-alpha"))
    alpha.shutdown()
    with closed(lan, alpha.state, 0o555):
        refused = lan.start_refused("again", state=alpha.state)
    lan.check.equal("events before it was refused", refused.everything().events(), [])
    told = [line.text for line in refused.everything().lines() if line.stream == "err"]
    lan.check.equal("lines about the state folder", len(told), 1)
    later = lan.restart(alpha)
    lan.check.equal("who starts later", later.peer_id, alpha.peer_id)
    lan.evidence(f"{told}; then {later.peer_id[:8]} again")


@scenario(
    "S110",
    name="Catalog in WAL mode",
    proves="A client's catalog is an SQLite file in WAL mode, in a folder that cannot be written: "
    "the client starts, is offered what the catalog lists, and downloads it",
    needs=[Capability.PERMISSIONS],
)
def catalog_in_wal_mode(lan: Lan) -> None:
    """Start a client whose catalog SQLite would like to put files beside."""
    catalog = lan.catalog_in_wal_mode()
    with closed(lan, catalog.mount.host, 0o555):
        source, client = lan.start(
            peer("source", [game("ggoo", "fixture-alpha")]),
            peer("client", flags=["--catalog-db", catalog]),
        )
        client.connect(source)
        lan.check.equal("sources of ggoo", client.sources_of("ggoo"), 1)
        download = client.download("ggoo", install=False)
        download.finished()
    lan.same_game("ggoo", client, source)
    lan.evidence(download.told())


def is_not_shared(lan: Lan, owner: Peer, game_id: str) -> None:
    """Check that a peer's own row of a game has a problem."""
    rows = owner.node.request("list-games")["local"]
    [row] = [row for row in rows if row["id"] == game_id] or [{}]
    lan.check.true(f"{owner}'s {game_id} has a problem", row.get("problem"), str(row))
    lan.check.true(f"{owner}'s {game_id} is not Ready", row.get("availability") != "Ready")


def stderr_about(owner: Peer, game_id: str) -> list[str]:
    """Return the lines about a game on a peer's stderr."""
    lines = owner.everything().lines()
    return [line.text for line in lines if line.stream == "err" and game_id in line.text]


@contextmanager
def closed(lan: Lan, folder: Path, mode: int = 0) -> Iterator[None]:
    """Remove permissions of a folder; they are restored at the end, even after a failure."""
    lan.faults.now(f"close {folder.name}", lambda: folder.chmod(mode))
    try:
        yield
    finally:
        lan.faults.now(f"open {folder.name}", lambda: folder.chmod(0o755))
