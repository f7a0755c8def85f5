"""How fast a streamed install of a stored archive is, beside `unrar p -inul ARCHIVE > FILE`.

    python -m benchmarks.streamed_install [--mib MIB] [--rounds N] [--folder FOLDER]

Two real peers on loopback; both ways read the same archive from the page cache and write into the
same file system, in turns. The peers' time is that from the command to `install-finished`: it has
the start of the unpacking helper in it, the check of size and CRC-32, and the commit.

Exit code 0 when the median is at least twice that of unrar, 1 when it is not, 2 without an unrar.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rates import lan, print_rates
from scenarios.lan_spread.games import made_game
from scenarios.lan_spread.peers import Peer
from scenarios.lan_spread.specs import peer

GAME = "bf1942"
TARGET = 2.0
INSTALL_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streamed_install",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mib", type=int, default=1024, help="the archive's size (default: 1024)")
    parser.add_argument("--rounds", type=int, default=7, help="measurements (default: 7)")
    parser.add_argument("--folder", help="where to write (default: the system's for such things)")
    options = parser.parse_args(arguments)
    unrar = shutil.which("unrar")
    if unrar is None:
        print("There is no unrar program to compare with; install one.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        streamed, printed = measure(Path(folder), unrar, options.mib << 20, options.rounds)
    return report(options.mib, streamed, printed)


def measure(folder: Path, unrar: str, size: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of every round: of the streamed install, and of unrar."""
    streamed, printed = [], []
    with lan(folder) as made:
        source, client = made.start(
            peer("source", [made_game(GAME, size, "benchmark")]), peer("client")
        )
        client.connect(source)
        archive = source.root(GAME) / f"{GAME}.eti"
        # The first round of each, which fills the page cache, does not count.
        for number in range(rounds + 1):
            seconds = stream(client), by_unrar(unrar, archive, folder / "printed")
            if number:
                streamed.append(seconds[0])
                printed.append(seconds[1])
    return streamed, printed


def stream(client: Peer) -> float:
    """Stream the game and remove it again; return the seconds that the first took."""
    began = time.monotonic()
    client.stream_install(GAME).window.wait_event(
        "install-finished",
        timeout=INSTALL_S,
        fails_on=["download-failed", "download-peers-gone", "install-failed"],
    )
    seconds = time.monotonic() - began
    client.uninstall(GAME)
    return seconds


def by_unrar(unrar: str, archive: Path, target: Path) -> float:
    """Let unrar print the archive into a file and remove that; return the seconds it took."""
    began = time.monotonic()
    with target.open("wb") as file:
        subprocess.run([unrar, "p", "-inul", str(archive)], stdout=file, check=True)
    seconds = time.monotonic() - began
    target.unlink()
    return seconds


def report(mib: int, streamed: Sequence[float], printed: Sequence[float]) -> int:
    """Print the table; return the exit code."""
    print(f"A stored archive of {mib} MiB, {len(streamed)} rounds:\n")
    ways = {
        "streamed install, peer to peer": streamed,
        "unrar p -inul ARCHIVE > FILE": printed,
    }
    print_rates(mib, ways)
    ratio = statistics.median(printed) / statistics.median(streamed)
    held = ratio >= TARGET
    print(
        f"\nThe streamed install is {ratio:.1f} times as fast (the target of {TARGET:g} times is "
        + ("held)." if held else "MISSED).")
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
