"""How much a flood from one stranger slows down an honest download from the same peer.

    python -m benchmarks.floods [--mib MIB] [--rounds N] [--folder FOLDER]

For each flood: the seconds of a download with and without it, in turns; the peak memory of the
flooded peer; and how long after the flood its transfers are gone. Everything runs on one machine,
so the cost of the stranger's own program is included. The targets are a factor of 1.2, 128 MiB and
15 s.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.compare.host import peak_of
from benchmarks.measuring import add_size, in_turns, lan, parser_of, plain_download, process_of
from scenarios.families.lan_spread.games import catalog_version, made_game
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

GAME = "bf1942"
FLOODS = ("slow-readers", "redeems", "ranges", "tickets")
STRANGER = "127.88.0.2"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit code."""
    parser = parser_of("floods", __doc__)
    add_size(parser, "file")
    options = parser.parse_args(arguments)
    print("| flood        | alone s | beside it s | times | memory MiB | gone after s |")
    print("|--------------|--------:|------------:|------:|-----------:|-------------:|")
    for flood in FLOODS:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(measure(Path(folder), options.mib << 20, options.rounds, flood), flush=True)
    return 0


def measure(folder: Path, size: int, rounds: int, flood: str) -> str:
    """Return a flood's row in the table."""
    with lan(folder) as made:
        source, client = made.start(
            peer("source", [made_game(GAME, size, "benchmark")]), peer("client")
        )
        client.connect(source)
        gone: list[float] = []

        def beside() -> float:
            with flooded(source, flood):
                seconds = plain_download(client, GAME)
            gone.append(seconds_until_gone(source))
            return seconds

        took = in_turns({"alone": lambda: plain_download(client, GAME), "beside": beside}, rounds)
        alone, flooded_s = (statistics.median(took[name]) for name in ("alone", "beside"))
        memory = peak_of(process_of(source.state))
    return (
        f"| {flood:12} | {alone:7.2f} | {flooded_s:11.2f} | {flooded_s / alone:5.2f} "
        f"| {memory >> 20:10} | {max(gone):12.1f} |"
    )


@contextmanager
def flooded(source: Peer, flood: str) -> Iterator[None]:
    """Flood a peer during the block."""
    archive = source.root(GAME) / f"{GAME}.eti"
    command = [
        sys.executable, "-m", "benchmarks.flooder", flood, STRANGER, source.addr, GAME,
        catalog_version(GAME), archive.name, str(archive.stat().st_size),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        try:
            stranger.stdout.readline()
            yield
        finally:
            stranger.kill()


def seconds_until_gone(source: Peer) -> float:
    """Return how long it takes until a peer has no outgoing transfers."""
    began = time.monotonic()
    while source.status()["active_outbound_transfers"]:
        time.sleep(0.1)  # between two queries, because there is no event for this
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
