"""Brings what is here in line with what others have: what to do, and in which order.

Files get their new content first, so that nothing is overwritten or deleted while its bytes are of
use elsewhere. Then come folders, deletions, and what only gets other bits, times or versions.
"""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

from sync_cli.batch import NO_SPACE, Batch, Failure, Task, failure_of
from sync_cli.decide import Verdict, best_of, judge
from sync_cli.ignore import IGNORE_FILE
from sync_cli.incoming import Incoming, temporary_name
from sync_cli.messages.events import LowSpace
from sync_cli.model import Entry, Kind
from sync_cli.order import chunks, files_first, sorted_out
from sync_cli.place import BLOCKED
from sync_cli.site import FOLDER_GONE, HaltedError, Site
from sync_cli.tree import TEMPORARY, Tree

_BATCH = 1000
_MOST_ROUNDS = 20
# A fetch that ended like this may be wanted again.
_WORTH_KEEPING = {"changed-here", "blocked", "halted", "write-failed"}

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""With less room than this, or less than 1 % of the disk, nothing is fetched."""


class Need(NamedTuple):
    """A file whose bytes must come from others, and the ids of peers that have them."""

    entry: Entry
    holders: tuple[str, ...]


class Applied(NamedTuple):
    """How the end of a fetch went: `error` is None, or a code and `reason` a sentence."""

    incoming: Incoming
    error: str | None = None
    reason: str = ""


class Settler:
    """Applies what others have. Every method raises IndexTrouble, and OSError of the disk."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._running: dict[bytes, Incoming] = {}
        self._left: dict[bytes, Entry] = {}  # temporary files that a later fetch may use
        self._is_low = False
        self._found_full: set[bytes] = set()  # paths for whose files the disk had no room
        self.unscanned: set[bytes] = set()

    def settle(self) -> bool:
        """Apply all that needs no bytes from others; tell whether anything changed."""
        site = self._site
        changed = False
        for _ in range(_MOST_ROUNDS):
            with site.lock:
                try:
                    if site.paused or not self._round(site.reach()):
                        break
                except HaltedError:
                    break
                site.wants.retry(*BLOCKED)
            changed = True
        self._drop_left()
        return changed

    def needs(
        self,
        limit: int,
        skip: Collection[bytes] = (),
        online: Collection[str] | None = None,
    ) -> list[Need]:
        """Return files that must be fetched now, but none of the paths in `skip`.

        With `online`, only files that one of these peers has.
        """
        site = self._site
        needs: list[Need] = []
        with site.lock:
            try:
                site.reach()
            except HaltedError:
                return []
            if site.paused:
                return []
            room = self._room()
            if room <= 0:
                self._note_low(True)
                return []
            self._found_full = {path for path in self._found_full if self._is_wanted(path)}
            lacks = bool(self._found_full)
            names = {peer.number: peer.peer_id for peer in site.peers.all()}
            hashes = {incoming.entry.hash for incoming in self._running.values()}
            passed = set(skip)
            if IGNORE_FILE in self._running:
                return []  # it says what else is wanted
            after = b""
            while len(needs) < limit and (paths := site.wants.fetchable(after, _BATCH)):
                after = paths[-1]
                for path in paths:
                    task = None if path in passed else self._task(path)
                    if task is None or task.entry.hash in hashes:
                        continue
                    if task.entry.kind is not Kind.FILE:
                        continue
                    if task.entry.size > room:
                        lacks = True
                        continue
                    holders = tuple(names[one] for one in task.holders if one in names)
                    if online is not None and not any(one in online for one in holders):
                        continue
                    hashes.add(task.entry.hash)
                    needs.append(Need(task.entry, holders))
                    if path == IGNORE_FILE:
                        return needs[-1:]
                    if len(needs) == limit:
                        break
            if lacks or len(needs) < limit:
                self._note_low(lacks)
        return needs

    def holders(self, entry: Entry) -> tuple[str, ...]:
        """Return the ids of the peers that have the content of an entry at its path."""
        site = self._site
        with site.lock:
            names = {peer.number: peer.peer_id for peer in site.peers.all()}
            return self._holders(entry, names)

    def begin(self, entry: Entry) -> Incoming:
        """Begin a fetch with what is here already. Raises OSError and HaltedError."""
        site = self._site
        tree = site.tree
        if tree is None:
            raise HaltedError(site.halted or FOLDER_GONE)
        incoming = Incoming(tree, entry)
        row = site.index.row(entry.path) if entry.block_count > 1 else None
        sources = site.index.holding(entry.hash)
        if row is not None and row.entry.kind is Kind.FILE:
            sources.append(row)
        with site.lock:
            self._running[entry.path] = incoming
        try:
            incoming.open(sources)
        except OSError as error:
            is_full = failure_of(error).code == NO_SPACE
            self.give_up(incoming, keep=not is_full, is_full=is_full)
            raise
        return incoming

    def running(self, content: bytes) -> Incoming | None:
        """Return a fetch of this content, if there is one."""
        with self._site.lock:
            for incoming in self._running.values():
                if incoming.entry.hash == content:
                    return incoming
        return None

    def give_up(self, incoming: Incoming, *, keep: bool, is_full: bool = False) -> None:
        """End a fetch without its file; `keep` what came, for another one. Raises OSError.

        `is_full`: the disk had no room for it, whatever it says of its room (quotas).
        """
        if is_full:
            self._note_full(incoming.entry.path)
        self._end(incoming, is_in_place=False, keep=keep)

    def apply(self, incomings: Sequence[Incoming]) -> list[Applied]:
        """Put complete files into place, all in one batch."""
        site = self._site
        with site.lock:
            try:
                with Batch(site, site.reach()) as batch:
                    self._put(batch, [(self._task_of(one), one) for one in incomings])
                    if batch.commit():
                        site.wants.retry(*BLOCKED)
                    failures = batch.failures
                    self.unscanned |= batch.unscanned
            except HaltedError as error:
                failures = {
                    one.entry.path: Failure("halted", f"The folder is halted: {error}.")
                    for one in incomings
                }
            outcomes = []
            for one in incomings:
                failure = failures.get(one.entry.path)
                self._end(
                    one,
                    is_in_place=failure is None,
                    keep=failure is not None and failure.code in _WORTH_KEEPING,
                )
                outcomes.append(Applied(one, *(failure or ())))
                if failure is not None and failure.code == NO_SPACE:
                    self._note_full(one.entry.path)
        return outcomes

    def purge(self) -> None:
        """Delete temporary files of fetches that nobody needs any more. Raises OSError."""
        site = self._site
        with site.lock:
            tree = site.reach()
            useful = {one.name for one in self._running.values()}
            after = b""
            while paths := site.wants.all(after, _BATCH):
                after = paths[-1]
                for path in paths:
                    useful.update(temporary_name(one.entry) for one in site.wants.of(path))
            folder = tree.open_folder(TEMPORARY, make=True)
            try:
                with os.scandir(folder) as entries:
                    names = [os.fsencode(entry.name) for entry in entries]
                for name in names:
                    if name not in useful:
                        os.unlink(name, dir_fd=folder)
            finally:
                os.close(folder)

    def _end(self, incoming: Incoming, *, is_in_place: bool, keep: bool) -> None:
        with self._site.lock:
            if self._running.get(incoming.entry.path) is incoming:
                del self._running[incoming.entry.path]
        if is_in_place:
            incoming.close()
            return
        incoming.discard(keep=keep)
        if keep and incoming.entry.block_count > 1:
            self._left[incoming.name] = incoming.entry

    def _drop_left(self) -> None:
        """Delete what was left for a later fetch that will never come."""
        with self._site.lock:
            running = {one.name for one in self._running.values()}
            for name, entry in list(self._left.items()):
                wanted = (one.entry for one in self._site.wants.of(entry.path))
                if name in running or any(entry.same_content(one) for one in wanted):
                    continue
                tree = self._site.tree
                if tree is not None:
                    with suppress(FileNotFoundError), tree.parent(TEMPORARY + b"/x") as (folder, _):
                        os.unlink(name, dir_fd=folder)
                del self._left[name]

    def _round(self, tree: Tree) -> bool:
        """Do once all that can be done; tell whether anything was."""
        tasks = [
            task for path in self._site.wants.ready() if (task := self._task(path)) is not None
        ]
        files, links, folders, deletions, attributes = sorted_out(tasks)
        gone = {task.path: task for task in deletions}
        changed = False
        for chunk in chunks(files):
            changed |= self._local_files(tree, chunk, gone)
        moved = [path for path in gone if not self._is_wanted(path)]
        for path in moved:
            del gone[path]
        steps = (
            (links, _put_link),
            (folders, Batch.make_folder),
            (sorted(gone.values(), key=files_first), Batch.delete),
            (attributes, Batch.set_attributes),
        )
        for some, step in steps:
            for chunk in chunks(some):
                with Batch(self._site, tree) as batch:
                    for task in chunk:
                        step(batch, task)
                    changed |= batch.commit()
                    self.unscanned |= batch.unscanned
        return changed

    def _local_files(self, tree: Tree, tasks: list[Task], gone: dict[bytes, Task]) -> bool:
        """Put files into place whose content is here: under a name that goes, or copied."""
        site = self._site
        with Batch(site, tree) as batch:
            copies: list[tuple[Task | None, Incoming]] = []
            sources: dict[bytes, bytes] = {}
            used: set[bytes] = set()
            for task in tasks:
                holding = site.index.holding(task.entry.hash)
                leaving = [
                    row for row in holding if row.entry.path in gone and row.entry.path not in used
                ]
                is_free = task.row is None or not task.row.entry.alive
                if leaving and is_free and task.entry.size:
                    used.add(leaving[0].entry.path)
                    batch.move(task, leaving[0], gone[leaving[0].entry.path].entry)
                    continue
                try:
                    incoming = self.begin(task.entry)
                except OSError as error:
                    batch.fail(task.path, failure_of(error))
                    continue
                if not incoming.is_complete():
                    self.give_up(incoming, keep=True)
                    site.wants.leave_to_fetch(task.path)
                    continue
                copies.append((task, incoming))
                if holding:
                    sources[task.path] = holding[0].entry.path
            try:
                self._put(batch, copies)
                for path in sources.keys() - batch.failures.keys():
                    batch.tell_renamed(path, sources[path])
                return batch.commit()
            finally:
                self.unscanned |= batch.unscanned
                for _, incoming in copies:
                    self._end(
                        incoming, is_in_place=incoming.entry.path not in batch.failures, keep=False
                    )

    def _put(self, batch: Batch, files: list[tuple[Task | None, Incoming]]) -> None:
        """Write complete files, and move them into place."""
        written: list[tuple[Task, Incoming]] = []
        for task, incoming in files:
            path = incoming.entry.path
            if task is None:
                batch.fail(path, Failure("outdated", "Others have a newer version by now."))
                continue
            try:
                if not incoming.is_right():
                    batch.fail(path, Failure("wrong-content", "It is not what its hash says."))
                    continue
                descriptor = incoming.write(batch.placer.temporary)
                batch.placer.prepare(descriptor, task.becomes, task.row)
            except OSError as error:
                batch.fail(path, failure_of(error))
                continue
            finally:
                incoming.close()
            written.append((task, incoming))
        if written:
            batch.sync()
        for task, incoming in written:
            batch.put(task, incoming.name)

    def _task(self, path: bytes) -> Task | None:
        """Return what is to be done at a path; forget what others have there if it is nothing."""
        site = self._site
        row = site.index.row(path)
        ours = row.entry if row is not None else None
        others = []
        for wanted in site.wants.of(path):
            if judge(ours, wanted.entry) is Verdict.KEEP:
                site.wants.remove(wanted.peer, path)
            elif not wanted.ignored:
                others.append(wanted)
        if not others:
            return None
        best = best_of(wanted.entry for wanted in others)
        holders = tuple(wanted.peer for wanted in others if wanted.entry.same_content(best))
        return Task(path, row, best, judge(ours, best), holders)

    def _task_of(self, incoming: Incoming) -> Task | None:
        """Return the task that a fetch was for, if it still is the one."""
        task = self._task(incoming.entry.path)
        if task is None or not task.entry.same_content(incoming.entry):
            return None
        return task

    def _is_wanted(self, path: bytes) -> bool:
        return bool(self._site.wants.of(path))

    def _holders(self, entry: Entry, names: dict[int, str]) -> tuple[str, ...]:
        return tuple(
            names[wanted.peer]
            for wanted in self._site.wants.of(entry.path)
            if wanted.peer in names and wanted.entry.same_content(entry)
        )

    def _room(self) -> int:
        """Return how many bytes may be fetched; negative if the reserve is not free."""
        disk = os.statvfs(self._site.root)
        reserve = max(disk.f_blocks * disk.f_frsize // 100, LEAST_FREE_BYTES)
        return disk.f_bavail * disk.f_frsize - reserve

    def _note_full(self, path: bytes) -> None:
        with self._site.lock:
            self._found_full.add(path)
            self._note_low(True)

    def _note_low(self, is_low: bool) -> None:
        """Tell, once, that there is no room: none at all, or not for a file that is wanted."""
        if is_low and not self._is_low:
            disk = os.statvfs(self._site.root)
            free = disk.f_bavail * disk.f_frsize
            self._site.emit(LowSpace(free_bytes=free))
        self._is_low = is_low


def _put_link(batch: Batch, task: Task) -> None:
    name = temporary_name(task.entry)
    batch.placer.link(name, task.entry)
    batch.put(task, name)
