"""How quickly peers start and meet, and how well a download uses sources of different rates.

    python -m benchmarks.peers [--gib GIB] [--peers N] [--mib MIB] [--rounds N]
                               [--folder FOLDER] [--out FOLDER]

All as processes of one machine, from the moment at which a process is started:

- until `local-peer-ready`, with no games, and with a game of GIB GiB (a sparse file)
- until the reply to a `status` that is written at once

Then a mesh of N peers, each connected to each: how long until all know all, how long a new game of
one takes to reach the others, and the memory of a peer; once, not in rounds. And a download of MIB
MiB from two sources that may send 400 and 100 MiB/s.

Writes peers.json and peers.md into --out. Exit code 0, or 1 if a target is missed: ready in 80 ms,
with the large game in 300 ms, the reply in 120 ms; the mesh in 20 s, the news in 2 s, 35 MiB each
(meant for --peers 100); 0.95 of the 500 MiB/s.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import (
    add_out,
    add_size,
    in_turns,
    lan,
    parser_of,
    process_of,
    resident,
    timed,
)
from benchmarks.results import Found, Target, write
from scenarios.families.lan_spread.fixtures import catalog_path
from scenarios.families.lan_spread.games import catalog_version, made_game
from scenarios.families.lan_spread.specs import PEER, peer

MIB, GIB = 1 << 20, 1 << 30
GAME = "bf1942"
EMPTY, LARGE, ANSWER = "ms until ready", "ms until ready, with a large game", "ms until a reply"
MET, NEWS, MEMORY = "s until all know all", "s until a new game is known", "MiB of memory of a peer"
LIMITS = (400, 100)  # MiB/s
RATE = "MiB/s from sources of 400 and 100 MiB/s"
OURS = "peer-cli"
LONG_S = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables and return the exit code."""
    parser = parser_of("peers", __doc__)
    parser.add_argument("--gib", type=int, default=200, help="the large game (default: 200)")
    parser.add_argument("--peers", type=int, default=20, help="in the mesh (default: 20)")
    add_size(parser, "download")
    add_out(parser, "peers")
    options = parser.parse_args(arguments)
    found = Found()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        measure_start(folder / "start", options.gib * GIB, options.rounds, found)
        measure_mesh(folder / "mesh", options.peers, found)
        measure_limited(folder / "limited", options.mib, options.rounds, found)
    about = {name: getattr(options, name) for name in ("gib", "peers", "mib", "rounds")}
    return write(Path(options.out), "peers", about, found, targets(found))


# --- measuring ------------------------------------------------------------------------------------


def measure_start(folder: Path, size: int, rounds: int, found: Found) -> None:
    """Measure the start of a peer, with a state folder of an earlier start."""
    with_game = folder / "large"
    root = with_game / "games" / GAME
    root.mkdir(parents=True)
    (root / "version.ini").write_text(catalog_version(GAME), encoding="utf-8")
    with (root / f"{GAME}.eti").open("wb") as archive:
        archive.truncate(size)
    (folder / "empty/games").mkdir(parents=True)
    # The first round makes the state folders.
    turns = [(*started(folder / "empty"), started(with_game)[0]) for _ in range(rounds + 1)][1:]
    for unit, took in zip((EMPTY, ANSWER, LARGE), zip(*turns, strict=True), strict=True):
        found.figures[unit] = {OURS: list(took)}


def started(folder: Path) -> tuple[float, float]:
    """Start a peer and end it; return the milliseconds until it is ready and until its reply.

    Raises RuntimeError if either does not come.
    """
    argv = [
        *map(str, PEER.command),
        *("--games-dir", str(folder / "games"), "--state-dir", str(folder / "state")),
        *("--catalog-db", str(catalog_path()), "--listen", "127.0.0.1"),
    ]
    began = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        node.stdin.write('{"cmd": "status", "id": 1}\n')
        node.stdin.flush()
        ready = reply = 0.0
        for line in node.stdout:
            told = json.loads(line)
            if told.get("event") == "local-peer-ready":
                ready = time.monotonic() - began
            elif told["type"] == "result":
                reply = time.monotonic() - began
                node.stdin.close()  # it ends
    if not ready or not reply:
        raise RuntimeError(f"the peer did not start, or did not reply: exit code {node.returncode}")
    return ready * 1000, reply * 1000


def measure_mesh(folder: Path, count: int, found: Found) -> None:
    """Measure how peers that each connect to each meet, and hear of a game."""
    with lan(folder) as made:
        peers = made.start(*(peer(f"peer-{number}") for number in range(count)))

        def meet() -> None:
            for distance in range(1, count // 2 + 1):  # in a ring, all peers at once
                pairs = {frozenset((at, (at + distance) % count)) for at in range(count)}
                replies = [
                    peers[one].node.send("connect", addr=peers[other].addr)
                    for one, other in map(sorted, pairs)
                ]
                for reply in replies:
                    reply.data(LONG_S)
            for one in peers:
                one.node.request("wait-peers", count=count - 1, timeout_ms=60_000, timeout=LONG_S)

        found.figures[MET] = {OURS: [timed(meet)]}
        first, *others = peers
        windows = [one.window() for one in others]

        def tell() -> None:
            made_game(GAME, MIB, "benchmark").put_into(first.games)
            for window in windows:
                window.wait_event(
                    "remote-library-changed", peer_id=first.peer_id, game_count=1, timeout=LONG_S
                )

        found.figures[NEWS] = {OURS: [timed(tell)]}
        memory = [resident(process_of(one.state)) / MIB for one in peers]
        found.figures[MEMORY] = {OURS: [statistics.median(memory)]}


def measure_limited(folder: Path, mib: int, rounds: int, found: Found) -> None:
    """Measure a download from two sources, of which one is fast."""
    game = made_game(GAME, mib * MIB, "benchmark")
    with lan(folder) as made:
        *sources, client = made.start(
            *(peer(f"source-{limit}", [game], upload_limit=f"{limit}MiB") for limit in LIMITS),
            peer("client"),
        )
        client.connect(*sources)

        def download() -> float:
            window = client.download(GAME, install=False).window
            told = window.wait_event(
                "download-finished", timeout=LONG_S, fails_on=["download-failed"]
            )
            client.remove(GAME)
            return float(told.data["throughput"]["mib_per_s"])

        found.figures[RATE] = in_turns({OURS: download}, rounds)


# --- what it comes to -----------------------------------------------------------------------------


def targets(found: Found) -> list[Target]:
    """Return what is aimed at."""
    most = ((EMPTY, 80), (LARGE, 300), (ANSWER, 120), (MET, 20), (NEWS, 2), (MEMORY, 35))
    return [
        *(Target(unit, found.medians(unit)[OURS], wanted, most=True) for unit, wanted in most),
        Target(RATE, found.medians(RATE)[OURS], 0.95 * sum(LIMITS)),
    ]


if __name__ == "__main__":
    sys.exit(main())
