"""How fast a folder is kept in step, beside what people would use instead.

    python -m benchmarks.folder_sync [--mib MIB] [--files N] [--idle N] [--rounds N]
                                     [--folder FOLDER] [--out FOLDER]

Real nodes on loopback, which know each other before anything is measured; in turns with whatever is
installed of Syncthing, Unison and an rsync daemon. For each, a tree of new content is renamed into
the folder of one side, that side is told to look (Unison and rsync are started), and the time ends
when the other side has all of it:

- N files of 4 KiB, in folders of 1,000
- one file of MIB MiB
- one line added to a small file, which nobody is told of: ours, and Syncthing with its own watcher

And of ours alone: the rate of a fetch of such a file, from `fetch-begin` to `fetch-finished`, in
turns with a peer's download of a game of that size, plain and encrypted, as fetches always are; CPU
and memory of a peer at rest with --idle files; and how long a file takes from one peer to ten,
compared with how long it takes to one, when nobody may send more than 16 MiB/s.

Writes folder_sync.json and folder_sync.md into --out. Exit code 0, or 1 if a target is missed: the
files 3 times as fast as Syncthing and as fast as rsync, with and without its --fsync (which has all
on the disk when it says so, as ours does), the large file 0.7 of both downloads, an edit in 300 ms,
at rest below 0.2 % CPU and 100 MiB, ten peers in 1.5 of the time of one.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.compare.host import used
from benchmarks.folder_sync_others import DURABLE_RSYNC, OTHERS, RSYNC, SYNCTHING, Side
from benchmarks.measuring import (
    add_out,
    add_size,
    in_turns,
    lan,
    parser_of,
    plain_download,
    process_of,
    processes,
    resident,
)
from benchmarks.results import Found, Target, write
from scenarios.families.folder_sync.family import FAMILY
from scenarios.families.folder_sync.programs import SYNC_PROGRAM
from scenarios.families.folder_sync.specs import peer
from scenarios.families.folder_sync.sync import Sync
from scenarios.families.lan_spread.games import made_game
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer as game_peer

MIB = 1 << 20
OURS, FETCH = "sync-cli", "sync-cli, a fetch"
DOWNLOAD, ENCRYPTED = "peer-cli, a download", "peer-cli, an encrypted download"
ALONE = "MiB/s, one large file that is hashed"
SMALL, LARGE, EDIT = "s, many small files", "MiB/s, one large file", "ms until an edit is there"
CPU, MEMORY, SWARM = "% CPU at rest", "MiB of memory at rest", "s, one large file to"
TO_ONE, TO_TEN = "one peer", "ten peers"
SMALL_BYTES, PER_FOLDER = 4096, 1000
PAUSE_S = 0.01
REST_S = 30.0
LONG_S = 600.0
LIMIT_MIB, SWARM_MIB, SWARM_PEERS = 16, 64, 10
GAME = "bf1942"

Fill = Callable[[Path], None]  # makes what is moved


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results and return the exit code."""
    parser = parser_of("folder_sync", __doc__)
    add_size(parser, "large file")
    parser.add_argument("--files", type=int, default=10_000, help="small ones (default: 10000)")
    parser.add_argument("--idle", type=int, default=100_000, help="at rest (default: 100000)")
    add_out(parser, "folder_sync")
    options = parser.parse_args(arguments)
    found = Found()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        measure_moves(folder / "moves", options.files, options.mib, options.rounds, found)
        measure_fetch(folder / "fetch", options.mib, options.rounds, found)
        measure_rest(folder / "rest", options.idle, found)
        measure_swarm(folder / "swarm", options.rounds, found)
    about = {"mib": options.mib, "files": options.files, "rounds": options.rounds}
    return write(Path(options.out), "folder_sync", about, found, targets(found))


# --- measuring ------------------------------------------------------------------------------------


def measure_moves(folder: Path, files: int, mib: int, rounds: int, found: Found) -> None:
    """Measure small files, a large one and an edit, each beside those of others."""
    with ExitStack() as stack:
        alpha, bravo = stack.enter_context(started(folder / OURS)).swarm("alpha", "bravo")
        sides = {OURS: Side(alpha.folder, bravo.folder, alpha.scan)}
        for name, other in OTHERS.items():
            with found.told(name):
                sides[name] = other(stack, folder / name)
        ways = {
            name: partial(moved, side, partial(small_files, files)) for name, side in sides.items()
        }
        found.figures[SMALL] = in_turns(ways, rounds)
        ways = {
            name: partial(moved, side, partial(large_file, mib)) for name, side in sides.items()
        }
        took = in_turns(ways, rounds)
        found.figures[LARGE] = {name: [mib / each for each in all_] for name, all_ in took.items()}
        edits = {name: partial(edited, sides[name]) for name in (OURS, SYNCTHING) if name in sides}
        found.figures[EDIT] = in_turns(edits, rounds)


def measure_fetch(folder: Path, mib: int, rounds: int, found: Found) -> None:
    """Measure a fetch of one file, in turns with what LAN peers' downloads take.

    All begin when everything is looked at and hashed, after a file of that size was written.
    """
    with started(folder / OURS) as sync, lan(folder) as made:
        alpha, bravo = sync.swarm("alpha", "bravo")
        source, plain, encrypting = made.start(
            game_peer("source", [made_game(GAME, mib * MIB, "benchmark")]),
            game_peer("plain"),
            game_peer("encrypting", flags=["--encrypt-data"]),
        )
        plain.connect(source)
        encrypting.connect(source)

        def fetch() -> float:
            window = bravo.window()
            moved(Side(alpha.folder, bravo.folder, alpha.scan), partial(large_file, mib))
            began, ended = map(window.wait_event, ("fetch-begin", "fetch-finished"))
            return ended.at - began.at

        def download(client: Peer) -> float:
            filled, _ = put(folder, partial(large_file, mib))
            seconds = plain_download(client, GAME)
            (folder / filled).unlink()
            return seconds

        ways: dict[str, Callable[[], float]] = {
            FETCH: fetch,
            DOWNLOAD: partial(download, plain),
            ENCRYPTED: partial(download, encrypting),
        }
        took = in_turns(ways, rounds)
    found.figures[ALONE] = {name: [mib / each for each in all_] for name, all_ in took.items()}


def measure_rest(folder: Path, files: int, found: Found) -> None:
    """Measure a peer that has nothing to do."""
    with started(folder) as sync:
        alpha, bravo = sync.swarm("alpha", "bravo")
        moved(Side(alpha.folder, bravo.folder, alpha.scan), partial(small_files, files))
        sync.in_step(alpha, bravo, compare=False)
        pid = process_of(bravo.state_folder)
        before = used(pid)[0]
        time.sleep(REST_S)  # the rest itself is what is measured
        found.figures[CPU] = {OURS: [(used(pid)[0] - before) / REST_S * 100]}
        found.figures[MEMORY] = {OURS: [resident(pid) / MIB]}


def measure_swarm(folder: Path, rounds: int, found: Found) -> None:
    """Measure a file from one to one, and from one to ten."""
    limited = ("--upload-limit", f"{LIMIT_MIB}MiB")

    def spread(count: int) -> float:
        with (
            tempfile.TemporaryDirectory(dir=folder) as scratch,
            started(Path(scratch)) as sync,
        ):
            names = [f"peer-{number}" for number in range(1 + count)]
            source, *others = sync.swarm(*(peer(name, {}, *limited) for name in names))
            _, began = put(source.folder, partial(large_file, SWARM_MIB))
            source.scan()
            for other in others:
                other.told("fetch-finished", timeout=LONG_S)
            return time.monotonic() - began

    folder.mkdir()
    ways = {TO_ONE: partial(spread, 1), TO_TEN: partial(spread, SWARM_PEERS)}
    found.figures[SWARM] = in_turns(ways, rounds)


# --- what is moved --------------------------------------------------------------------------------


def moved(side: Side, fill: Fill) -> float:
    """Put a tree into one side; return the seconds until the other side has all of it.

    A large file is deleted again.
    """
    name, began = put(side.source, fill)
    [name] = {path.name for path in side.source.iterdir()} - {
        path.name for path in side.target.iterdir()
    }
    side.carry()
    wanted = files_in(side.source / name)
    while files_in(side.target / name) != wanted:
        time.sleep(PAUSE_S)  # programs of others have no event to wait for
    took = time.monotonic() - began
    if wanted == 1:
        (side.source / name).unlink()
        side.carry()
        while (side.target / name).exists():
            time.sleep(PAUSE_S)
    return took


def put(folder: Path, fill: Fill) -> tuple[str, float]:
    """Make a tree beside a folder and rename it into it; return its name, and when that was."""
    made = folder.with_name(f"new-{time.monotonic_ns()}")
    fill(made)
    os.sync()
    began = time.monotonic()
    made.rename(folder / made.name)
    return made.name, began


def small_files(count: int, made: Path) -> None:
    """Make small files."""
    made.mkdir()
    for number in range(count):
        inner = made / f"{number // PER_FOLDER:03}"
        if number % PER_FOLDER == 0:
            inner.mkdir()
        (inner / f"{number % PER_FOLDER:03}").write_bytes(os.urandom(SMALL_BYTES))


def large_file(mib: int, made: Path) -> None:
    """Make one file."""
    with made.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))


def files_in(path: Path) -> int:
    """Return the number of files of a tree that has been made so."""
    if not path.is_dir():
        return int(path.exists())
    return sum(len(list(os.scandir(inner))) for inner in os.scandir(path))


def edited(side: Side) -> float:
    """Save a small file with one more line; return the milliseconds until the other side has it."""
    name = "notes.txt"
    lines = b"".join(b"line %d\n" % number for number in range(500))
    text = lines + b"%d\n" % time.monotonic_ns()
    beside = side.source.with_name("notes-being-written")
    beside.write_bytes(text)
    began = time.monotonic()
    beside.rename(side.source / name)
    while not ((side.target / name).exists() and (side.target / name).read_bytes() == text):
        time.sleep(0.001)  # programs of others have no event to wait for
    return (time.monotonic() - began) * 1000


# --- ours -----------------------------------------------------------------------------------------


@contextmanager
def started(folder: Path) -> Iterator[Sync]:
    """Yield what starts trackers and peers as processes; end them afterwards."""
    with processes(folder, FAMILY) as trial:
        yield Sync(trial, folder / "work", SYNC_PROGRAM.program(), full_length=False)


# --- what it comes to -----------------------------------------------------------------------------


def targets(found: Found) -> list[Target]:
    """Return what is aimed at, as far as it was measured."""
    small, alone = found.medians(SMALL), found.medians(ALONE)
    swarm = found.medians(SWARM)
    met = [
        Target(f"{name} takes, of our time, for small files", small[name] / small[OURS], least)
        for name, least in ((SYNCTHING, 3.0), (RSYNC, 1.0), (DURABLE_RSYNC, 1.0))
        if name in small
    ]
    return [
        *met,
        *(
            Target(f"a fetch, of the rate of {name}", alone[FETCH] / alone[name], 0.7)
            for name in (DOWNLOAD, ENCRYPTED)
        ),
        Target(EDIT, found.medians(EDIT)[OURS], 300, most=True),
        Target(CPU, found.medians(CPU)[OURS], 0.2, most=True),
        Target(MEMORY, found.medians(MEMORY)[OURS], 100, most=True),
        Target("to ten peers, of the time to one", swarm[TO_TEN] / swarm[TO_ONE], 1.5, most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
