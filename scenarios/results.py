"""What a run leaves behind: its folder and results.json."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from scenarios.core.errors import Cause

Outcome = Literal["passed", "failed", "skipped", "unsupported"]

KEPT_RUNS = 20
REPORT, TRACE = "report.html", "trace.json"
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The verdict on one repetition of a scenario.

    ``failure`` is its text, ``folder`` is relative to the run's.
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


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is known of a run at its start; ``started`` is unix seconds."""

    run_id: str
    backend: str
    seed: int
    versions: Mapping[str, str]
    started: float = field(default_factory=time.time)
    peer: str = ""  # the option that names a foreign peer, if one was under test

    @property
    def on(self) -> str:
        """The backend, and the peer if it is a foreign one: what durations depend on."""
        return f"{self.backend} {self.peer}".rstrip()


@dataclass(frozen=True, slots=True)
class RunResults(RunInfo):
    """What results.json says."""

    duration_s: float = 0.0
    scenarios: list[ScenarioResult] = field(default_factory=list)


class NoResultsError(Exception):
    """The folder holds no results of a run; the message says what to do."""


def new_run_folder(runs: Path, kind: str, *, latest: str = LATEST) -> Path:
    """Make ``runs/<time>-<kind>-<random>`` and point the link ``latest`` in ``runs`` at it.

    The folder's name is the run's id. The random part keeps two runs of one second apart.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = runs / f"{stamp}-{kind}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    # A new link moved over the old one: at no moment is there none.
    link = runs / f".{latest}-{secrets.token_hex(4)}"
    link.symlink_to(folder.name)
    link.replace(runs / latest)
    return folder


def remove_old_runs(runs: Path, *, keep: int = KEPT_RUNS, spare: Iterable[Path] = ()) -> list[Path]:
    """Remove all but the newest ``keep`` run folders (their names begin with the time).

    Folders in ``spare`` stay in any case. What cannot be removed is left; returns what is gone.
    """
    folders = sorted(
        (path for path in runs.glob("[0-9]*-*") if path.is_dir() and not path.is_symlink()),
        reverse=True,
    )
    doomed = [path for path in folders[keep:] if path not in set(spare)]
    for folder in doomed:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in doomed if not folder.exists()]


def write_results(folder: Path, info: RunInfo, results: Iterable[ScenarioResult]) -> Path:
    """Write ``results.json``, whole or not at all, and return its path."""
    document: dict[str, Any] = {
        **asdict(info),
        "duration_s": round(time.time() - info.started, 3),
        "scenarios": [asdict(result) for result in results],
    }
    path = folder / "results.json"
    write_json(path, document)
    return path


def read_results(run: Path) -> RunResults:
    """Read results.json; raises NoResultsError when there is none or it is something else."""
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
    """Write a JSON file by rename, so that a reader never sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # What peers say may hold a lone surrogate; it becomes \\udcxx, which is JSON for the same.
    aside.write_text(text, encoding="utf-8", errors="backslashreplace")
    aside.replace(path)
