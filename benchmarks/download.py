"""How fast a download is, beside `curl` from `python -m http.server`.

    python -m benchmarks.download [--mib MIB] [--rounds N] [--folder FOLDER]

Real peers on loopback and the same file for all, in turns; all read from the page cache and write
into the same file system. The peers' time is that from the command to `download-finished`: every
block is checked against the manifest, which curl does not do. There is no target.

Exit code 0, or 2 without curl.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import add_size, in_turns, lan, parser_of, print_rates, timed
from scenarios.lan_spread.games import made_game
from scenarios.lan_spread.peers import Peer
from scenarios.lan_spread.specs import peer

GAME = "bf1942"
DOWNLOAD_S = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit code."""
    parser = parser_of("download", __doc__)
    add_size(parser, "file")
    options = parser.parse_args(arguments)
    if shutil.which("curl") is None:
        print("There is no curl to compare with; install it.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        seconds = measure(Path(folder), options.mib << 20, options.rounds)
    print(f"A file of {options.mib} MiB, {options.rounds} rounds:\n")
    print_rates(options.mib, seconds)
    return 0


def measure(folder: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round, of each way."""
    game = made_game(GAME, size, "benchmark")
    with lan(folder) as made:
        one, two, of_one, of_two = made.start(
            peer("one", [game]), peer("two", [game]), peer("of-one"), peer("of-two")
        )
        of_one.connect(one)
        of_two.connect(one, two)
        with http_server(one.root(GAME)) as url:
            ways = {
                "download from one peer": lambda: download(of_one),
                "download from two peers": lambda: download(of_two),
                "curl from python -m http.server": lambda: by_curl(
                    f"{url}/{GAME}.eti", folder / "fetched"
                ),
            }
            return in_turns(ways, rounds)


def download(client: Peer) -> float:
    """Download the game and remove it again; return the seconds that the former took."""
    seconds = timed(lambda: client.download(GAME, install=False).finished(DOWNLOAD_S))
    client.node.request("remove", game_id=GAME)
    return seconds


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """Serve a folder as Python's own server does; give the address, and end it."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            # Serving HTTP on 127.0.0.1 port 40001 (http://127.0.0.1:40001/) ...
            yield server.stdout.readline().partition("(")[2].partition("/)")[0]
        finally:
            server.terminate()


def by_curl(url: str, target: Path) -> float:
    """Let curl fetch a file and remove that; return the seconds it took."""
    command = ["curl", "--silent", "--fail", "--output", str(target), url]
    seconds = timed(lambda: subprocess.run(command, check=True))
    target.unlink()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
