"""Decides between two versions of one path. All of it is pure, and the same on every peer.

Who holds the losing version settles a conflict, because only that peer is sure to have its bytes:
it keeps them under another name, and takes the winner with a vector that includes both. Who holds
the winner waits for that.
"""

import enum
import hashlib
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from sync_cli.model import MAX_PART_BYTES, Entry, Kind, counter, includes, merged

MAX_AHEAD_NS = 60_000_000_000
"""How far ahead of its maker's clock a modification time may be and still count in full."""

_COPY = re.compile(rb"\.sync-conflict-\d{8}-\d{6}-\d{9}-[^.]{1,7}(\.[^.]*)?\Z")
_LONGEST_EXTENSION = 64


class Verdict(enum.Enum):
    """What a peer does about another peer's entry for a path."""

    KEEP = enum.auto()
    """Nothing: ours is the same or newer, or wins."""

    TAKE = enum.auto()
    """Take it instead of ours, which it supersedes."""

    CONFLICT = enum.auto()
    """Take it, and keep ours under another name: neither knows of the other, and it wins."""


def judge(ours: Entry | None, theirs: Entry) -> Verdict:
    """Tell what to do about a peer's entry; `ours` is None for a path that is not known here."""
    if ours is None:
        return Verdict.TAKE
    theirs = offered(ours, theirs)
    if ours.same_content(theirs):
        if not includes(ours.version, theirs.version):
            return Verdict.TAKE
        is_other_join = ours.version == theirs.version and _rank(theirs) > _rank(ours)
        return Verdict.TAKE if is_other_join else Verdict.KEEP
    if not _lives(theirs, ours):
        # Who holds it takes what is here, be it a deletion.
        return Verdict.KEEP if theirs.alive or _lives(ours, theirs) else Verdict.TAKE
    if not _lives(ours, theirs):
        return Verdict.TAKE
    if _beats(ours, theirs):
        return Verdict.KEEP
    # Content goes only with a copy; a folder has none.
    return Verdict.TAKE if ours.kind is Kind.FOLDER else Verdict.CONFLICT


def offered(ours: Entry | None, theirs: Entry) -> Entry:
    """Return what a peer's entry amounts to here: itself, or a deletion.

    Two contents of which each side has replaced or deleted the other's are both gone, though nobody
    has deleted the path knowing of both. Whoever joins the two finds the same.
    """
    if ours is None or not (ours.alive and theirs.alive) or ours.same_content(theirs):
        return theirs
    if _lives(ours, theirs) or _lives(theirs, ours):
        return theirs
    newer = max(ours, theirs, key=_rank)
    return Entry(
        path=theirs.path,
        kind=Kind.GONE,
        version=merged(ours.version, theirs.version),
        maker=newer.maker,
        made=newer.made,
        author=newer.author,
        edited_ns=newer.edited_ns,
    )


def joined(ours: Entry | None, theirs: Entry) -> Entry:
    """Return the entry that is in force after `theirs` was taken instead of `ours`."""
    if ours is None:
        return theirs
    winner = theirs = offered(ours, theirs)
    if not includes(theirs.version, ours.version) and ours.same_content(theirs):
        winner = max(ours, theirs, key=_rank)
    return msgspec.structs.replace(winner, version=merged(ours.version, theirs.version))


def best_of(entries: Iterable[Entry]) -> Entry:
    """Return the version that is in force when all of these are taken, one after another."""
    best, *others = entries
    for entry in others:
        if judge(best, entry) is not Verdict.KEEP:
            best = entry
    return best


def revived(folder: Entry, other: Entry, by: Entry) -> Entry:
    """Return the version of a folder that stays, because something lives in it.

    `other` would have ended it; `by` has the maker, author and time of the decision.
    """
    version = merged(merged(folder.version, other.version), by.version)
    return msgspec.structs.replace(by, path=folder.path, kind=Kind.FOLDER, version=version)


def clamped(mtime_ns: int, now_ns: int) -> int:
    """Return a modification time as it counts in conflicts: neither before 1970 nor far ahead."""
    return min(max(mtime_ns, 0), now_ns + MAX_AHEAD_NS)


def conflict_copy(loser: Entry) -> Entry:
    """Return the entry of the copy that keeps a losing version: the same wherever it is made."""
    return own_copy(msgspec.structs.replace(loser, path=conflict_path(loser)))


def own_copy(entry: Entry) -> Entry:
    """Return the entry of a conflict copy under its own name.

    Its version is made from its content, so it is one version even if several peers make it, and
    who deletes or changes it has done so everywhere.
    """
    identity = hashlib.sha256(entry.hash + bytes([entry.kind])).hexdigest()[:12]
    maker = f"copy-{identity}"
    return msgspec.structs.replace(entry, version=((maker, 1),), maker=maker, made=1)


def conflict_path(loser: Entry) -> bytes:
    """Return `<stem>.sync-conflict-<UTC>-<peer7><ext>`; UTC is the loser's time of edit.

    The time has nanoseconds, so that two edits within a second get two names. A name that would be
    too long for a disk loses the end of its stem.
    """
    folder, slash, name = loser.path.rpartition(b"/")
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - bytes
    if len(extension) > _LONGEST_EXTENSION:
        stem, extension = name, b""
    seconds, nanoseconds = divmod(loser.edited_ns, 1_000_000_000)
    utc = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H%M%S")
    mark = f".sync-conflict-{utc}-{nanoseconds:09}-{loser.author[:7]}".encode()
    stem = _shortened(stem, MAX_PART_BYTES - len(mark) - len(extension))
    return folder + slash + stem + mark + extension


def is_conflict_copy(path: bytes) -> bool:
    """Tell whether a path is that of a conflict copy, which never gets a copy itself."""
    return _COPY.search(path.rpartition(b"/")[2]) is not None


def _lives(one: Entry, other: Entry) -> bool:
    """Tell whether `other` was made without knowing the content of `one`.

    Otherwise it was replaced or deleted there on purpose, or has lost a conflict and was copied:
    then it never comes back, whatever `one` was joined with since. A deletion has no content, so
    that a change wins against it.
    """
    return one.alive and counter(other.version, one.maker) < one.made


def _beats(one: Entry, other: Entry) -> bool:
    """Tell whether `one` wins a conflict: the newer does, and a folder against all else."""
    if (one.kind is Kind.FOLDER) != (other.kind is Kind.FOLDER):
        return one.kind is Kind.FOLDER
    return _rank(one) > _rank(other)


def _rank(entry: Entry) -> tuple[int, bytes, int, bool, str, int]:
    """Put versions in an order without ties: by time, by hash, then by what else may differ."""
    return (
        entry.edited_ns,
        entry.hash,
        entry.mtime_ns,
        entry.executable,
        entry.maker,
        entry.made,
    )


def _shortened(name: bytes, length: int) -> bytes:
    """Cut a name, but not within a character of UTF-8."""
    if len(name) <= length:
        return name
    while length and name[length] & 0xC0 == 0x80:
        length -= 1
    return name[:length]
