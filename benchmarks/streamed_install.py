"""How fast a streamed install of a stored archive is, compared with a plain download and `unrar p`.

    python -m benchmarks.streamed_install [--mib MIB] [--rounds N] [--folder FOLDER]

Two real peers on loopback. All methods read the same archive from the page cache and write to the
same file system, in turns. The peers' time is from the command to `install-finished`. It includes
the start of the unpacking helper, the check of size and CRC-32, and the commit.

The targets are 0.8 of the plain download, and three times unrar. Exit code 0, or 2 without unrar.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import (
    add_size,
    in_turns,
    lan,
    parser_of,
    plain_download,
    print_rates,
    timed,
)
from scenarios.families.lan_spread.games import made_game
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

GAME = "bf1942"
STREAMED = "streamed install, peer to peer"
PLAIN = "plain download, peer to peer"
PRINTED = "unrar p -inul ARCHIVE > FILE"
INSTALL_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit code."""
    parser = parser_of("streamed_install", __doc__)
    add_size(parser, "archive")
    options = parser.parse_args(arguments)
    unrar = shutil.which("unrar")
    if unrar is None:
        print("There is no unrar program to compare with; install one.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        seconds = measure(Path(folder), unrar, options.mib << 20, options.rounds)
    report(options.mib, seconds)
    return 0


def measure(folder: Path, unrar: str, size: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round, by method."""
    with lan(folder) as made:
        source, client = made.start(
            peer("source", [made_game(GAME, size, "benchmark")]), peer("client")
        )
        client.connect(source)
        archive = source.root(GAME) / f"{GAME}.eti"
        ways = {
            STREAMED: lambda: stream(client),
            PLAIN: lambda: plain_download(client, GAME),
            PRINTED: lambda: by_unrar(unrar, archive, folder / "printed"),
        }
        return in_turns(ways, rounds)


def stream(client: Peer) -> float:
    """Stream the game and remove it again; return the seconds of the install."""
    seconds = timed(
        lambda: client.stream_install(GAME).window.wait_event(
            "install-finished",
            timeout=INSTALL_S,
            fails_on=["download-failed", "download-peers-gone", "install-failed"],
        )
    )
    client.uninstall(GAME)
    return seconds


def by_unrar(unrar: str, archive: Path, target: Path) -> float:
    """Print the archive into a file with unrar and remove it; return unrar's seconds."""
    command = [unrar, "p", "-inul", str(archive)]
    with target.open("wb") as file:
        seconds = timed(lambda: subprocess.run(command, stdout=file, check=True))
    target.unlink()
    return seconds


def report(mib: int, seconds: Mapping[str, Sequence[float]]) -> None:
    """Print the table."""
    print(f"A stored archive of {mib} MiB, {len(seconds[STREAMED])} rounds:\n")
    print_rates(mib, seconds)
    middle = {name: statistics.median(took) for name, took in seconds.items()}
    plain, printed = (middle[way] / middle[STREAMED] for way in (PLAIN, PRINTED))
    print(f"\nThe streamed install is {plain:.2f} times as fast as a plain download, and")
    print(f"{printed:.2f} times as fast as unrar.")


if __name__ == "__main__":
    sys.exit(main())
