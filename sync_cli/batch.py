"""One batch of changes to the folder, and its entry into the index.

Everything is made durable before it gets its name, and again before the index says so. What was
done before a crash and not entered, the next scan recognises by its content.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from headless.envelope import Event
from sync_cli.decide import Verdict, conflict_copy, joined, revived
from sync_cli.ignore import IGNORE_FILE
from sync_cli.index import Row
from sync_cli.messages.events import Conflict, FileDeleted, FileRenamed, IndexChanged, NameClash
from sync_cli.model import Entry, Kind, advanced, includes, path_text
from sync_cli.place import (
    COPY_NAME_TAKEN,
    FOLDER_NOT_EMPTY,
    IGNORED_THERE,
    BlockedError,
    ChangedHereError,
    ClashError,
    Copy,
    Placer,
)
from sync_cli.scan import is_shell
from sync_cli.site import Site
from sync_cli.tree import Stamp, Tree, sync_all

UNSCANNED = "It was changed here and is not scanned yet."
NO_SPACE = "no-space"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Task(NamedTuple):
    """What should be at a path, what the index knows there now, and the numbers of who has it."""

    path: bytes
    row: Row | None
    entry: Entry
    verdict: Verdict
    holders: tuple[int, ...] = ()

    @property
    def becomes(self) -> Entry:
        """The entry that is in force when it is done."""
        return joined(self.row.entry if self.row else None, self.entry)


class Failure(NamedTuple):
    """Why a task was not done: a code and a sentence."""

    code: str
    reason: str


class _Done(NamedTuple):
    entry: Entry
    stamp: Stamp | None
    what: str
    note: str = ""


class Batch:
    """Collects what was done; `commit` enters it. Used with the site's lock held."""

    def __init__(self, site: Site, tree: Tree) -> None:
        self._site = site
        self._tree = tree
        self.placer = Placer(tree, site.index, site.file_mode)
        self.failures: dict[bytes, Failure] = {}
        self.unscanned: set[bytes] = set()
        self._done: list[_Done] = []
        self._events: list[Event] = []

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *_: object) -> None:
        self.placer.close()

    def sync(self) -> None:
        """Make durable what was written so far. Raises OSError."""
        sync_all(self.placer.temporary)

    def put(self, task: Task, name: bytes) -> None:
        """Move a temporary file or link to its path."""
        with self._attempt(task):
            try:
                keep = self._to_keep(task)
                stamp = self.placer.put(name, task.path, task.row, keep=keep)
            except BlockedError as error:
                if str(error) != FOLDER_NOT_EMPTY:
                    raise
                self._put_beside(task, name)
                return
            self._finish(task, stamp, keep)

    def move(self, task: Task, source: Row, deletion: Entry) -> None:
        """Rename a file that is to be deleted anyway."""
        with self._attempt(task):
            stamp = self.placer.move(source, task.path, task.row)
            self._done.append(_Done(task.becomes, stamp, "renamed", path_text(source.entry.path)))
            self._done.append(_Done(joined(source.entry, deletion), None, "renamed away"))
            self.tell_renamed(task.path, source.entry.path)

    def make_folder(self, task: Task) -> None:
        """Make a folder."""
        with self._attempt(task):
            keep = self._to_keep(task)
            self.placer.make_folder(task.path, task.row, keep=keep)
            self._finish(task, None, keep)

    def delete(self, task: Task) -> None:
        """Delete what others deleted. A folder in which something lives stays, as a new version."""
        with self._attempt(task):
            if task.row is not None and task.row.entry.alive:
                try:
                    self.placer.delete(task.row)
                except BlockedError:
                    if not self._is_left_over(task.path):
                        self._revive(task)
                        return
                self._events.append(FileDeleted(path=path_text(task.path)))
            self._done.append(_Done(task.becomes, None, "deleted"))

    def set_attributes(self, task: Task) -> None:
        """Take the bits, the time and the version of the same content."""
        with self._attempt(task):
            assert task.row is not None
            ours, becomes = task.row.entry, task.becomes
            stamp = task.row.stamp
            if (ours.executable, ours.mtime_ns) != (becomes.executable, becomes.mtime_ns):
                stamp = self.placer.set_attributes(task.row, becomes)
            self._done.append(_Done(becomes, stamp, "same content"))

    def fail(self, path: bytes, failure: Failure) -> None:
        """Note why a task was not done."""
        self.failures[path] = failure

    def tell_renamed(self, path: bytes, source: bytes) -> None:
        """Tell that a file got its content from another path."""
        self._events.append(FileRenamed(path=path_text(path), source=path_text(source)))

    def commit(self) -> bool:
        """Enter what was done; tell whether anything was. Raises OSError and HaltedError."""
        site = self._site
        if self._done:
            self.sync()
            site.reach()  # what was done in a folder that is gone was not done
            with site.database.transaction():
                for one in self._done:
                    site.put(one.entry, one.stamp, one.what, one.note)
            is_told = any(one.entry.path == IGNORE_FILE for one in self._done)
            if is_told and site.read_ignore(self._tree):
                self.unscanned.add(b"")  # what it ignored may be there
        for path, failure in self.failures.items():
            if failure.code == NO_SPACE:
                site.wants.wait_for_room(path, failure.reason)
            elif failure.code != "outdated":  # then there is something else to look at
                site.wants.put_off(path, failure.reason)
            if failure.code == "name-clash" and path not in site.told_clashes:
                site.told_clashes.add(path)
                self._events.append(NameClash(path=path_text(path), reason=failure.reason))
        for event in self._events:
            site.emit(event)
        if self._done:
            site.emit(IndexChanged(files=site.index.totals()[0]))
            site.changed()
        return bool(self._done)

    @contextmanager
    def _attempt(self, task: Task) -> Iterator[None]:
        try:
            yield
        except ChangedHereError as error:
            self.unscanned.add(error.path)
            self.fail(task.path, Failure("changed-here", UNSCANNED))
        except ClashError as error:
            self.fail(task.path, Failure("name-clash", str(error)))
        except BlockedError as error:
            self.fail(task.path, Failure("blocked", str(error)))
        except OSError as error:
            self.fail(task.path, failure_of(error))

    def _to_keep(self, task: Task) -> Copy | None:
        if task.verdict is not Verdict.CONFLICT or task.row is None:
            return None
        return self.placer.copy_of(task.row)

    def _finish(self, task: Task, stamp: Stamp | None, keep: Copy | None) -> None:
        if keep is not None:
            kept_as = path_text(keep.kept_as)
            if keep.listed:
                assert task.row is not None
                copied = self.placer.stamp_of_copy(keep.kept_as, task.row)
                self._done.append(_Done(keep.entry, copied, "kept", path_text(task.path)))
            self._tell_conflict(task.path, kept_as, task.entry.author)
            self._done.append(_Done(task.becomes, stamp, "won a conflict", kept_as))
        else:
            self._done.append(_Done(task.becomes, stamp, "taken"))

    def _tell_conflict(self, path: bytes, kept_as: str, winner: str) -> None:
        self._events.append(Conflict(path=path_text(path), kept_as=kept_as, winner=winner))

    def _put_beside(self, task: Task, name: bytes) -> None:
        """Keep a folder in which something lives, and put what should replace it beside it."""
        if self._is_left_over(task.path):
            raise BlockedError(IGNORED_THERE)
        copy = conflict_copy(task.entry)
        known = self._site.index.row(copy.path)
        self._check_lives(task.path)
        if known is None:
            stamp = self.placer.put(name, copy.path, None, keep=None)
            self._done.append(_Done(copy, stamp, "kept", path_text(task.path)))
        elif not includes(known.entry.version, copy.version):
            raise BlockedError(COPY_NAME_TAKEN)
        self._revive(task)
        self._tell_conflict(task.path, path_text(copy.path), self._site.peer_id)

    def _is_left_over(self, folder: bytes) -> bool:
        """Tell whether a folder that cannot go holds only what is ignored."""
        if self._site.index.alive_below(folder):
            return False
        if is_shell(self._site, self._tree, folder):
            return True
        raise ChangedHereError(folder)

    def _check_lives(self, folder: bytes) -> None:
        """Raise BlockedError unless something in a folder is to stay."""
        for path, _ in self._site.index.alive_below(folder):
            wanted = [one.entry for one in self._site.wants.of(path) if not one.ignored]
            if all(one.alive for one in wanted):
                return
        raise BlockedError(FOLDER_NOT_EMPTY)

    def _revive(self, task: Task) -> None:
        assert task.row is not None
        self._check_lives(task.path)
        site = self._site
        number = site.database.sequence + len(self._done) + 1
        by = Entry(
            path=task.path,
            kind=Kind.FOLDER,
            version=advanced((), site.database.index_id, number),
            maker=site.database.index_id,
            made=number,
            author=site.peer_id,
            edited_ns=site.now_ns(),
        )
        self._done.append(
            _Done(revived(task.row.entry, task.entry, by), None, "stays: something lives in it")
        )


def failure_of(error: OSError) -> Failure:
    """Return the code and sentence of trouble with the disk."""
    if error.errno in _FULL:
        return Failure(NO_SPACE, "The disk is full.")
    return Failure("write-failed", f"It cannot be written: {error.strerror}.")
