"""The results of a run: its folder, results.json, and the outcome that they amount to.

The outcome is the same for terminal, exit code, report, summary and run log.
"""

import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from scenarios.core.errors import Cause

Outcome = Literal["passed", "failed", "skipped", "unsupported"]
# How a run ended: completely; at the first failure, as requested; by a signal; not yet.
RunEnd = Literal["finished", "stopped", "interrupted", "underway"]

RunVerdict: TypeAlias = Literal["passed", "failed", "interrupted"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
NAMED = 10  # at most so many cut-off turns are named

DEFAULT_SEED = 1
REPORT, TRACE = "report.html", "trace.json"
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The result of one turn of a scenario.

    ``failure`` is a text; ``folder`` is relative to the run's.
    """

    id: str
    name: str
    outcome: Outcome
    duration_s: float
    evidence: str = ""
    proves: str = ""
    failure: str = ""
    cause: Cause | None = None  # of a failure
    reason: str = ""
    folder: str = ""
    repetition: int = 1
    work_bytes: int = 0  # disk usage of the nodes' folders


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The data of a run at its start; ``started`` is in Unix seconds."""

    run_id: str
    backend: str
    seed: int
    versions: Mapping[str, str]
    started: float = field(default_factory=time.time)
    peer: str = ""  # the options that name foreign programs, if any are under test
    command: str = ""  # the command line
    commit: str = ""  # of this project; empty if git cannot tell
    dirty: bool = False  # whether files differed from that commit
    full: bool = False  # all scenarios were selected
    full_length: bool = False  # none was shortened

    @property
    def on(self) -> str:
        """The backend and the foreign programs, if any, on which durations depend."""
        return f"{self.backend} {self.peer}".rstrip()


@dataclass(frozen=True, slots=True)
class RunResults(RunInfo):
    """The content of results.json. Cut-off and not begun turns are named like S7, or S7/2."""

    duration_s: float = 0.0
    scenarios: list[ScenarioResult] = field(default_factory=list)
    ended: RunEnd = "finished"
    cut_off: list[str] = field(default_factory=list)
    not_begun: list[str] = field(default_factory=list)


class RunFolderError(Exception):
    """A run's folder cannot be created; the message says why and what to do."""


class NoResultsError(Exception):
    """The folder has no results of a run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run passed only if it ran everything that was requested."""

    verdict: RunVerdict
    text: str  # such as "interrupted: 2 passed, 1 cut off (S20), 1 not begun"


def run_outcome(run: RunResults) -> RunOutcome:
    """Return the outcome of a run."""
    failed = any(row.outcome == "failed" for row in run.scenarios)
    unfinished = bool(run.cut_off or run.not_begun)
    verdict: RunVerdict = "passed"
    if run.ended in ("interrupted", "underway"):
        verdict = "interrupted"
    elif failed or unfinished:
        verdict = "failed"
    said = {
        "underway": "; it still runs, or its runner was killed",
        "stopped": "; ended at the first failure, as asked",
    }.get(run.ended, "")
    if run.ended == "finished" and unfinished:
        said = "; the runner broke off"
    return RunOutcome(verdict, f"{verdict}: {tally(run)}{said}")


def tally(run: RunResults) -> str:
    """Count a run's turns by outcome, such as "46 passed, 1 failed, 2 not begun"."""
    parts = [counts(run.scenarios)] if run.scenarios else []
    if died := sum(row.cause == "worker-died" for row in run.scenarios):
        parts[-1] += f" ({died} by the death of a worker)"
    if run.cut_off:
        more = ", …" if len(run.cut_off) > NAMED else ""
        parts.append(f"{len(run.cut_off)} cut off ({', '.join(run.cut_off[:NAMED])}{more})")
    if run.not_begun:
        parts.append(f"{len(run.not_begun)} not begun")
    return ", ".join(parts) or "nothing ran"


def counts(rows: Sequence[ScenarioResult]) -> str:
    """Count results by outcome, such as "46 passed, 1 failed"."""
    found = Counter(row.outcome for row in rows)
    return ", ".join(f"{found[each]} {each}" for each in OUTCOMES if found[each])


def under_test(run: RunInfo) -> str:
    """Describe which program was tested, at which commit, by which command."""
    program = (
        run.peer or f"this project's programs, version {run.versions.get('project', 'unknown')}"
    )
    changed = ", with changes that are not committed" if run.dirty else ""
    commit = f"{run.commit[:12]}{changed}" if run.commit else "an unknown commit"
    by = f", by `{run.command}`" if run.command else ""
    return f"{program}; project at {commit}{by}"


def again_command(ids: str, info: RunInfo) -> str:
    """Return the command that runs these scenarios of a run again."""
    seeded = "" if info.seed == DEFAULT_SEED else f"--seed {info.seed}"
    long = "--full-length" if info.full_length else ""
    words = ["./justw peer-cli-tests", ids, f"--backend {info.backend}", long, seeded, info.peer]
    return " ".join(filter(None, words))


def new_run_folder(runs: Path, kind: str, *, latest: str = LATEST) -> Path:
    """Create ``runs/<time>-<kind>-<random>`` and point the link ``latest`` in ``runs`` at it.

    The folder's name is the run's id; the random part distinguishes runs of the same second. Raises
    RunFolderError.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = runs / f"{stamp}-{kind}-{secrets.token_hex(2)}"
    # A new link is renamed over the old one, so that there is always one.
    link = runs / f".{latest}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        link.symlink_to(folder.name)
        link.replace(runs / latest)
    except OSError as error:
        raise RunFolderError(
            f"No folder for this run can be made in {runs}: {error.strerror}. Let it be a folder "
            "that you may write to, on a disk with room."
        ) from error
    return folder


def write_results(
    folder: Path,
    info: RunInfo,
    results: Iterable[ScenarioResult],
    *,
    ended: RunEnd = "finished",
    cut_off: Iterable[str] = (),
    not_begun: Iterable[str] = (),
) -> RunResults:
    """Write ``results.json`` atomically, and return its content."""
    run = RunResults(
        **asdict(info),
        duration_s=round(time.time() - info.started, 3),
        scenarios=list(results),
        ended=ended,
        cut_off=list(cut_off),
        not_begun=list(not_begun),
    )
    write_json(folder / "results.json", asdict(run))
    return run


def named_run(runs: Path, name: str) -> Path:
    """Return the folder of a run: by its name in ``runs``, or else by its path."""
    inside = runs / name
    return inside if inside.is_dir() else Path(name)


def read_results(run: Path) -> RunResults:
    """Read results.json. Raises NoResultsError if it is missing or invalid."""
    path = run / "results.json"
    try:
        return msgspec.convert(json.loads(path.read_bytes()), RunResults)
    except FileNotFoundError:
        raise NoResultsError(
            f"{run} is no run: it has no results.json. Name a folder of runs/, such as runs/latest."
        ) from None
    except ValueError as error:
        raise NoResultsError(f"{path} cannot be read: {error}") from None


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file atomically, so that a reader never sees a partial one."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # Nodes' texts may have lone surrogates, which become \\udcxx, their JSON form.
    replace_file(path, text.encode(errors="backslashreplace"))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically; several processes may do so at once."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
