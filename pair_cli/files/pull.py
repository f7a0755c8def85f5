"""Fetches one file of the other's, in a thread, from any state to the whole verified file."""

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from headless.program import Emit
from pair_cli.files.blocks import BLOCK_BYTES, block_length
from pair_cli.files.fetch import (
    LOST,
    FetchCancelled,
    Fetcher,
    FetchError,
    fetch_blocks,
    fetch_hashes,
)
from pair_cli.files.pull_journal import PullJournal, PullRecord
from pair_cli.files.target import NameClash, Part, is_there
from pair_cli.files.tree import Entry, Tree
from pair_cli.messages import PullBegin, PullFailed, PullFinished, PullProgress, PullRestarted
from store.open_file import start_writing, write_at

PROGRESS_INTERVAL_S = 0.5
ASK_AGAIN_S = 1.0
_TEXTS = {
    "gone": "the other no longer has the file",
    "unreadable": "the other cannot read the file",
    "busy": "the other is asked for too much at once",
    "wrong-bytes": "the other sent bytes that are not the file's, twice",
}


@dataclass(slots=True)
class Running:
    """A pull that runs or waits. `stopping`: this peer ends, and the pull is to go on later."""

    record: PullRecord
    cancelled: threading.Event = field(default_factory=threading.Event)
    stopping: bool = False
    waiting: bool = True
    ended: bool = False  # set before the event that says so
    done_bytes: int = 0
    wire_bytes: int = 0
    bytes_per_second: float = 0.0
    restarted_for: bytes = b""  # the version that is no longer there


class Worker:
    """What pulls need, and how one runs."""

    def __init__(self, tree: Tree, fetcher: Fetcher, journal: PullJournal, emit: Emit) -> None:
        self._tree = tree
        self._fetcher = fetcher
        self._journal = journal
        self._emit = emit
        self._news = threading.Condition()

    def tree_changed(self) -> None:
        """The other announced something: pulls that wait for a new version look again."""
        with self._news:
            self._news.notify_all()

    def run(self, running: Running) -> None:
        """Pull; ends with an event, unless this peer is stopping."""
        began = time.monotonic()
        try:
            entry = self._run(running)
        except FetchCancelled:
            if not running.stopping:
                self.tell_cancelled(running)
        except FetchError as error:
            self._fail(running, error.code, _TEXTS[error.code], errno.EIO)
        except NameClash as error:
            self._fail(running, "name-clash", _said(error), errno.EEXIST)
        except FileExistsError as error:
            self._fail(running, "file-exists", _said(error), errno.EEXIST)
        except FileNotFoundError as error:
            self._fail(running, "no-such-file", _said(error), errno.ENOENT)
        except OSError as error:
            self._fail(running, "write-failed", _said(error), error.errno or errno.EIO)
        else:
            record = running.record
            self._journal.delete(record.path)
            running.ended = True
            self._emit(
                PullFinished(
                    path=record.path,
                    to=record.to,
                    bytes=entry.size,
                    wire_bytes=running.wire_bytes,
                    duration_ms=(time.monotonic() - began) * 1000,
                    hash=entry.root.hex(),
                )
            )

    def tell_cancelled(self, running: Running) -> None:
        """Say that a pull was cancelled."""
        self._fail(running, "cancelled", "cancelled; what is here is kept", errno.ECANCELED)

    def _run(self, running: Running) -> Entry:
        """Return the entry that was pulled. Raises FetchError, FetchCancelled, OSError."""
        while True:
            entry = self._source(running)
            try:
                self._attempt(running, entry)
            except FetchError as error:
                if error.code == LOST:
                    running.waiting = True
                    self._fetcher.wait_until_connected(running.cancelled, None)
                elif error.code in ("source-changed", "gone"):
                    self._await_news(running, entry, error.code)
                else:
                    raise
            else:
                return entry
            if running.cancelled.is_set():
                raise FetchCancelled

    def _source(self, running: Running) -> Entry:
        """Return what is to be pulled now; forget a part of another version."""
        record = running.record
        entry = self._tree.get(record.path)
        if entry is None or entry.folder or entry.mine:
            raise FileNotFoundError(errno.ENOENT, "the other no longer shares it", record.path)
        if entry.root != record.root:
            self._tell_restarted(running, record.root)
            Path(record.part).unlink(missing_ok=True)
            running.record = replace(record, root=entry.root, size=entry.size)
            self._journal.put(running.record)
        return entry

    def _await_news(self, running: Running, entry: Entry, code: str) -> None:
        """Wait until the other announces what became of the file, or it is time to ask again."""
        if code == "source-changed":
            self._tell_restarted(running, entry.root)
        running.waiting = True

        def is_news() -> bool:
            now = self._tree.get(running.record.path)
            return now is None or now.root != entry.root or running.cancelled.is_set()

        with self._news:
            self._news.wait_for(is_news, ASK_AGAIN_S)

    def _tell_restarted(self, running: Running, root: bytes) -> None:
        """Say once of a version that it is no longer there, whichever side finds out."""
        if running.restarted_for != root:
            running.restarted_for = root
            record = running.record
            self._emit(PullRestarted(path=record.path, to=record.to, reason="source-changed"))

    def _attempt(self, running: Running, entry: Entry) -> None:
        """Fetch what is missing of this version and put the file in its place."""
        record = running.record
        target, place = Path(record.to), Path(record.part)
        if not os.path.lexists(place) and is_there(target, entry):
            running.done_bytes = entry.size
            return
        hashes = fetch_hashes(self._fetcher, entry, running.cancelled)
        part = Part.open(place, known=True)
        try:
            missing = part.missing(entry.size, hashes)
            wanted = sum(block_length(entry.size, index) for index in missing)
            running.done_bytes, running.waiting = entry.size - wanted, False
            self._emit(
                PullBegin(
                    path=record.path,
                    to=record.to,
                    total_bytes=entry.size,
                    resumed_bytes=running.done_bytes,
                )
            )
            part.check_space(wanted)
            progress = _Progress(running, entry.size, self._emit)

            def take(index: int, block: memoryview) -> None:
                write_at(part.descriptor, index * BLOCK_BYTES, block)
                start_writing(part.descriptor, index * BLOCK_BYTES, len(block))
                progress.add(len(block))

            fetch_blocks(self._fetcher, entry, hashes, missing, take, running.cancelled)
            progress.tell()
            part.commit(target, entry, overwrite=record.overwrite)
        finally:
            os.close(part.descriptor)

    def _fail(self, running: Running, code: str, reason: str, number: int) -> None:
        record = replace(running.record, active=False)
        self._journal.put(record)
        running.ended = True
        self._emit(
            PullFailed(
                path=record.path,
                to=record.to,
                code=code,
                reason=reason,
                errno=errno.errorcode.get(number),
            )
        )


class _Progress:
    """Counts verified bytes, and tells of them at most every PROGRESS_INTERVAL_S."""

    def __init__(self, running: Running, total: int, emit: Callable[[PullProgress], None]) -> None:
        self._running, self._total, self._emit = running, total, emit
        self._began = self._told = time.monotonic()
        self._before = running.done_bytes

    def add(self, count: int) -> None:
        self._running.done_bytes += count
        self._running.wire_bytes += count
        if time.monotonic() - self._told >= PROGRESS_INTERVAL_S:
            self.tell()

    def tell(self) -> None:
        running, now = self._running, time.monotonic()
        fetched = running.done_bytes - self._before
        running.bytes_per_second = fetched / max(now - self._began, 1e-6)
        self._told = now
        self._emit(
            PullProgress(
                path=running.record.path,
                to=running.record.to,
                done_bytes=running.done_bytes,
                total_bytes=self._total,
                bytes_per_second=running.bytes_per_second,
            )
        )


def _said(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'EIO')})"
