"""Common parts of the measurements: options, a LAN, turns, what a process has, the table."""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.trial import Trial
from scenarios.families.lan_spread.family import FAMILY as LAN
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.family.family import Family

SMALL = 20.0  # below it, a table has decimals
DOWNLOAD_S = 120.0


def parser_of(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return the parser of ``python -m benchmarks.<name>``, with the number of rounds."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, help="measurements (default: 7)")
    return parser


def add_size(parser: argparse.ArgumentParser, what: str) -> None:
    """Add options for the size of ``what`` is moved, and for the folder."""
    parser.add_argument("--mib", type=int, default=1024, help=f"the {what}'s size (default: 1024)")
    parser.add_argument("--folder", help="where to write (default: the system's for such things)")


def add_out(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option of the folder for the results."""
    parser.add_argument("--out", default=f"runs/{name}", help="(default: %(default)s)")


@contextmanager
def processes(folder: Path, family: Family) -> Iterator[Trial]:
    """Yield what starts nodes of a family as processes; end them afterwards."""
    with (
        closing(ProcessBackend(own_label("benchmark"))) as backend,
        Trial(backend, folder / "log", words=family.words) as trial,
    ):
        yield trial


@contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    """Yield a LAN whose peers are processes with games below ``folder``; end them afterwards."""
    with processes(folder, LAN) as trial, closing(Lan(trial, folder)) as made:
        yield made


def in_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return every round's measurement by method, without a first round that fills caches."""
    found = [{name: way() for name, way in ways.items()} for _ in range(rounds + 1)]
    return {name: [each[name] for each in found[1:]] for name in ways}


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def plain_download(client: Peer, game_id: str) -> float:
    """Download a game and remove it again; return the seconds of the download."""
    seconds = timed(lambda: client.download(game_id, install=False).finished(DOWNLOAD_S))
    client.remove(game_id)
    return seconds


def process_of(state_folder: Path) -> str:
    """Return the process of a node, which is the one that names its state folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # another process has ended meanwhile
            if f"\0{state_folder}\0".encode() in path.read_bytes():
                found.append(path.parent.name)
    [pid] = found
    return pid


def resident(pid: str) -> int:
    """Return the memory that a process has now, in bytes."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def table_of(unit: str, columns: Mapping[str, Sequence[float]]) -> str:
    """Return a row for each name: median, lowest and highest of its numbers."""
    width = max(map(len, [unit, *columns]))
    lines = [
        f"| {unit:{width}} | median | lowest | highest |",
        f"|{'-' * (width + 2)}|-------:|-------:|--------:|",
    ]
    for name, numbers in columns.items():
        middle, low, high = statistics.median(numbers), min(numbers), max(numbers)
        texts = [f"{each:.2f}" if high < SMALL else f"{each:.0f}" for each in (middle, low, high)]
        lines.append(f"| {name:{width}} | {texts[0]:>6} | {texts[1]:>6} | {texts[2]:>7} |")
    return "\n".join(lines)


def print_table(unit: str, columns: Mapping[str, Sequence[float]]) -> None:
    """Print such a table."""
    print(table_of(unit, columns))


def print_rates(mib: int, seconds: Mapping[str, Sequence[float]]) -> None:
    """Print the rates in MiB/s of each method of moving ``mib`` MiB."""
    print_table("MiB/s", {name: [mib / each for each in took] for name, took in seconds.items()})
