"""Games with unusual files, and with many: S63."""

# ruff: noqa: D103 - the decorator says what a scenario proves

import itertools
from pathlib import Path

from scenarios.core.scenario import scenario
from scenarios.families.lan_spread.games import File, Thing, catalog_version
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.specs import peer

MANY = 5_000
BLOCK = 4 << 20
FINISHES_WITHIN_S = 90.0
# Some file systems treat these names as equal; this game needs one that does not.
TWINS = ("Twins/a.bin", "twins/a.bin", "caf\u00e9", "cafe\u0301")
NAMES = (
    *TWINS,
    "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb.dat",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629.txt",
    "\U0001f3ae/\U0001f468\u200d\U0001f469\u200d\U0001f467.png",
    " leading and trailing ",
    "...",
    "-rf",
    "*?<>|\"'$(id)",
    "%2e%2e/%2f",
    "x" * 255,
    "\u00e9" * 127,
    "/".join(str(depth) for depth in range(64)) + "/deep",
    "sub/version.ini",
    "sub/local/x",
)
EMPTY = ("empty", "folder/empty", "z-empty")
LONG = {"two blocks.bin": 2 * BLOCK, "two blocks and a byte.bin": 2 * BLOCK + 1}
RUN = ("run.sh", "bin/server.x86_64")
# Times that a copy does not get by accident: the first is before FAT's epoch, the last has
# nanoseconds.
TIMES = (1, 10**18, 1_600_000_000_123_456_789)


def odd_game(game_id: str) -> list[Thing]:
    """Return every file of the game."""
    times = itertools.cycle(TIMES)
    plain = {
        **{name: name.encode() for name in NAMES},
        **dict.fromkeys(EMPTY, b""),
        **{name: bytes(range(251)) * (size // 251 + 1) for name, size in LONG.items()},
        **{f"many/{n // 100:02}/{n}.txt": f"{n}\n".encode() for n in range(MANY)},
    }
    plain |= {name: plain[name][:size] for name, size in LONG.items()}
    files: list[Thing] = [
        File(f"{game_id}/{name}", content, modified=next(times)) for name, content in plain.items()
    ]
    files += [
        File(f"{game_id}/{name}", b"#!/bin/sh\n", executable=True, modified=next(times))
        for name in RUN
    ]
    version = f"{catalog_version(game_id)}\n".encode()
    return [*files, File(f"{game_id}/version.ini", version, modified=TIMES[0])]


def runs(root: Path) -> set[str]:
    """Return the files that are executable by their owner."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)) for path in files if path.stat().st_mode & 0o100}


def times(root: Path) -> dict[str, int]:
    """Return the modification time of each file."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in files}


@scenario(
    "S63",
    name="Odd files",
    proves=f"A game of {MANY} small files: names in many scripts, both Unicode normal forms and "
    "two cases, 255 bytes long and 64 folders deep; empty files and files that end at a block: "
    "everything arrives, byte for byte, with executable bits and times, in one chunk per file; "
    "the copy agrees with the original when a third peer downloads from both",
    timeout_s=240,  # two downloads may take FINISHES_WITHIN_S each
)
def odd_files(lan: Lan) -> None:
    source, client, third = lan.start(
        peer("source", odd_game("coh")), peer("client"), peer("third")
    )
    client.connect(source)
    download = client.download("coh", install=False)
    download.finished(timeout=FINISHES_WITHIN_S)
    lan.same_game("coh", client, source)
    files = [path for path in source.root("coh").rglob("*") if path.is_file()]
    lan.check.equal("chunks", len(download.chunks()), len(files))
    lan.check.equal("what may be executed", runs(client.root("coh")), set(RUN))
    lan.check.equal("times", times(client.root("coh")), times(source.root("coh")))

    # If the copy differed, these two sources would give `ambiguous-metadata`.
    third.connect(source, client)
    again = third.download("coh", install=False)
    again.finished(timeout=FINISHES_WITHIN_S)
    lan.evidence(f"{download.told()}; then {again.told()} from both")
