"""The always-on checks of the LAN family (SCENARIOS.md, "Always on"): pure functions over values.

Each returns one sentence for each thing that is wrong.
"""

import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scenarios.core.always import NodeStory
from scenarios.core.log import show
from scenarios.core.scene import place
from scenarios.lan_spread.attempts import Attempt, downloads_of
from scenarios.lan_spread.version_watch import Appearance

# CONTRACT section 3, without `local`: what may lie in a game's root only while something is done.
STAGING_NAMES = frozenset(
    {".local.installing", ".local.backup", ".version.ini.tmp", ".lanspread", ".lanspread.json"}
)

# An appearance is noticed late, never early, so lateness needs no allowance (it only hides very
# short violations). But a peer may stamp "finished" a turn of its scheduler after it verified, and
# commit in between; and clocks are corrected while they run.
STAMP_TOLERANCE_S = 0.010
# How long after the end of a failed download an appearance still counts as noticed late.
LATENESS_S = 0.050


def no_chunk_twice(story: NodeStory) -> list[str]:
    """No byte of a file is reported as finished twice in one download, and none outside of one.

    A streamed install that begins again from another source may finish the same entry again.
    """
    downloads = downloads_of(story)
    found = [
        f"{story.node} finished a chunk of no download that is under way, "
        f"{place(story.node, chunk.line.index)}: {show(chunk.line)}"
        for chunk in downloads.stray
    ]
    for attempt in downloads.attempts:
        by_file = defaultdict(list)
        for chunk in attempt.chunks:
            by_file[chunk.path, chunk.peer_id if attempt.streamed else ""].append(chunk)
        for chunks in by_file.values():
            chunks.sort(key=lambda chunk: (chunk.offset, chunk.length))
            found += [
                f"{story.node} finished bytes of {before.path} twice: {before} "
                f"({place(story.node, before.line.index)}) and {chunk} "
                f"({place(story.node, chunk.line.index)})"
                for before, chunk in pairwise(chunks)
                if chunk.offset < before.offset + before.length
                or (chunk.offset, chunk.length) == (before.offset, before.length)
            ]
    return found


def finished_is_manifest(story: NodeStory) -> list[str]:
    """At `download-finished` the finished chunks are the manifest, byte for byte and file for file.

    The totals of `download-begin` and of `throughput` say the same. Of a streamed install, whose
    files are not known before, only the sums are compared. Bytes that an earlier attempt has left
    (the first `download-progress` tells) need no chunk again.
    """
    return [
        f"{story.node}, download of {attempt.game_id}, "
        f"{place(story.node, attempt.outcome.line.index)}: {wrong}"
        for attempt in downloads_of(story).attempts
        if attempt.outcome is not None and attempt.outcome.name == "download-finished"
        for wrong in _wrong_with_finished(attempt)
    ]


def version_file_last(story: NodeStory, appearances: Sequence[Appearance]) -> list[str]:
    """No `version.ini` is on disk before every byte of its download is reported as verified.

    ``appearances`` are those in the node's games folder while it ran, in order. What appears while
    the game is not being downloaded (a scenario may drop a game there) is not judged; but each
    finished download must have been seen to end in one, or nothing is proven.
    """
    found = []
    left = list(appearances)
    for attempt in downloads_of(story).attempts:
        mine = [seen for seen in left if _belongs(seen, attempt)]
        # Later ones may be the next download's.
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
    """None of a games folder's relative paths is a reserved staging name in a game's root."""
    found = []
    for name in sorted(names):
        parts = name.split("/")
        if len(parts) <= 2 and parts[-1] in STAGING_NAMES:
            where = f" (in {folder})" if folder else ""
            found.append(f"{peer} left {name} behind{where}")
    return found


@dataclass(frozen=True, slots=True)
class Stamp:
    """What no write leaves as it was. Times in nanoseconds; all 0 for what is no file."""

    mode: int
    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0


def stamps(root: Path) -> dict[str, Stamp]:
    """Return the stamp of everything below a folder, by relative path.

    Of folders only name and mode: a peer may probe for write access with a file of no name.
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
    """A read-only folder is as it was."""
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


def _belongs(seen: Appearance, attempt: Attempt) -> bool:
    """Whether an appearance is of a download: from the command to its outcome.

    Of a finished one also later, since the event may be read before the appearance is noticed.
    """
    if seen.game_id != attempt.game_id or seen.wall < attempt.asked.wall:
        return False
    outcome = attempt.outcome
    if outcome is None or outcome.name == "download-finished":
        return True
    return seen.wall <= outcome.line.wall + LATENESS_S
