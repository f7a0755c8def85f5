"""A peer is killed at every step of an install, and of an update: S54, S55, S111."""

# ruff: noqa: D103 - the decorator says what a scenario proves

from collections.abc import Callable, Mapping
from pathlib import Path

from scenarios.core.backends.base import Capability
from scenarios.core.node import PendingReply
from scenarios.core.scenario import scenario
from scenarios.core.trees import tree
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.crashes import at_every_step
from scenarios.families.lan_spread.games import (
    File,
    Thing,
    catalog_version,
    game,
    not_served,
)
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

GAME = "bf1942"
OLD_VERSION = "19990101"

Files = Mapping[str, str]  # path to SHA-256


@scenario(
    "S54",
    name="Killed at every step of an install",
    proves="Peers that install a game are killed, each before another change of a name on its "
    "disk: restarted, each has either all of `local/` or none of it, says so in its list, and "
    "installs the game completely",
    needs=[Capability.FUSE],
    timeout_s=300,
)
def killed_at_every_step_of_an_install(lan: Lan) -> None:
    contents = fixtures.contents("fixture-bravo", "cnctw")
    whole = {path: content.blake3 for path, content in contents.items()}

    def is_installed(one: Peer) -> bool | None:
        """Tell whether `local/` is whole; None if it is half."""
        found = files(one.root("cnctw") / "local")
        return found == whole if found in ({}, whole) else None

    def judge(one: Peer) -> tuple[bool | None, bool, bool | None]:
        [row] = one.local()  # answered when all is recovered
        found = is_installed(one)
        if not row["installed"]:
            one.install("cnctw")
        return found, row["installed"], is_installed(one)

    steps = at_every_step(
        lan, [game("cnctw", "fixture-bravo")],
        lambda one: one.node.send("install", game_id="cnctw"), "install-finished", judge,
    )  # fmt: skip
    halves = [step for step, (found, _, _) in steps.items() if found is None]
    lan.check.equal("steps after which it is half installed", halves, [])
    lies = [step for step, (found, told, _) in steps.items() if found != told]
    lan.check.equal("steps after which the list is wrong", lies, [])
    never = [step for step, (_, _, after) in steps.items() if not after]
    lan.check.equal("steps after which it cannot be installed", never, [])
    lan.evidence(f"{len(steps)} steps, the last one {list(steps)[-1]}")


@scenario(
    "S55",
    name="Killed at every step of an update",
    proves="Peers that download a game over an older version of it are killed, each before another "
    "change of a name on its disk: restarted, each has one of the two versions whole, and lists "
    "it, and with the source it gets the new one",
    needs=[Capability.FUSE],
    timeout_s=300,
)
def killed_at_every_step_of_an_update(lan: Lan) -> None:
    update_at_every_step(lan, lan.restart)


@scenario(
    "S111",
    name="Killed, and its games moved",
    proves="Peers are killed as in S55, their games folder is moved, and they are started again on "
    "an empty one: switched to the moved one with `set-games-dir`, each has one of the two "
    "versions whole, and lists it, and with the source it gets the new one",
    needs=[Capability.FUSE],
    timeout_s=300,
)
def killed_and_its_games_moved(lan: Lan) -> None:
    update_at_every_step(lan, lan.restart_elsewhere)


def update_at_every_step(lan: Lan, again: Callable[[Peer], Peer]) -> None:
    """Kill peers at every step of an update, and judge each after ``again``."""
    new = version_of(catalog_version(GAME), b"new")
    old = version_of(OLD_VERSION, b"old")
    source, model = lan.start(peer("source", new), peer("model", old))
    versions = [files(one.root(GAME)) for one in (model, source)]

    def begin(one: Peer) -> PendingReply:
        one.connect(source)
        return one.node.send("download", game_id=GAME, install=False)

    def judge(one: Peer) -> tuple[bool, bool, bool]:
        listed = len(one.local()) == 1  # answered when all is recovered
        whole = files(one.root(GAME)) in versions
        one.connect(source)
        one.download(GAME, install=False).finished()
        return whole, listed, files(one.root(GAME)) == versions[1]

    steps = at_every_step(lan, old, begin, "download-finished", judge, again)
    halves = [step for step, (whole, _, _) in steps.items() if not whole]
    lan.check.equal("steps after which no version is whole", halves, [])
    lost = [step for step, (_, listed, _) in steps.items() if not listed]
    lan.check.equal("steps after which it is not listed", lost, [])
    never = [step for step, (_, _, after) in steps.items() if not after]
    lan.check.equal("steps after which it cannot be updated", never, [])
    lan.evidence(f"{len(steps)} steps, the last one {list(steps)[-1]}")


def version_of(version: str, content: bytes) -> list[Thing]:
    """Return a version of the game."""
    texts = {"pak.bin": content, "version.ini": f"{version}\n".encode()}
    return [File(f"{GAME}/{path}", text) for path, text in texts.items()]


def files(root: Path) -> Files:
    """Return what a folder holds, without reserved names; {} if it is not there."""
    if not root.is_dir():
        return {}
    entries = tree(root, not_served).items()
    return {path: entry.digest for path, entry in entries if entry.kind == "file"}
