"""Folders nested deeper than a program's stack: S68."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, catalog_version, game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.rar5_made import Made, made_archive
from scenarios.families.lan_spread.specs import peer

# Deeper than many programs can recurse; with short names, so that the path is not too long for
# the system.
DEPTH = 1_000
# Deeper than docs/contract.md section 6 allows; harmless to a peer that does not check.
TOO_DEEP = 100
LEFTOVERS = (".lanspread", ".local.installing")


@dataclass(frozen=True, slots=True)
class DeepFolder:
    """A chain of nested folders, below the games folder."""

    path: str

    def put_into(self, games: Path) -> None:
        """Create it from the top down, since the whole path would be too long."""
        folder = os.open(games, os.O_RDONLY)
        for name in [*self.path.split("/"), *["d"] * DEPTH]:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            below = os.open(name, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        os.close(folder)


@scenario(
    "S68",
    name="Bottomless folders",
    proves=f"A peer whose games folder has {DEPTH} nested folders, left by an "
    f"interrupted transfer, starts and deletes them. An archive with a path of {TOO_DEEP} folders "
    "is neither installed nor streamed: both fail with a code and leave nothing",
)
def bottomless_folders(lan: Lan) -> None:
    deep = made_archive(Made("d/" * TOO_DEEP + "file", b"deep"))
    source, client, receiver = lan.start(
        peer(
            "source",
            [
                File("css/css.eti", deep),
                File("css/version.ini", catalog_version("css").encode()),
            ],
        ),
        peer(
            "client",
            [game("ggoo", "fixture-alpha"), *(DeepFolder(f"ggoo/{name}") for name in LEFTOVERS)],
        ),
        peer("receiver"),
    )
    try:
        client.connect(source)
        receiver.connect(source)
        lan.check.equal("what is left of the leftovers", left_in(client, "ggoo"), set())

        lan.step("install")
        download = client.download("css", install=True)
        ended = download.window.wait_event("install-failed", "install-finished", game_id="css")
        told = (ended.name, ended.data.get("code"))
        lan.check.equal("how the install ends", told, ("install-failed", "unsafe-name"))
        lan.check.equal("what is left of the install", left_in(client, "css"), set())

        lan.step("streamed install")
        stream = receiver.stream_install("css")
        last = stream.window.wait_event("download-failed", "install-finished", game_id="css")
        told = (last.name, last.data.get("code"))
        lan.check.equal("how the streamed install ends", told, ("download-failed", "unsafe-name"))
        lan.check.true("nothing of the streamed install", not receiver.root("css").exists())
    finally:
        flatten(client.root("ggoo"))
    lan.evidence(f"{told}: {last.data.get('reason')}")


def left_in(one: Peer, game_id: str) -> set[str]:
    """Return the leftovers of an interrupted transfer in a game's root."""
    names = {path.name for path in one.root(game_id).iterdir()}
    return {*names} & {*LEFTOVERS, "local"}


def flatten(root: Path) -> None:
    """Flatten the folders, so that recursive deletion of the run's files works."""
    for name in LEFTOVERS:
        for number in range(DEPTH):
            inner = root / name / "d"
            if not inner.is_dir():
                break
            inner.rename(root / f"{name}-{number}")
            (root / name).rmdir()
            (root / f"{name}-{number}").rename(root / name)
