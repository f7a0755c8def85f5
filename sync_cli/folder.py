"""The content side of a synchronised folder: all that the network and the program ask of it.

Every method blocks and is thread-safe. Every method may raise IndexTrouble, and OSError where the
disk fails.
"""

import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from headless.envelope import Event
from sync_cli.batch import UNSCANNED
from sync_cli.database import Database, IndexTrouble
from sync_cli.exchange import Exchange, IndexRenewedError, Met
from sync_cli.foreign import Foreign
from sync_cli.history import HistoryRow
from sync_cli.incoming import Incoming
from sync_cli.model import Entry, Kind
from sync_cli.peers import Known
from sync_cli.place import BLOCKED
from sync_cli.record import Recorder
from sync_cli.serve import Reader
from sync_cli.settle import Applied, Need, Settler
from sync_cli.site import FOLDER_GONE, MANY_GONE, FolderError, HaltedError, Options, Site
from sync_cli.tree import Tree

__all__ = [
    "Applied",
    "FileRow",
    "Folder",
    "FolderError",
    "HaltedError",
    "Incoming",
    "IndexRenewedError",
    "IndexTrouble",
    "Known",
    "Met",
    "Need",
    "Options",
]  # fmt: skip

INDEX_FILE = "index.sqlite"
_PAGE = 1000


class FileRow(NamedTuple):
    """What is at a path here, and the ids of the other peers that have the same."""

    entry: Entry
    holders: tuple[str, ...]


class Folder:
    """One synchronised folder. Make it with `open`; it must be scanned before it is told of."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.foreign = Foreign(site)
        self._exchange = Exchange(site)
        self._recorder = Recorder(site)
        self._settler = Settler(site)
        self._reader = Reader(site)
        self._scanning = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._restless: set[bytes] = set()
        self._has_debris = False
        self._pending_locally = True
        self._was_scanned = False
        site.changed = self._tell_listeners

    @classmethod
    def open(
        cls,
        root: Path,
        state_dir: Path,
        peer_id: str,
        options: Options,
        emit: Callable[[Event], None],
        report: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ) -> "Folder":
        """Open a folder and its index. Raises FolderError with one clear line.

        A folder that was known and is gone is no error: it is halted until it is back.
        """
        try:
            database = Database(state_dir / INDEX_FILE)
        except IndexTrouble as error:
            raise FolderError(str(error)) from error
        site = Site(root, database, peer_id, options, emit, report)
        try:
            site.open()
            folder = cls(site)
            folder._begin()
        except BaseException:
            site.close()
            raise
        return folder

    def close(self) -> None:
        """Let go of everything."""
        self._reader.close()
        with self._site.lock:
            self._site.note_time()
            self._site.close()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in any thread, whenever our index or what is needed has changed."""
        self._listeners.append(listener)

    # Our index, and those of others.

    @property
    def index_id(self) -> str:  # noqa: D102 - see Database
        return self._site.database.index_id

    @property
    def sequence(self) -> int:  # noqa: D102 - see Database
        return self._site.database.sequence

    def news(self, sequence: int, limit: int) -> tuple[list[tuple[int, Entry]], int]:
        """Return what changed in our index after a number, in order, and up to which this is all.

        The last numbers may be those of forgotten paths.
        """
        with self._site.database.transaction(durable=False):
            found = self._site.index.since(sequence, limit)
            return found, found[-1][0] if len(found) == limit else self.sequence

    def meet(self, peer_id: str, index_id: str, taken_of_ours: tuple[str, int]) -> Met:
        """Take in a peer's hello: the id of its index, and how much of which of ours it has taken.

        Returns after which number of theirs, and of ours, to go on. Raises IndexRenewedError when
        ours goes on under a new id, because it has lost what it told: say hello again.
        """
        return self._exchange.meet(peer_id, index_id, taken_of_ours)

    def taken(self, peer_id: str) -> tuple[str, int]:
        """Return how much of which index of a peer is taken here: for our hello."""
        peer = self._site.peers.get(peer_id)
        return ("", 0) if peer is None else (peer.index_id, peer.taken)

    def take(self, peer_id: str, entries: Sequence[tuple[int, Entry]], upto: int) -> None:
        """Take in checked entries of a peer that was met; when it returns, acknowledge `upto`."""
        self._exchange.take(peer_id, entries, upto)

    def settled(self, peer_id: str) -> int:
        """Return the peer's number up to which everything of it is in force here."""
        return self._exchange.settled(peer_id)

    def peer_settled(self, peer_id: str, sequence: int) -> None:
        """Note that everything of ours up to a number is in force at a peer."""
        self._exchange.peer_settled(peer_id, sequence)

    def peers(self) -> list[Known]:
        """Return the known peers, away or not."""
        return [
            Known(
                peer.peer_id,
                peer.index_id,
                peer.taken,
                self._exchange.settled(peer.peer_id),
                peer.their_settled,
                peer.seen_ns,
            )
            for peer in self._site.peers.all()
        ]

    def in_step(self) -> bool:
        """Tell whether all of every known peer is in force here, ours there, and all is scanned."""
        return (
            not self._pending_locally
            and not self._restless
            and self._site.halted is None
            and self._exchange.in_step()
        )

    def expire(self, connected: Collection[str]) -> None:
        """Forget peers that were away too long, and deletions that all others know of."""
        self._exchange.expire(frozenset(connected))

    # The folder.

    def scan(self, paths: Collection[bytes] | None = None) -> None:
        """Bring the index up to date with the folder, or with these paths.

        While the folder is halted it does nothing, unless the cause is gone. What is not still is
        left to `restless`.
        """
        with self._scanning:
            try:
                again = self._recorder.scan(paths)
                restless = again if paths is None else self._restless.difference(paths) | again
                if paths is None or (self._has_debris and not restless):
                    self._settler.purge()
                    # What is not scanned yet may turn out to be what a temporary file was for.
                    self._has_debris = bool(restless)
            except HaltedError:
                self._restless = set()  # when it goes on, all of it is scanned
                return
            self._restless = set(restless)
            if paths is None:
                self._pending_locally = False
                self._was_scanned = True
            if not again:
                self._site.wants.retry(UNSCANNED, *BLOCKED)
        self._tell_listeners()  # even without a change: now all may be in step

    @property
    def may_be_told_of(self) -> bool:
        """Whether the index is as the folder is, or nothing can be found out about the folder."""
        return self._was_scanned or self._site.halted is not None

    def restless(self) -> frozenset[bytes]:
        """Return paths to scan again soon."""
        with self._scanning:
            found = self._settler.unscanned | self._reader.unscanned
            self._settler.unscanned -= found
            self._reader.unscanned -= found
            self._restless |= found
            return frozenset(self._restless)

    def note_changes(self) -> None:
        """Note that the folder has changed and is not scanned yet, so it is not in step."""
        self._pending_locally = True

    def note_scanned(self) -> None:
        """Note that all noted changes are scanned."""
        self._pending_locally = False
        self._tell_listeners()

    def settle(self) -> bool:
        """Apply all that needs no bytes from others; tell whether anything changed."""
        changed = self._settler.settle()
        if self._settler.unscanned:
            self.scan(self.restless())
            changed |= self._settler.settle()
        return changed

    def needs(
        self,
        limit: int,
        skip: Collection[bytes] = (),
        online: Collection[str] | None = None,
    ) -> list[Need]:
        """Return files whose bytes must be fetched now, but none of the paths in `skip`.

        With `online`, only files that one of these peers has. None while the folder is halted or
        paused, or the disk is nearly full.
        """
        return self._settler.needs(limit, skip, online)

    def holders(self, entry: Entry) -> tuple[str, ...]:
        """Return the ids of the peers that have the content of a needed file by now."""
        return self._settler.holders(entry)

    def begin(self, need: Need) -> Incoming:
        """Begin a fetch with what is here already: see `Incoming.missing`.

        Raises OSError, and HaltedError. End it with `apply` or `give_up`.
        """
        return self._settler.begin(need.entry)

    def apply(self, incomings: Sequence[Incoming]) -> list[Applied]:
        """Put complete files into place, all in one batch."""
        outcomes = self._settler.apply(incomings)
        if self._settler.unscanned:
            self.scan(self.restless())
        return outcomes

    def give_up(self, incoming: Incoming, *, keep: bool = True, is_full: bool = False) -> None:
        """End a fetch without its file: see `Settler.give_up`. Raises OSError."""
        self._settler.give_up(incoming, keep=keep, is_full=is_full)

    def read_block(self, content: bytes, block: int) -> bytes | None:
        """Return a block of the file with this hash; None if it is not (any more) here."""
        running = self._settler.running(content)
        if running is not None:
            data = running.read_block(block)
            if data is not None:
                return data
        return self._reader.read(content, block)

    def held_blocks(self, content: bytes) -> list[bool] | None:
        """Tell which blocks of a running fetch are here; None if there is no such fetch."""
        running = self._settler.running(content)
        return None if running is None else running.held_blocks()

    # Questions and commands.

    @property
    def halted(self) -> str | None:
        """The code of what stopped all changes, if something did."""
        return self._site.halted

    @property
    def paused(self) -> bool:
        """Whether nothing is fetched or applied on request."""
        return self._site.paused

    def pause(self) -> None:
        """Need nothing, and apply nothing of others, until `resume`."""
        self._site.paused = True

    def resume(self) -> None:
        """Go on after a pause or a halt: what is there now, and what is not, is meant.

        Raises HaltedError when the folder cannot be reached.
        """
        site = self._site
        with site.lock:
            site.paused = False
            halted, site.halted = site.halted, None
            if halted == MANY_GONE:
                site.allow_gone = True
            elif halted is not None and halted != FOLDER_GONE:
                try:
                    site.mark()
                except OSError as error:
                    site.halt(FOLDER_GONE, f"The folder {site.root} cannot be reached: {error}")
            site.reach()
        if halted is not None:
            self.scan()
        self._tell_listeners()

    def is_reachable(self) -> bool:
        """Look whether the folder is there and its marker in it; halts if not."""
        try:
            self._site.reach()
        except HaltedError:
            return False
        return True

    @property
    def tree(self) -> Tree | None:
        """The folder, to be watched; None if it is gone."""
        return self._site.tree

    def ignores(self, path: bytes) -> bool:
        """Tell whether what is in a folder is ignored."""
        return self._site.covers(path, Kind.FOLDER)

    def totals(self) -> tuple[int, int]:
        """Return how many files are here, and how many bytes they have."""
        return self._site.index.totals()

    def files(self, prefix: bytes = b"") -> Iterator[FileRow]:
        """Go through what is here whose path begins with a prefix; by folder, then by name."""
        index, peers = self._site.index, self._site.peers.all()
        after = b""
        while rows := index.after(after, _PAGE):
            after = rows[-1].entry.path
            for row in rows:
                if row.entry.path.startswith(prefix):
                    differ = {wanted.peer for wanted in self._site.wants.of(row.entry.path)}
                    yield FileRow(
                        row.entry,
                        tuple(
                            peer.peer_id
                            for peer in peers
                            if peer.their_settled >= row.sequence and peer.number not in differ
                        ),
                    )

    def out_of_step(self, limit: int = 1000) -> list[tuple[bytes, str]]:
        """Return paths that are not as others have them or that cannot be read, and why."""
        found = dict(list(self._site.trouble.items())[:limit])
        for path in self._site.wants.all(b"", limit):
            for wanted in self._site.wants.of(path):
                if not wanted.ignored and len(found) < limit:
                    found.setdefault(path, wanted.why or _waits(wanted.entry))
        return sorted(found.items())

    def history(self, path: bytes) -> list[HistoryRow]:
        """Return what happened to a path, oldest first."""
        return self._site.history.of(path)

    def _begin(self) -> None:
        """Find out how long this peer was away."""
        site = self._site
        with site.lock, site.database.transaction():
            site.was_away = site.now_ns() - site.last_time_ns() > site.options.tombstone_ns
            if site.was_away:
                for peer in site.peers.all():
                    site.wants.forget(peer.number)
                    site.peers.forget(peer.number)
        self.expire(())

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()


def _waits(entry: Entry) -> str:
    if entry.kind is Kind.FILE:
        return "It is not fetched yet."
    return "It was deleted elsewhere." if not entry.alive else "It is not made yet."
