"""The progress view: lines at the foot of a terminal that show what runs, below the results."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scenarios.core.printable import printable
from scenarios.family.discovery import Turn
from scenarios.results.results import Outcome
from scenarios.terminal.underway import Underway, time_left

REFRESHES_PER_S = 4
COLOURS: Mapping[Outcome, str] = {
    "passed": "green",
    "failed": "red",
    "skipped": "yellow",
    "unsupported": "yellow",
}


@contextmanager
def open_console(*, colour: bool) -> Iterator[Console]:
    """Provide a console on this process's stdout, even while pytest captures it.

    It has no colours on request, if NO_COLOR is set, and unless it is a terminal.
    """
    plain = not colour or bool(os.environ.get("NO_COLOR"))
    with os.fdopen(
        os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors
    ) as out:
        yield Console(file=out, color_system=None if plain else "auto", highlight=False)


def can_show(console: Console) -> bool:
    """Whether lines can be redrawn: only on a capable terminal."""
    # Not is_terminal, which FORCE_COLOR makes true for a CI log.
    return console.file.isatty() and not console.is_dumb_terminal


class View:
    """The view; shown from enter to exit, or until it is stopped."""

    def __init__(
        self, console: Console, turns: Sequence[Turn], durations: Mapping[str, float], jobs: int
    ) -> None:
        self._waiting = list(turns)
        self._durations = durations
        self._jobs = jobs
        self._total = len(turns)
        self._running: dict[Turn, Underway] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self._began = time.monotonic()
        self._lock = threading.Lock()  # a thread of rich draws the view
        self._live = Live(
            console=console,
            get_renderable=self.picture,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "View":
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the lines and restore the cursor. Idempotent."""
        self._live.stop()

    def begins(self, turn: Turn, folder: Path) -> None:
        """Show a turn as running."""
        info, moves = turn.found.info, turn.found.family.story.moves
        expected_s = self._durations.get(info.id)
        with self._lock:
            self._waiting.remove(turn)
            self._running[turn] = Underway(info.id, info.name, folder, moves, expected_s)

    def ended(self, turn: Turn, outcome: Outcome) -> None:
        """Count a turn as done."""
        with self._lock:
            self._running.pop(turn, None)
            self._outcomes[outcome] += 1

    def picture(self) -> RenderableType:
        """Render the current state."""
        with self._lock:
            running = list(self._running.values())
            waiting = list(self._waiting)
            outcomes = self._outcomes.copy()
        now = time.monotonic()
        for each in running:
            each.refresh()
        left = time_left(
            [(self._durations.get(one.found.info.id), one.found.info.measures) for one in waiting],
            [(each.expected_s, now - each.began) for each in running],
            self._jobs,
        )
        return Group(_running_rows(running, now), self._summary(outcomes, now - self._began, left))

    def _summary(self, outcomes: Mapping[Outcome, int], took: float, left: float | None) -> Text:
        text = Text(f"{sum(outcomes.values())} of {self._total}", no_wrap=True, overflow="ellipsis")
        for outcome in COLOURS:
            if outcomes[outcome]:
                text.append(f", {outcomes[outcome]} {outcome}", COLOURS[outcome])
        text.append(f" in {clock(took)}")
        if left is not None and left >= 1:
            text.append(f", about {clock(left)} left")
        return text


def _running_rows(running: Sequence[Underway], now: float) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for justify, ratio in (("left", None), ("left", 2), ("right", None), ("right", None)):
        table.add_column(justify=justify, ratio=ratio, no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    for each in running:
        nodes = len(each.alive)
        step = f"{each.step}: " if each.step and each.step != each.doing else ""
        table.add_row(
            each.id,
            each.name,
            f"{now - each.began:.0f} s",
            f"{nodes} node{'' if nodes == 1 else 's'} {_moving(each)}",
            printable(f"{step}{each.doing}"),
        )
    return table


def _moving(each: Underway) -> str:
    if each.bytes_per_second:
        return f"{each.bytes_per_second / 2**20:.1f} MiB/s"
    return f"{each.bytes_moved / 2**20:.1f} MiB" if each.bytes_moved else ""


def clock(seconds: float) -> str:
    """Format a duration as minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
