"""Reinstalling, changed archives, and the first start of a game: S32, S33, S38."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import shutil
from pathlib import Path
from typing import Any

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread import fixtures
from scenarios.families.lan_spread.always import stamps
from scenarios.families.lan_spread.games import game
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, local_row
from scenarios.families.lan_spread.specs import peer

TRANSFER_EVENTS = (
    "got-game-files",
    "download-begin",
    "download-progress",
    "download-chunk-finished",
    "download-finished",
)
ACCOUNT = "profiles/local/account_name.txt"
LANGUAGE = "profiles/local/language.txt"
EMULATOR = "engine/bin/win64/steam_settings/SmartSteamEmu.ini"
USER, TONGUE = "Max Power", "german"
MARKER = "games/css/launch_settings_applied"  # in the state folder; docs/contract.md section 3


@scenario(
    "S32",
    name="Reinstall",
    proves="Install, uninstall, install: the last one works with no peer left, without a transfer "
    "event; `local/` is back, and its files have the hashes of the archive's entries",
)
def reinstall(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    client.download("cnctw").installed()
    lan.installed_as("cnctw", client, "fixture-bravo")
    client.uninstall("cnctw")
    lan.check.true("no local/ in between", not (client.root("cnctw") / "local").exists())
    window = client.window()
    bravo.shutdown()
    window.wait_event("peer-disconnected", peer_id=bravo.peer_id)
    lan.check.equal("peers left", client.known(), [])

    client.install("cnctw")
    row = local_row(client.root("cnctw"), installed=True)
    lan.check.equal("the client's games", client.local(), [row])
    lan.installed_as("cnctw", client, "fixture-bravo")
    lan.same_game("cnctw", client, bravo)
    client.shutdown()
    for name in TRANSFER_EVENTS:
        window.none_of(name, what=f"no {name}")
    files = fixtures.contents("fixture-bravo", "cnctw")
    lan.evidence(f"{len(files)} files installed again, with no peer left and no transfer")


@scenario(
    "S33",
    name="Install after change",
    proves="The archive is replaced by another valid one, then `install`: `local/` has the new "
    "archive's entries and nothing from the old one",
)
def install_after_change(lan: Lan) -> None:
    bravo, client = lan.start(peer("bravo", "fixture-bravo"), peer("client"))
    client.connect(bravo)
    client.download("cnctw").installed()
    lan.installed_as("cnctw", client, "fixture-bravo")
    other = fixtures.games_dir("fixture-solid") / "cnctw" / "cnctw.eti"
    lan.faults.now("replace the archive", lambda: replace(client.root("cnctw") / other.name, other))
    client.install("cnctw")
    lan.installed_as("cnctw", client, "fixture-solid")
    row = local_row(client.root("cnctw"), installed=True)
    lan.check.equal("the client's games", client.local(), [row])
    lan.evidence("installed: " + ", ".join(sorted(fixtures.contents("fixture-solid", "cnctw"))))


@scenario(
    "S38",
    name="First play",
    proves="css is installed and played twice, its files reset in between: the first `play` writes "
    "name and language into all three files and keeps CRLF and the other lines; the second writes "
    "nothing; a reinstall clears the marker",
)
def first_play(lan: Lan) -> None:
    [player] = lan.start(peer("player", [game("css", "fixture-launch")]))
    player.install("css")
    lan.installed_as("css", player, "fixture-launch")
    local = player.root("css") / "local"
    marker = player.state / MARKER
    original = contents(local)
    emulator = original[EMULATOR]
    lan.check.given("the emulator's file has lines with CRLF", emulator.count(b"\r\n") == 4)
    lan.check.true("no marker before", not marker.exists())

    lan.step("first play")
    lan.check.equal("first play", play(player), outcome(written=True))
    stamped = contents(local)
    lan.check.equal("account name", stamped[ACCOUNT].decode().strip(), USER)
    lan.check.equal("language", stamped[LANGUAGE].decode().strip(), TONGUE)
    lan.check.equal(
        "emulator's file: the name is replaced, everything else is as it was",
        stamped[EMULATOR],
        emulator.replace(b"PersonaName = stubplayer", b"PersonaName = " + USER.encode()),
    )
    lan.check.equal("files, none more and none less", sorted(stamped), sorted(original))
    lan.check.true("the marker", marker.is_file())

    lan.step("second play, files reset")
    lan.faults.now("reset the files", lambda: reset(local, original))
    before = stamps(local)
    lan.check.equal("second play", play(player), outcome(written=False))
    lan.check.equal("files after the second play", contents(local), original)
    lan.check.equal("nothing was written, not even the same", stamps(local), before)

    lan.step("reinstall and play")
    player.install("css")
    lan.check.true("no marker after the reinstall", not marker.exists())
    lan.installed_as("css", player, "fixture-launch")
    lan.check.equal("play after the reinstall", play(player), outcome(written=True))
    lan.check.equal("files after that", contents(local), stamped)
    lan.evidence("3 files stamped at the first play, 0 at the second, 3 after a reinstall")


def play(player: Peer) -> dict[str, Any]:
    """Play css and return the fields of the outcome in docs/contract.md section 4."""
    data = player.node.request("play", game_id="css", username=USER, language=TONGUE)
    told = data.get("outcome")
    return (
        {name: told.get(name) for name in outcome(written=True)} if isinstance(told, dict) else {}
    )


def outcome(*, written: bool) -> dict[str, Any]:
    """Return the expected outcome of a first `play`, or of a later one."""
    names = ("account_name_written", "language_written", "persona_name_written")
    return {"already_applied": not written, **dict.fromkeys(names, written)}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder, by relative path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def reset(folder: Path, wanted: dict[str, bytes]) -> None:
    """Write these contents into a folder's files."""
    for path, content in wanted.items():
        (folder / path).write_bytes(content)


def replace(file: Path, other: Path) -> None:
    """Replace a file by a copy of another one, atomically."""
    aside = file.parents[2] / "aside"  # beside the games folder
    shutil.copyfile(other, aside)
    aside.replace(file)
