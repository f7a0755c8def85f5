"""Takes what changed in the folder into the index, as new versions made here."""

import os
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec
from blake3 import blake3

from sync_cli.content import Hashes, hash_file
from sync_cli.decide import Verdict, clamped, is_conflict_copy, joined, judge, own_copy
from sync_cli.ignore import IGNORE_FILE
from sync_cli.index import Row
from sync_cli.messages.events import IndexChanged
from sync_cli.model import BLOCK_SIZE, MAX_BLOCKS, BadEntry, Entry, Kind, advanced, check_path
from sync_cli.scan import compare, is_shell
from sync_cli.site import MANY_GONE, Site
from sync_cli.tree import NOTHING, Folders, Seen, Stamp, Tree, is_absence

_BATCH = 1000
_BATCH_BYTES = 64 * BLOCK_SIZE

# More deletions than this at once are looked at twice: a folder is being deleted, and how much of
# it goes is known at its end. So are deletions beside files that cannot be read yet: those may be
# what is gone, under new names. More than half of all files, gone within seconds, halt everything.
_FEW = 10
_TOGETHER_S = 10.0

_RESTLESS = "It changes while it is read; it is sent when it is still."


class Look(NamedTuple):
    """What a file, folder or link is."""

    path: bytes
    seen: Seen
    hashes: Hashes
    target: bytes


class Recorder:
    """Scans. One scan at a time; hashing does not keep others from the folder."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._gone_before: frozenset[bytes] = frozenset()
        self._appeared: set[bytes] = set()  # hashes, since the first look at what is gone
        self._lately: deque[tuple[float, int]] = deque()

    def scan(self, paths: Collection[bytes] | None) -> frozenset[bytes]:
        """Bring the index up to date; None means the whole folder.

        Returns paths to look at again soon: they change just now, or much is being deleted.
        Raises HaltedError, OSError if the folder cannot be read, and IndexTrouble.
        """
        site = self._site
        tree = site.reach()
        if paths is None or any(b"/" not in path for path in paths):
            site.read_ignore(tree)
        found = compare(site, tree, paths)
        with site.lock:
            if paths is None:
                for path in site.trouble.keys() - {IGNORE_FILE}:
                    del site.trouble[path]
                site.wants.retry_all()
            site.trouble.update(found.trouble)
        again: set[bytes] = set()
        with Folders(tree) as folders:
            for looks in self._looks(tree, folders, found.changed, again):
                self._appeared.update(look.hashes.whole for look in looks if look.hashes.whole)
                again.update(self._record(looks))
        again.update(self._record_gone(found.gone, restless=bool(again)))
        if paths is None:
            site.was_away = False
        return frozenset(again)

    def _looks(
        self,
        tree: Tree,
        folders: Folders,
        changed: Iterable[tuple[bytes, Seen]],
        again: set[bytes],
    ) -> Iterator[list[Look]]:
        """Read what changed, in batches; what cannot be read goes to `again` or `trouble`."""
        batch: list[Look] = []
        size = 0
        for path, seen in changed:
            try:
                look = self._look(tree, folders, path, seen)
            except BadEntry as error:
                self._site.trouble[path] = str(error)
                continue
            except OSError as error:
                if not is_absence(error):
                    self._site.trouble[path] = f"It cannot be read: {error.strerror}."
                continue
            if look is None:
                self._site.trouble[path] = _RESTLESS
                again.add(path)
                continue
            batch.append(look)
            size += look.seen.stamp.size
            if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        yield batch

    def _look(self, tree: Tree, folders: Folders, path: bytes, seen: Seen) -> Look | None:
        """Read one path; None if it is not still, and so might be a mixture."""
        check_path(path)
        no_hash = Hashes(b"", b"")
        if seen.kind is Kind.FOLDER:
            return Look(path, seen, no_hash, b"")
        if seen.kind is Kind.LINK:
            target = folders.link_target(path)
            return Look(path, seen, Hashes(blake3(target).digest(), b""), target)
        if seen.stamp.size > MAX_BLOCKS * BLOCK_SIZE:
            raise BadEntry(f"It is over {MAX_BLOCKS * BLOCK_SIZE >> 30} GiB long.")
        if not self._site.is_still(tree, seen.stamp):
            return None
        descriptor = folders.open_file(path)
        try:
            if Stamp.of(os.fstat(descriptor)) != seen.stamp:
                return None
            hashes = hash_file(descriptor, seen.stamp.size)
            if hashes is None or Stamp.of(os.fstat(descriptor)) != seen.stamp:
                return None
        finally:
            os.close(descriptor)
        return Look(path, seen, hashes, b"")

    def _record(self, looks: list[Look]) -> set[bytes]:
        """Make versions of what was read, unless it changed since; return what did."""
        site = self._site
        again: set[bytes] = set()
        if not looks:
            return again
        with site.lock:
            tree = site.reach()
            before = site.database.sequence
            with Folders(tree) as folders, site.database.transaction():
                for look in looks:
                    try:
                        if not _is_still(folders, look):
                            again.add(look.path)
                            continue
                        self._record_one(tree, look)
                    except OSError as error:
                        site.trouble[look.path] = f"It cannot be read: {error.strerror}."
            if site.database.sequence != before:
                self._tell()
        return again

    def _record_one(self, tree: Tree, look: Look) -> None:
        site = self._site
        row = site.index.row(look.path)
        stamp = None if look.seen.kind is Kind.FOLDER else look.seen.stamp
        entry = self._entry(row, look)
        if row is not None and entry is None:
            if stamp is not None:
                site.index.restamp(look.path, stamp)
                site.wants.look_again(look.path)
            site.trouble.pop(look.path, None)
        elif entry is not None and not self._is_shell(tree, row, look):
            site.put(entry, stamp, "changed here" if row else "found here")

    def _entry(self, row: Row | None, look: Look) -> Entry | None:
        """Return the version that a look has shown; None if it is the one in the index."""
        site = self._site
        ours = row.entry if row else None
        number = site.database.sequence + 1
        fresh = Entry(
            path=look.path,
            kind=look.seen.kind,
            version=advanced(ours.version if ours else (), site.database.index_id, number),
            maker=site.database.index_id,
            made=number,
            author=site.peer_id,
            edited_ns=clamped(look.seen.stamp.mtime_ns, site.now_ns()),
            mtime_ns=look.seen.stamp.mtime_ns,
            size=look.seen.stamp.size if look.seen.kind is Kind.FILE else 0,
            executable=look.seen.executable,
            hash=look.hashes.whole,
            blocks=look.hashes.blocks,
            target=look.target,
        )
        if ours is not None and ours.same_content(fresh):
            if ours.executable == fresh.executable:
                return None
            return msgspec.structs.replace(ours, executable=fresh.executable, version=fresh.version)
        for wanted in site.wants.of(look.path):
            theirs = wanted.entry
            if (
                theirs.same_content(fresh)
                and theirs.executable == fresh.executable
                and judge(ours, theirs) is not Verdict.KEEP
            ):
                return joined(ours, theirs)  # it was put here, and the index had no time to know
        if ours is None and is_conflict_copy(look.path) and fresh.hash:
            return own_copy(fresh)
        return fresh

    def _is_shell(self, tree: Tree, row: Row | None, look: Look) -> bool:
        """Tell whether a folder was deleted and is only there for what is ignored in it."""
        if look.seen.kind is not Kind.FOLDER or row is None or row.entry.alive:
            return False
        return is_shell(self._site, tree, look.path)

    def _record_gone(self, gone: list[bytes], *, restless: bool) -> set[bytes]:
        """Make tombstones of what is gone, or return it, to be looked at again.

        With `restless`, there are files that could not be read yet.
        """
        site = self._site
        looks_twice = restless or len(gone) > _FEW
        if looks_twice and self._gone_before != frozenset(gone) and not site.allow_gone:
            self._gone_before = frozenset(gone)
            return set(gone)
        self._gone_before = frozenset()
        appeared, self._appeared = self._appeared, set()
        with site.lock:
            tree = site.reach()
            with Folders(tree) as folders:
                rows = [
                    row
                    for row in map(site.index.row, gone)
                    if row is not None and row.entry.alive and _is_gone(folders, row.entry)
                ]
            lost = sum(1 for row in rows if row.entry.hash and row.entry.hash not in appeared)
            self._check_brake(lost)
            before = site.database.sequence
            with site.database.transaction():
                for row in rows:
                    self._record_deletion(row)
            if site.database.sequence != before:
                self._tell()
        return set()

    def _check_brake(self, lost: int) -> None:
        """Halt when more than half of the files, and more than a few, are gone at once."""
        site = self._site
        now = time.monotonic()
        while self._lately and self._lately[0][0] < now - _TOGETHER_S:
            self._lately.popleft()
        together = lost + sum(number for _, number in self._lately)
        had = site.index.totals()[0] + together - lost
        if lost and together > _FEW and 2 * together > had and not site.allow_gone:
            site.halt(
                MANY_GONE,
                f"{together} of {had} files are gone from {site.root}. If that is meant, give "
                "`resume`; if not, put them back, and then give `resume`",
            )
            site.reach()
        site.allow_gone = False
        if lost:
            self._lately.append((now, lost))

    def _record_deletion(self, row: Row) -> None:
        site = self._site
        ours = row.entry
        if site.was_away:
            # As a newcomer: what is not here may have been gone for longer than anyone remembers.
            site.index.drop(ours.path)
            return
        for wanted in site.wants.of(ours.path):
            if wanted.entry.kind is Kind.GONE and judge(ours, wanted.entry) is not Verdict.KEEP:
                site.put(joined(ours, wanted.entry), None, "deleted")
                return
        number = site.database.sequence + 1
        tombstone = Entry(
            path=ours.path,
            kind=Kind.GONE,
            version=advanced(ours.version, site.database.index_id, number),
            maker=site.database.index_id,
            made=number,
            author=site.peer_id,
            edited_ns=site.now_ns(),
        )
        site.put(tombstone, None, "deleted here")

    def _tell(self) -> None:
        self._site.emit(IndexChanged(files=self._site.index.totals()[0]))
        self._site.changed()


def _is_still(folders: Folders, look: Look) -> bool:
    seen = folders.look(look.path)
    if look.seen.kind is Kind.FOLDER:  # what is in it changes its stamp
        return seen is not None and seen.kind is Kind.FOLDER
    return seen == look.seen


def _is_gone(folders: Folders, entry: Entry) -> bool:
    """Look once more; what cannot be seen is not gone."""
    try:
        return folders.look(entry.path) == NOTHING
    except OSError:
        return False
