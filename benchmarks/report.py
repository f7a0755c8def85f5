"""How soon the report of a run can be read in a browser, and its size.

    python -m benchmarks.report [RUN] [--rounds N]

RUN is a run's folder (default: runs/latest). Opens its report.html in a headless Chromium, and then
the scenario with the most lines. Both times end when the page is drawn.

Exit code 0 if both medians and the size are within the targets, 1 if not, 2 without a
report or a browser.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.chromium import PROGRAM, WHY_NOT, Browser, browser
from benchmarks.measuring import parser_of, print_table

TARGET_MS = 2000.0
TARGET_MIB = 10.0
_OPEN_LARGEST = """(async () => {
    const links = [...document.querySelectorAll('script[id^="view-"]')];
    const largest = links.reduce((a, b) => a.textContent.length > b.textContent.length ? a : b);
    const begun = performance.now();
    location.hash = '#/' + JSON.parse(largest.textContent).id;
    await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));
    return performance.now() - begun;
})()"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit code."""
    parser = parser_of("report", __doc__)
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/latest"), metavar="RUN")
    options = parser.parse_args(arguments)
    page = (options.run / "report.html").resolve()
    if not page.exists() or PROGRAM is None:
        print(WHY_NOT if PROGRAM is None else f"There is no {page}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as opened:
        rounds = [
            (whole(opened, page), float(opened.js(_OPEN_LARGEST))) for _ in range(options.rounds)
        ]
    mib = page.stat().st_size / 2**20
    held = mib < TARGET_MIB
    print(f"{page}: {mib:.1f} MiB (target: below {TARGET_MIB:g})\n")
    pages, largest = zip(*rounds, strict=True)
    print_table("until drawn, ms", {"the page": pages, "its largest scenario": largest})
    held = held and all(statistics.median(times) < TARGET_MS for times in (pages, largest))
    print(f"\nThe targets (each below {TARGET_MS:g} ms) are {'held' if held else 'MISSED'}.")
    return 0 if held else 1


def whole(opened: Browser, page: Path) -> float:
    """Open the page and return the milliseconds until it was drawn."""
    opened.open("about:blank")
    opened.open(page.as_uri())
    opened.drawn()
    return float(opened.js("performance.now()"))


if __name__ == "__main__":
    sys.exit(main())
