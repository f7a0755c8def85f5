"""The always-on checks of the LAN family (SCENARIOS.md, "Always on"): pure functions over values.

Each returns one sentence per violation.
"""

import math
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scenarios.core.always import NodeStory
from scenarios.core.log import show
from scenarios.core.scene import Finding, place
from scenarios.families.lan_spread.attempts import Attempt, downloads_of
from scenarios.families.lan_spread.version_watch import Appearance

# docs/contract.md section 3, without `local`: a game's root has these only during an operation.
STAGING_NAMES = frozenset(
    {".local.installing", ".local.backup", ".version.ini.tmp", ".lanspread", ".lanspread.json"}
)

# The watcher sees an appearance late, never early, so lateness needs no tolerance (it only hides
# very short violations). But a peer may timestamp "finished" one scheduler turn after verifying,
# and commit in between; and clocks get adjusted while they run.
STAMP_TOLERANCE_S = 0.010
# How long after a failed download an appearance may still be a late notification.
LATENESS_S = 0.050


def no_chunk_twice(story: NodeStory) -> list[str]:
    """A download reports each byte of a file as finished once, and only while it is running.

    A streamed install that restarts from another source may finish the same entry again.
    """
    downloads = downloads_of(story)
    found: list[str] = [
        Finding(
            f"{story.node} finished a chunk of no download that is under way, {at}: "
            f"{show(chunk.line)}",
            at,
        )
        for chunk in downloads.stray
        for at in [place(story.node, chunk.line.index)]
    ]
    for attempt in downloads.attempts:
        by_file = defaultdict(list)
        for chunk in attempt.chunks:
            by_file[chunk.path, chunk.peer_id if attempt.streamed else ""].append(chunk)
        for chunks in by_file.values():
            chunks.sort(key=lambda chunk: (chunk.offset, chunk.length))
            found += [
                Finding(
                    f"{story.node} finished bytes of {before.path} twice: {before} ({first}) and "
                    f"{chunk} ({place(story.node, chunk.line.index)})",
                    first,
                )
                for before, chunk in pairwise(chunks)
                for first in [place(story.node, before.line.index)]
                if chunk.offset < before.offset + before.length
                or (chunk.offset, chunk.length) == (before.offset, before.length)
            ]
    return found


def finished_is_manifest(story: NodeStory) -> list[str]:
    """At `download-finished` the finished chunks cover the manifest exactly, file by file.

    The totals in `download-begin` and `throughput` agree. A streamed install does not know its
    files in advance, so only the sums are compared. Bytes kept from an earlier attempt (the first
    `download-progress` reports them) need no new chunk.
    """
    return [
        Finding(f"{story.node}, download of {attempt.game_id}, {at}: {wrong}", at)
        for attempt in downloads_of(story).attempts
        if attempt.outcome is not None and attempt.outcome.name == "download-finished"
        for at in [place(story.node, attempt.outcome.line.index)]
        for wrong in _wrong_with_finished(attempt)
    ]


def version_file_last(story: NodeStory, appearances: Sequence[Appearance]) -> list[str]:
    """No `version.ini` is on disk before every byte of its download is reported as verified.

    ``appearances`` are those in the node's games folder while it ran, in order. An appearance
    outside any download is ignored (a scenario may drop a game there). But the watcher must have
    seen one for each finished download, or nothing is proven.
    """
    found = []
    left = list(appearances)
    attempts = downloads_of(story).attempts
    for number, attempt in enumerate(attempts):
        later = (each for each in attempts[number + 1 :] if each.game_id == attempt.game_id)
        again = next((each.asked.wall for each in later), math.inf)
        mine = [seen for seen in left if _belongs(seen, attempt, again)]
        # Later ones may belong to the next download.
        left = [seen for seen in left if seen not in mine[:1]]
        whose = f"{story.node}: version.ini of {attempt.game_id}"
        outcome = None if attempt.outcome is None else attempt.outcome.name
        if attempt.streamed:
            found += [f"{whose} appeared in a streamed install" for _ in mine[:1]]
        elif outcome == "download-finished" and not mine:
            found.append(f"{whose} was never seen to appear, though it ended in {outcome}")
        elif mine and outcome not in (None, "download-finished"):
            found.append(f"{whose} appeared, though it ended in {outcome}")
        elif mine:
            verified = attempt.verified_bytes(mine[0].wall + STAMP_TOLERANCE_S)
            wanted = attempt.manifest_bytes
            if not wanted or verified < wanted:
                found.append(
                    f"{whose} was on disk {mine[0].wall - attempt.asked.wall:.3f} s after the "
                    f"command, when {verified} of {wanted} bytes were reported as verified"
                )
    return found


def nothing_staged(peer: str, folder: Path | None, names: Iterable[str]) -> list[str]:
    """No relative path in a games folder is a reserved staging name in a game's root."""
    found = []
    for name in sorted(names):
        parts = name.split("/")
        if len(parts) <= 2 and parts[-1] in STAGING_NAMES:
            where = f" (in {folder})" if folder else ""
            found.append(f"{peer} left {name} behind{where}")
    return found


@dataclass(frozen=True, slots=True)
class Stamp:
    """Metadata that every write changes. Times in nanoseconds; all 0 unless it is a file."""

    mode: int
    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0


def stamps(root: Path) -> dict[str, Stamp]:
    """Return the stamp of everything below a folder, by relative path.

    Folders have only name and mode: a peer may probe for write access with an unnamed file.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        times = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        regular = stat.S_ISREG(status.st_mode)
        found[path.relative_to(root).as_posix()] = Stamp(
            status.st_mode, *(times if regular else ())
        )
    return found


def unchanged(folder: str, before: Mapping[str, Stamp], after: Mapping[str, Stamp]) -> list[str]:
    """A read-only folder is unchanged."""
    return [
        f"{folder}/{name} was "
        + ("removed" if name not in after else "added" if name not in before else "changed")
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _wrong_with_finished(attempt: Attempt) -> list[str]:
    assert attempt.outcome is not None
    files = attempt.files or {}
    figures = attempt.outcome.data.get("throughput")
    figures = figures if isinstance(figures, dict) else {}
    finished: dict[str, int] = defaultdict(int)
    chunks = attempt.chunks[attempt.lost_chunks :]
    for chunk in chunks:
        finished[chunk.path] += chunk.length
    wrong = []
    if attempt.files is None and not attempt.streamed:
        wrong.append("it finished without a manifest")
    if strangers := sorted(finished.keys() - files.keys()) if files else []:
        wrong.append(f"it finished chunks of {', '.join(strangers)}, which the manifest lacks")
    wanted = sum(finished.values()) if attempt.manifest_bytes is None else attempt.manifest_bytes
    if attempt.total_bytes != wanted:
        wrong.append(f"{wanted} bytes in all, but download-begin said {attempt.total_bytes}")
    if attempt.held_bytes:
        return wrong
    wrong += [
        f"finished {finished.get(path, 'nothing')} of the {size} bytes of {path}"
        for path, size in sorted(files.items())
        if finished.get(path) != size
    ]
    if figures.get("bytes") != wanted:
        wrong.append(f"{wanted} bytes in all, but throughput says {figures.get('bytes')}")
    if figures.get("chunks") != len(chunks):
        wrong.append(f"{len(chunks)} chunks, but throughput says {figures.get('chunks')}")
    return wrong


def _belongs(seen: Appearance, attempt: Attempt, again: float) -> bool:
    """Whether an appearance belongs to a download: it lies between the command and the outcome.

    For a finished download it may also come later: the event may be read before the watcher
    notices the file. The others should have none: what comes after ``again``, the next command to
    get the same game, is of that one.
    """
    if seen.game_id != attempt.game_id or seen.wall < attempt.asked.wall:
        return False
    outcome = attempt.outcome
    if outcome is None or (outcome.name == "download-finished" and not attempt.streamed):
        return True
    return seen.wall <= outcome.line.wall + LATENESS_S and seen.wall < again
