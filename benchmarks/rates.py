"""What the measurements of peers share: a LAN to measure in, and the table of what came out."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from scenarios.core.backends.process import ProcessBackend
from scenarios.core.label import own_label
from scenarios.core.session import Session
from scenarios.lan_spread.lan import Lan


@contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    """Give a LAN whose peers are processes with their games below ``folder``; end them."""
    backend = ProcessBackend(own_label("benchmark"))
    with closing(backend), Session(backend, folder / "log") as session:
        made = Lan(session, folder)
        with closing(made):
            yield made


def print_rates(mib: int, seconds: Mapping[str, Sequence[float]]) -> None:
    """Print a row for each way of moving ``mib`` MiB: its rates in MiB/s."""
    width = max(map(len, seconds))
    print(f"| {'MiB/s':{width}} | median | lowest | highest |")
    print(f"|{'-' * (width + 2)}|-------:|-------:|--------:|")
    for name, rounds in seconds.items():
        rates = [mib / each for each in rounds]
        print(
            f"| {name:{width}} | {statistics.median(rates):6.0f} "
            f"| {min(rates):6.0f} | {max(rates):7.0f} |"
        )
