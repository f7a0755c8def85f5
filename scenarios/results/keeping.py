"""Selects the run folders to keep: by value, number and size."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scenarios.core.label import parse_label
from scenarios.results.results import NoResultsError, read_results, run_outcome

KEPT_RUNS = 20
KEPT_BYTES = 2 * 2**30
WORTH_SAYING = 100 * 2**20
WORK = "work"  # the nodes' folders, in a turn's


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run folder. ``kind`` is its backend, or audit; ``full``: all scenarios, finished."""

    name: str  # begins with the time
    kind: str
    size: int  # bytes on disk
    full: bool
    failed: bool


def superfluous(
    runs: Iterable[KeptRun],
    *,
    spare: Collection[str] = (),
    count: int = KEPT_RUNS,
    size: int = KEPT_BYTES,
) -> list[str]:
    """Return the names of the runs to remove.

    Of each kind the newest full run and the newest failed one always stay; of the others, the
    newest, up to ``count`` runs and ``size`` bytes in total.
    """
    newest_first = sorted(runs, key=lambda run: run.name, reverse=True)
    worthy = {run.name for run in newest_first if run.name in spare}
    seen: set[tuple[str, str]] = set()
    for run in newest_first:
        marks = {(run.kind, mark) for mark in ("full", "failed") if getattr(run, mark)}
        if marks - seen:
            worthy.add(run.name)
            seen |= marks
    doomed = []
    left = count - len(worthy)
    room = size - sum(run.size for run in newest_first if run.name in worthy)
    for run in newest_first:
        if run.name in worthy:
            continue
        left -= 1
        room -= run.size
        if left < 0 or room < 0:
            doomed.append(run.name)
    return doomed


def remove_old_runs(
    runs: Path, *, spare: Iterable[Path] = (), count: int = KEPT_RUNS, size: int = KEPT_BYTES
) -> list[Path]:
    """Remove superfluous runs; folders in ``spare`` always stay.

    Skips what cannot be removed; returns what was removed.
    """
    folders = _folders(runs)
    names = {path.name for path in (*spare, *filter(runner_lives, folders))}
    found = superfluous(map(_look_at, folders), spare=names, count=count, size=size)
    for name in found:
        shutil.rmtree(runs / name, ignore_errors=True)
    return [runs / name for name in found if not (runs / name).exists()]


def remove_work(folder: Path, turns: Iterable[str]) -> None:
    """Remove the nodes' folders of these turns of a run, such as S7 or S7/2."""
    for turn in turns:
        shutil.rmtree(folder / turn / WORK, ignore_errors=True)


def remove_dead_work(runs: Path) -> list[str]:
    """Remove the nodes' folders of killed runs; return descriptions of what was removed."""
    removed = []
    for folder in _folders(runs):
        try:
            run = read_results(folder)
        except NoResultsError:
            continue
        left = [turn for turn in run.cut_off if (folder / turn / WORK).is_dir()]
        if run.ended == "underway" and left and not runner_lives(folder):
            remove_work(folder, left)
            removed += [f"the nodes' files of {turn} in {folder.name}" for turn in left]
    return removed


def runner_lives(folder: Path) -> bool:
    """Whether the runner of this folder is still alive."""
    try:
        settings = json.loads((folder / "settings.json").read_bytes())
    except (OSError, ValueError):
        return False
    label = parse_label(str(settings.get("runner", ""))) if isinstance(settings, dict) else None
    return label is not None and label.runner_lives()


def size_on_disk(folder: Path) -> int:
    """Return a tree's disk usage in bytes; holes count nothing, hard-linked files once."""
    seen = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = Path(place, name).lstat()
            except FileNotFoundError:
                continue  # an active run has removed it
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def link_copies(folder: Path, *, smallest: int = 2**20) -> int:
    """Replace duplicate files below a folder by hard links; return the bytes saved.

    Nodes that downloaded from each other have the same files, and a failed scenario keeps them all.
    Only for folders that nobody writes to any more.
    """
    saved = 0
    by_content: dict[tuple[int, str], Path] = {}
    for path in _large_files(folder, smallest):
        first = by_content.setdefault((path.stat().st_size, _digest(path)), path)
        if first is path or first.samefile(path):
            continue
        aside = path.with_name(f".{path.name}.linked")
        try:
            aside.hardlink_to(first)
        except OSError:
            continue  # another file system, or no hard links: keep both
        saved += path.stat().st_blocks * 512
        aside.replace(path)
    return saved


def human_size(size: float) -> str:
    """Format a number of bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _large_files(folder: Path, smallest: int) -> Sequence[Path]:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.stat().st_size >= smallest
    ]
    sizes = [path.stat().st_size for path in found]
    return [path for path, size in zip(found, sizes, strict=True) if sizes.count(size) > 1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _folders(runs: Path) -> list[Path]:
    return [path for path in runs.glob("[0-9]*-*") if path.is_dir() and not path.is_symlink()]


def _look_at(folder: Path) -> KeptRun:
    size = size_on_disk(folder)
    try:
        run = read_results(folder)
    except NoResultsError:
        whole = _is_whole_audit(folder)
        return KeptRun(folder.name, "audit" if whole else "", size, full=whole, failed=False)
    outcome = run_outcome(run)
    full = run.full and outcome.verdict != "interrupted"
    return KeptRun(folder.name, run.on, size, full=full, failed=outcome.verdict == "failed")


def _is_whole_audit(folder: Path) -> bool:
    try:
        document = json.loads((folder / "kill-matrix.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("whole") is True
