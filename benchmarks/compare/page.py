"""The results of a comparison as JSON, as a table, and as a chart. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape

from benchmarks.measuring import SMALL

BAR_WIDTH, ROW, LABELS = 460, 26, 190
OURS = "peer"


@dataclass(frozen=True, slots=True)
class Sample:
    """One transfer; ``mib_per_s`` by the clock of whoever waits, CPU of both ends."""

    mib_per_s: float
    cpu_s_per_gib: float
    peak_mib: float  # of the larger end
    throughput: float | None = None  # as the peer says it, without agreement and commit


@dataclass(frozen=True, slots=True)
class Result:
    """One way's samples on one backend; ``failed`` says why there are none."""

    name: str
    backend: str
    note: str
    samples: tuple[Sample, ...] = ()
    first_byte_ms: float | None = None  # a file of one byte, from the command to the end
    failed: str = ""

    def median(self) -> float:
        """Return the median rate in MiB/s."""
        return statistics.median(sample.mib_per_s for sample in self.samples)


def as_json(about: Mapping[str, object], results: Sequence[Result]) -> dict[str, object]:
    """Return everything that was measured."""
    return {**about, "results": [asdict(result) for result in results]}


def table(results: Sequence[Result]) -> str:
    """Return the table as Markdown, a section per backend."""
    lines = []
    for backend in dict.fromkeys(result.backend for result in results):
        lines += [
            "",
            f"| {backend} | MiB/s | lowest to highest | CPU s/GiB | peak MiB | first byte | |",
            "|---|---:|---:|---:|---:|---:|---|",
        ]
        lines += [_row(result) for result in results if result.backend == backend]
    return "\n".join(lines[1:]) + "\n"


def _row(result: Result) -> str:
    if not result.samples:
        return f"| {result.name} | | | | | | {result.failed} |"
    rates = [sample.mib_per_s for sample in result.samples]
    cpu = statistics.median(sample.cpu_s_per_gib for sample in result.samples)
    peak = max(sample.peak_mib for sample in result.samples)
    first = "" if result.first_byte_ms is None else f"{result.first_byte_ms:.0f} ms"
    form = ".0f" if max(rates) >= SMALL else ".1f"
    told = [sample.throughput for sample in result.samples if sample.throughput is not None]
    note = result.note
    if told:
        note += f"; `throughput` {statistics.median(told):.0f}"
    return (
        f"| {result.name} | {result.median():{form}} | {min(rates):{form}} to {max(rates):{form}} "
        f"| {cpu:.2f} | {peak:.0f} | {first} | {note} |"
    )


def chart(results: Sequence[Result], title: str) -> str:
    """Return a bar chart of the medians as SVG."""
    shown = [result for result in results if result.samples]
    most = max((result.median() for result in shown), default=1.0)
    height = ROW * (len(shown) + 1) + 8
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" height="{height}"',
        f' width="{LABELS + BAR_WIDTH + 70}" font-family="sans-serif" font-size="13">',
        f'<rect width="100%" height="100%" fill="#fff"/><text x="8" y="18">{escape(title)}</text>',
    ]
    for number, result in enumerate(shown, 1):
        y, width = ROW * number + 4, BAR_WIDTH * result.median() / most
        colour = "#2a6fdb" if result.name.startswith(OURS) else "#9aa4b2"
        rows.append(
            f'<text x="{LABELS - 8}" y="{y + 15}" text-anchor="end">{escape(result.name)}</text>'
            f'<rect x="{LABELS}" y="{y}" width="{width:.0f}" height="{ROW - 8}" fill="{colour}"/>'
            f'<text x="{LABELS + width + 6:.0f}" y="{y + 15}">{result.median():.0f}</text>'
        )
    return "\n".join([*rows, "</svg>"]) + "\n"
