"""The history of all runs: how each scenario ended and how long it took, in a small SQLite file.

It orders the next run, tells how much time is left, and shows who is flaky.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

from scenarios.ids import sort_key
from scenarios.results import Outcome, RunInfo, ScenarioResult

HISTORY = Path(".cache") / "history.db"  # below the folder that has runs/
# What counts as "now", and what it is compared with: numbers of passed turns.
RECENT, BEFORE = 5, 20
SHOWN_OUTCOMES = 30
WAIT_FOR_LOCK_S = 10.0
LETTERS: dict[str, str] = {"passed": ".", "failed": "F", "skipped": "s", "unsupported": "u"}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turn (
    run TEXT NOT NULL,
    backend TEXT NOT NULL,
    started REAL NOT NULL,  -- of the run, unix seconds
    scenario TEXT NOT NULL,
    repetition INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    duration_s REAL NOT NULL,
    PRIMARY KEY (run, scenario, repetition)
)
"""


class HistoryError(Exception):
    """The history cannot be read or written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Past:
    """All turns of one scenario on one backend, oldest first."""

    scenario: str
    backend: str
    turns: Sequence[tuple[Outcome, float]]  # and seconds

    @property
    def failed(self) -> int:
        """How many turns failed."""
        return sum(outcome == "failed" for outcome, _ in self.turns)

    @property
    def judged(self) -> int:
        """How many turns passed or failed."""
        return sum(outcome in ("passed", "failed") for outcome, _ in self.turns)

    @property
    def flake_rate(self) -> float:
        """The share of the judged turns that failed."""
        return self.failed / self.judged if self.judged else 0.0

    @property
    def now_s(self) -> float | None:
        """The median duration of the latest passed turns."""
        passed = self._passed()[-RECENT:]
        return median(passed) if passed else None

    @property
    def trend(self) -> float | None:
        """By how much the duration grew against the turns before these (0.1: ten percent)."""
        before = self._passed()[:-RECENT][-BEFORE:]
        return self.now_s / median(before) - 1 if before and self.now_s is not None else None

    def _passed(self) -> list[float]:
        return [seconds for outcome, seconds in self.turns if outcome == "passed"]


def remember(path: Path, info: RunInfo, results: Iterable[ScenarioResult]) -> None:
    """Add the results of a run; raises HistoryError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        (
            info.run_id, info.on, info.started,
            result.id, result.repetition, result.outcome, result.duration_s,
        )
        for result in results
    ]  # fmt: skip
    with _opened(path) as history:
        history.execute(_SCHEMA)
        history.executemany("INSERT OR REPLACE INTO turn VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def read_past(path: Path, backend: str | None = None) -> list[Past]:
    """Return what each scenario did on each backend, or on this one; raises HistoryError."""
    if not path.exists():
        return []
    with _opened(path) as history:
        history.execute(_SCHEMA)
        rows = history.execute(
            "SELECT scenario, backend, outcome, duration_s FROM turn"
            " WHERE ?1 IS NULL OR backend = ?1"
            " ORDER BY scenario, backend, started, repetition",
            (backend,),
        ).fetchall()
    pasts = [
        Past(scenario, of_backend, [(outcome, seconds) for *_, outcome, seconds in turns])
        for (scenario, of_backend), turns in groupby(rows, key=lambda row: (row[0], row[1]))
    ]
    return sorted(pasts, key=lambda past: (sort_key(past.scenario), past.backend))


def read_durations(path: Path, backend: str) -> dict[str, float]:
    """Return what each scenario takes on a backend of late, in seconds; raises HistoryError."""
    pasts = read_past(path, backend)
    return {past.scenario: past.now_s for past in pasts if past.now_s is not None}


def history_lines(pasts: Iterable[Past]) -> list[str]:
    """Return the history as lines of text, one per scenario and backend, under a headline."""
    head = f"{'ID':<5}{'backend':<9}{'turns':>6}{'failed':>8}{'flake rate':>12}"
    lines = [f"{head}{'takes':>10}{'trend':>8}  latest {SHOWN_OUTCOMES}, newest right"]
    for past in pasts:
        takes = "-" if past.now_s is None else f"{past.now_s:.1f} s"
        trend = "-" if past.trend is None else f"{past.trend:+.0%}"
        letters = "".join(LETTERS[outcome] for outcome, _ in past.turns[-SHOWN_OUTCOMES:])
        lines.append(
            f"{past.scenario:<5}{past.backend:<9}{len(past.turns):>6}{past.failed:>8}"
            f"{past.flake_rate:>12.1%}{takes:>10}{trend:>8}  {letters}"
        )
    return lines


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_FOR_LOCK_S)) as history, history:
            yield history
    except sqlite3.Error as error:
        raise HistoryError(
            f"The history of runs, {path}, cannot be used: {error}. "
            "If it is damaged, delete it; the next run begins a new one."
        ) from error
