"""What the parts of the content side share: the folder, the database, whether they may be used."""

import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from headless.envelope import Event
from store.folder_lock import FolderInUse, FolderLock, lock_folder
from sync_cli.database import Database
from sync_cli.decide import Verdict, judge, offered
from sync_cli.history import History
from sync_cli.ignore import IGNORE_FILE, Ignore, read_ignore
from sync_cli.index import Index
from sync_cli.messages.events import Halted
from sync_cli.model import OWN_FOLDER, Entry, Kind
from sync_cli.peers import Peers
from sync_cli.tree import KEPT, MARKER, TEMPORARY, Stamp, Tree, is_absence
from sync_cli.wants import Wants

# File systems have times as coarse as 2 s (FAT); others tick with the kernel, 10 ms at most.
COARSE_GRAIN_NS = 2_000_000_000
FINE_GRAIN_NS = 20_000_000

FOLDER_GONE = "folder-gone"
MARKER_GONE = "marker-gone"
MANY_GONE = "many-gone"

_FOLDER_ID = "folder_id"
_PAGE = 1000
_ODD_TIME_NS = 1_234_567_890_123_456_789


class FolderError(Exception):
    """The folder cannot be used; the message is one clear line."""


class HaltedError(Exception):
    """Nothing may be changed or told now; `Site.halted` says why."""


class Options(NamedTuple):
    """How a folder is synchronised: whether links are, and how long deletions are remembered."""

    links: bool = True
    tombstone_s: float = 90 * 86400.0

    @property
    def tombstone_ns(self) -> int:
        """Return how long deletions are remembered, in nanoseconds."""
        return int(self.tombstone_s * 1e9)


class Site:
    """The shared state. Whoever changes the folder or the index holds `lock`.

    `trouble` tells what is wrong with paths of this folder; `allow_gone` lets one scan pass however
    much is gone; `was_away` is set until the first scan after a time longer than deletions live.
    """

    def __init__(
        self,
        root: Path,
        database: Database,
        peer_id: str,
        options: Options,
        emit: Callable[[Event], None],
        report: Callable[[str], None],
    ) -> None:
        self.root = root
        self.database = database
        self.index = Index(database)
        self.wants = Wants(database)
        self.peers = Peers(database)
        self.history = History(database)
        self.peer_id = peer_id
        self.options = options
        self.emit = emit
        self.lock = threading.RLock()
        self.ignore = Ignore()
        self.trouble: dict[bytes, str] = {}
        self.told_clashes: set[bytes] = set()
        self.halted: str | None = None
        self.paused = False
        self.allow_gone = False
        self.was_away = False
        self.grain_ns = FINE_GRAIN_NS
        self.changed: Callable[[], None] = lambda: None
        self.report = report
        self._disk_ns = 0
        self._tree: Tree | None = None
        self._folder_lock: FolderLock | None = None
        mask = os.umask(0)
        os.umask(mask)
        self.file_mode = 0o666 & ~mask

    def open(self) -> None:
        """Open the folder; halt if it is one that was known and is gone. Raises FolderError."""
        try:
            self._open_tree()
            if self.database.meta(_FOLDER_ID) is None:
                self.mark()
        except OSError as error:
            if self.database.meta(_FOLDER_ID) is None:
                raise FolderError(
                    f"The folder {self.root} cannot be used: {error.strerror}. "
                    "Create it, or name another one."
                ) from error
        except FolderInUse as error:
            raise FolderError(f"The folder {self.root} is in use by {error}.") from error

    def close(self) -> None:
        """Let go of the folder and the database."""
        with self.lock:
            self._close_tree()
            self.database.close()

    def reach(self) -> Tree:
        """Return the folder if it may be used. Raises HaltedError.

        A folder that is gone ends no work but halts it: what is in it may be all there, elsewhere.
        """
        with self.lock:
            try:
                if self._tree is None or not self._tree.is_in_place():
                    self._close_tree()
                    self._open_tree()
                tree = self._tree
                assert tree is not None
                known = self.database.meta(_FOLDER_ID)
                if known is not None and _marker(tree) != known:
                    self.halt(MARKER_GONE, f"{self.root}/{os.fsdecode(MARKER)} is missing")
                    raise HaltedError(MARKER_GONE)
            except (OSError, FolderInUse) as error:
                self.halt(FOLDER_GONE, f"The folder {self.root} cannot be reached: {error}")
                raise HaltedError(FOLDER_GONE) from error
            if self.halted in (FOLDER_GONE, MARKER_GONE):
                self.halted = None
            if self.halted is not None:
                raise HaltedError(self.halted)
            return tree

    @property
    def tree(self) -> Tree | None:
        """The folder as it was last reached; None if it is gone. Good enough to read from."""
        return self._tree

    def mark(self) -> None:
        """Make the folder known by its marker, a new one if it has none. Raises OSError."""
        tree = self._tree
        if tree is None:
            self._open_tree()
            tree = self._tree
        assert tree is not None
        known = self.database.meta(_FOLDER_ID) or _marker(tree) or secrets.token_hex(16)
        folder = tree.open_folder(OWN_FOLDER, make=True)
        try:
            aside = os.open(
                "marker.new",
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW,
                0o644,
                dir_fd=folder,
            )
            try:
                os.write(aside, known.encode())
                os.fsync(aside)
            finally:
                os.close(aside)
            os.rename("marker.new", "marker", src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)
        self.database.set_meta(_FOLDER_ID, known)

    def halt(self, code: str, reason: str) -> None:
        """Stop changing and telling anything; once per cause, an event says so."""
        with self.lock:
            if self.halted != code:
                self.halted = code
                self.emit(Halted(code=code, reason=reason))

    def note_time(self) -> None:
        """Note in the database that this peer was here now."""
        self.database.set_meta("seen_ns", str(self.now_ns()))

    def last_time_ns(self) -> int:
        """Return when this peer was here last; now for a new one."""
        return int(self.database.meta("seen_ns") or self.now_ns())

    def now_ns(self) -> int:
        """Return the time in unix nanoseconds."""
        return time.time_ns()

    def is_still(self, tree: Tree, stamp: Stamp) -> bool:
        """Tell whether another write would change this stamp, or could still leave it as it is.

        It asks the clock that made the stamp, which is that of the disk. Raises OSError.
        """
        if stamp.ctime_ns + self.grain_ns <= self._disk_ns:
            return True
        marker = tree.open_file(MARKER)
        try:
            os.fchmod(marker, 0o644)  # gives it a new change time
            self._disk_ns = os.fstat(marker).st_ctime_ns
        finally:
            os.close(marker)
        return not 0 <= self._disk_ns - stamp.ctime_ns < self.grain_ns

    def covers(self, path: bytes, kind: Kind) -> bool:
        """Tell whether a path is not synchronised here, by `.syncignore` or as a link."""
        if kind is Kind.LINK and not self.options.links:
            return True
        return self.ignore.covers(path, folder=kind is Kind.FOLDER)

    def read_ignore(self, tree: Tree) -> bool:
        """Read `.syncignore`; tell whether it has changed. Raises OSError.

        Patterns that cannot be understood leave the earlier ones in force.
        """
        try:
            ignore = read_ignore(tree)
        except ValueError as error:
            self.trouble[IGNORE_FILE] = f"Its patterns cannot be understood: {error}."
            return False
        self.trouble.pop(IGNORE_FILE, None)
        if ignore.lines == self.ignore.lines:
            return False
        with self.lock, self.database.transaction():
            self.ignore = ignore
            after = b""
            while paths := self.wants.all(after, _PAGE):
                for path in paths:
                    ignored = all(self.covers(path, w.entry.kind) for w in self.wants.of(path))
                    self.wants.set_ignored(path, ignored=ignored)
                after = paths[-1]
        return True

    def put(self, entry: Entry, stamp: Stamp | None, what: str, note: str = "") -> None:
        """Set what is at a path, with a new sequence number; call it in a transaction."""
        self.index.put(entry, stamp, self.database.next_sequence())
        self.history.note(self.now_ns(), what, entry, note)
        for wanted in self.wants.of(entry.path):
            theirs = offered(entry, wanted.entry)
            if judge(entry, theirs) is Verdict.KEEP:
                self.wants.remove(wanted.peer, entry.path)
            else:
                self.wants.amount_to(wanted.peer, theirs)
        self.trouble.pop(entry.path, None)
        self.told_clashes.discard(entry.path)

    def _open_tree(self) -> None:
        tree = Tree(self.root)
        try:
            self._folder_lock = lock_folder(self.root, self.peer_id, self.report, shared=False)
        except BaseException:
            tree.close()
            raise
        self._tree = tree
        known = self.database.meta(_FOLDER_ID)
        if known is None or _marker(tree) == known:
            for own in (TEMPORARY, KEPT):
                os.close(tree.open_folder(own, make=True))
            self.grain_ns = _grain_ns(tree)

    def _close_tree(self) -> None:
        if self._tree is not None:
            self._tree.close()
            self._tree = None
        if self._folder_lock is not None:
            self._folder_lock.release()
            self._folder_lock = None


def _marker(tree: Tree) -> str | None:
    try:
        descriptor = tree.open_file(MARKER)
    except OSError as error:
        if is_absence(error):
            return None
        raise
    try:
        return os.read(descriptor, 100).decode(errors="replace")
    finally:
        os.close(descriptor)


def _grain_ns(tree: Tree) -> int:
    """Find out how fine the disk's times are."""
    with tree.parent(TEMPORARY + b"/grain") as (folder, name):
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            os.utime(descriptor, ns=(_ODD_TIME_NS, _ODD_TIME_NS))
            kept = os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)
            os.unlink(name, dir_fd=folder)
    return COARSE_GRAIN_NS if kept % 1_000_000_000 == 0 else FINE_GRAIN_NS
