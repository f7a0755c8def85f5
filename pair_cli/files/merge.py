"""Takes the other's changes into the tree, and says what is new for the user."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headless.texts import printable
from pair_cli.files.blocks import HASH_BYTES
from pair_cli.files.names import check_shared_path
from pair_cli.files.tree import Entry, Tree
from pair_cli.files.wire import MAX_CLOCK, MAX_SIZE, Announce, Change
from pair_cli.wire import ProtocolError
from store.names import MAX_PATH_BYTES, UnsafeName

MAX_ENTRIES = 250_000
"""The most entries that the other may make, gone ones included."""


@dataclass(frozen=True, slots=True)
class News:
    """Something the other did to a file, or tried to. `to` is the new name, or the reason."""

    kind: Literal["announced", "changed", "removed", "renamed", "refused"]
    path: str
    entry: Entry
    to: str = ""


class TooManyEntries(Exception):  # noqa: N818 - reads well where it is raised and caught
    """The other has made as many entries as this side can hold."""


def merge(tree: Tree, journal: bytes, announce: Announce, *, other_wins_ties: bool) -> list[News]:
    """Store an announcement, in one transaction.

    Raises ProtocolError where changes are missing or invalid, and TooManyEntries; then nothing is
    stored.
    """
    upto = tree.heard()[1]
    if announce.after > upto:
        raise ProtocolError(f"announcements {upto + 1} to {announce.after} are missing")
    if announce.upto < announce.after:
        raise ProtocolError("an announcement counts backwards")
    if tree.count_of_other() + len(announce.changes) > MAX_ENTRIES:
        raise TooManyEntries
    with tree.transaction():
        news = list(_merge_all(tree, announce.changes, other_wins_ties))
        tree.set_heard(journal, max(upto, announce.upto))
    return news


def _merge_all(tree: Tree, changes: Sequence[Change], other_wins_ties: bool) -> Iterator[News]:
    for change in changes:
        _check(change)
        tree.clock = max(tree.clock, change.clock)
        try:
            check_shared_path(change.path)
        except UnsafeName as error:
            shown = printable(change.path[:200])
            yield News("refused", shown, Entry(shown), printable(str(error)))
            continue
        known = tree.register(change.path)
        if known is None or _is_newer(change, known, other_wins_ties):
            yield from _take(tree, change, known)


def _check(change: Change) -> None:
    """Raise ProtocolError for a change that no peer would make."""
    is_file = change.live and not change.folder
    if not (
        0 <= change.size <= MAX_SIZE
        and 0 < change.clock <= MAX_CLOCK
        and abs(change.mtime_ns) < 1 << 62
        and 0 <= change.mode <= 0o777
        and len(change.moved) <= MAX_PATH_BYTES
        and len(change.root) == (HASH_BYTES if is_file else 0)
    ):
        raise ProtocolError("an announcement is out of bounds")


def _is_newer(change: Change, known: Entry, other_wins_ties: bool) -> bool:
    if change.clock != known.clock:
        return change.clock > known.clock
    return known.number is not None and other_wins_ties


def _take(tree: Tree, change: Change, known: Entry | None) -> Iterator[News]:
    """Store a change that holds; `known` is what the path was before."""
    before = known if known is not None and known.live else None
    entry = Entry(
        path=change.path,
        live=change.live,
        folder=change.folder,
        mine=change.yours,
        size=change.size,
        mtime_ns=change.mtime_ns,
        mode=change.mode,
        root=change.root,
        clock=change.clock,
        moved=change.moved,
    )
    source = tree.get(change.moved) if change.live and change.moved else None
    if entry.live and not entry.folder and entry.mine:
        entry = _with_disk(tree, entry, before, source)
    else:
        tree.store(entry)
    if change.folder or (before is not None and before.folder):
        return
    if not change.live:
        if before is not None:
            target = tree.get(change.moved) if change.moved else None
            renamed = target is not None and target.moved == change.path
            yield News(
                "renamed" if renamed else "removed", change.path, before,
                change.moved if renamed else "",
            )  # fmt: skip
    elif before is not None:
        yield News("changed", change.path, entry)
    elif source is None or not entry.live:
        # Of a rename, the end of the old name tells, which comes next.
        yield News("announced", change.path, entry)


def _with_disk(tree: Tree, entry: Entry, before: Entry | None, source: Entry | None) -> Entry:
    """Store the other's change of a file that this side holds: a rename, other times or bits.

    If this side's content has changed meanwhile, or is not here, the entry is announced as it is.
    """
    held = [known for known in (before, source) if known is not None and known.mine]
    for known in held:
        if known.root == entry.root:
            entry = replace(
                entry, disk=known.disk, stamp=known.stamp, size=known.size, dirty=known.dirty
            )
            tree.store(entry)
            return entry
    for known in held:
        if not known.folder:
            hashes = tree.hashes(known.root)
            newer = replace(known, path=entry.path, moved=entry.moved)
            tree.publish([newer], hashes)
            return newer
    gone = Entry(entry.path, live=False)
    tree.publish([gone])
    return gone
