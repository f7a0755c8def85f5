"""The history of all runs: how each scenario ended and how long it took, in a small SQLite file.

It orders the next run, estimates the remaining time, and shows flaky scenarios.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

from scenarios.family.ids import sort_key
from scenarios.results.results import RunResults

HISTORY = Path(".cache") / "history.db"  # beside runs/
# How many passed turns count as "now", and how many before them are the baseline.
RECENT, BEFORE = 5, 20
SHOWN_OUTCOMES = 30
WAIT_FOR_LOCK_S = 10.0
CUT_OFF = "cut off"
LETTERS: dict[str, str] = {
    "passed": ".", "failed": "F", "skipped": "s", "unsupported": "u", CUT_OFF: "x",
}  # fmt: skip

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turn (
    run TEXT NOT NULL,
    backend TEXT NOT NULL,
    started REAL NOT NULL,  -- of the run, unix seconds
    scenario TEXT NOT NULL,
    repetition INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    duration_s REAL NOT NULL,
    work_bytes INTEGER NOT NULL DEFAULT 0,  -- of disk
    PRIMARY KEY (run, scenario, repetition)
)
"""
_PAIRS_SCHEMA = """
CREATE TABLE IF NOT EXISTS pair (
    pair TEXT PRIMARY KEY,  -- of a mutant and a scenario
    duration_s REAL NOT NULL  -- the latest
)
"""


class HistoryError(Exception):
    """The history is unreadable or not writable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Past:
    """All turns of one scenario on one backend, oldest first."""

    scenario: str
    backend: str
    turns: Sequence[tuple[str, float]]  # an outcome, or CUT_OFF, and seconds

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


def remember(path: Path, run: RunResults) -> None:
    """Add the results of a run and its cut-off turns. Raises HistoryError."""
    turns: list[tuple[str, int, str, float, int]] = [
        (one.id, one.repetition, one.outcome, one.duration_s, one.work_bytes)
        for one in run.scenarios
    ]
    for turn in run.cut_off:
        scenario_id, _, repetition = turn.partition("/")
        turns.append((scenario_id, int(repetition or 1), CUT_OFF, 0.0, 0))
    rows = [(run.run_id, run.on, run.started, *turn) for turn in turns]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(f"The history cannot be kept in {path.parent}: {error}.") from error
    with _opened(path) as history:
        history.executemany("INSERT OR REPLACE INTO turn VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def read_past(path: Path, backend: str | None = None) -> list[Past]:
    """Return each scenario's turns on each backend, or on one. Raises HistoryError."""
    if not path.exists():
        return []
    with _opened(path) as history:
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
    """Return each scenario's recent duration on a backend, in seconds. Raises HistoryError."""
    pasts = read_past(path, backend)
    return {past.scenario: past.now_s for past in pasts if past.now_s is not None}


def read_pair_durations(path: Path) -> dict[str, float]:
    """Return each audit pair's last duration, in seconds. Raises HistoryError."""
    if not path.exists():
        return {}
    with _opened(path) as history:
        history.execute(_PAIRS_SCHEMA)
        return dict(history.execute("SELECT pair, duration_s FROM pair").fetchall())


def remember_pairs(path: Path, durations: Mapping[str, float]) -> None:
    """Add the durations of an audit's pairs, in seconds. Raises HistoryError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as history:
        history.execute(_PAIRS_SCHEMA)
        history.executemany("INSERT OR REPLACE INTO pair VALUES (?, ?)", durations.items())


def read_work(path: Path, backend: str) -> dict[str, int]:
    """Return each scenario's maximal disk use on a backend, in bytes. Raises HistoryError."""
    if not path.exists():
        return {}
    with _opened(path) as history:
        return dict(
            history.execute(
                "SELECT scenario, max(work_bytes) FROM turn WHERE backend = ? GROUP BY scenario",
                (backend,),
            )
        )


def history_lines(pasts: Iterable[Past]) -> list[str]:
    """Format the history: a header, then one line per scenario and backend."""
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
            history.execute(_SCHEMA)
            columns = [row[1] for row in history.execute("PRAGMA table_info(turn)")]
            if "work_bytes" not in columns:  # a file from an older version
                history.execute("ALTER TABLE turn ADD work_bytes INTEGER NOT NULL DEFAULT 0")
            yield history
    except sqlite3.Error as error:
        raise HistoryError(
            f"The history of runs, {path}, cannot be used: {error}. "
            "If it is damaged, delete it; the next run begins a new one."
        ) from error
