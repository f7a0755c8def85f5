"""The serving side: what may be asked for, tickets, and the threads that send."""

import asyncio
import os
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from peer_cli.catalog import Catalog
from peer_cli.install import unpacker
from peer_cli.install.transaction import archives_of
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.library import Library
from peer_cli.library.scan import LocalGame
from peer_cli.limits import RateLimiter
from peer_cli.names import UnsafeName, check_served_path, resolve_served
from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.session import DeniedError, Question, Session
from peer_cli.transfer.dataplane import (
    RECEIVER_STALL_S,
    DataConnection,
    TransferCancelledError,
    TransferLostError,
)
from peer_cli.transfer.tickets import TicketBook

MAX_OUTBOUND = 64  # data connections served at once; further ones are told `busy`
HASHING_NEWS_S = 0.5


@dataclass(frozen=True, slots=True)
class TransferJob:
    """What a ticket opens: these ranges of a game, or, without ranges, its unpacked entries."""

    game_id: str
    root: Path
    ranges: tuple[wire.Range, ...]


def admit(game_id: str, catalog: Catalog, game: LocalGame | None, *, active: bool) -> None:
    """Apply the gates every request has to pass. Raises DeniedError. Pure."""
    if game_id not in catalog:
        raise DeniedError("not-in-catalog", f"{game_id} is not in the catalog of this peer")
    if active:
        raise DeniedError("operation-active", f"{game_id} is being changed right now")
    if game is None or not game.downloaded:
        raise DeniedError("not-downloaded", f"{game_id} is not downloaded here")
    if game.version != catalog[game_id].version:
        raise DeniedError("wrong-version", f"{game_id} is here at version {game.version}")


def check_ranges(root: Path, ranges: list[wire.Range]) -> None:
    """Check every range against the disk as it is now. Raises DeniedError."""
    for wanted in ranges:
        try:
            file = resolve_served(root, check_served_path(wanted.path)).stat(follow_symlinks=False)
        except UnsafeName as error:
            raise DeniedError("bad-path", str(error)) from error
        except OSError as error:
            raise DeniedError("bad-path", f"{wanted.path!r}: {error.strerror}") from error
        if not stat.S_ISREG(file.st_mode):
            raise DeniedError("bad-path", f"{wanted.path!r} is not a regular file")
        if wanted.offset + wanted.length > file.st_size:
            raise DeniedError("bad-range", f"{wanted.path!r} has only {file.st_size} bytes")


class _Hashing:
    """The hashing of one game, shared by all who ask for its manifest meanwhile."""

    def __init__(self, pool: ThreadPoolExecutor, library: Library, game_id: str) -> None:
        self.progress = (0, 0)  # bytes done, bytes in all
        self.cancelled = threading.Event()
        self.files = asyncio.get_running_loop().run_in_executor(
            pool, library.files, game_id, self.cancelled, self._progress
        )

    def _progress(self, done: int, total: int) -> None:
        self.progress = (done, total)


class Server:
    """Answers requests of connected peers and sends what their tickets open."""

    def __init__(
        self,
        library: Library,
        catalog: Catalog,
        limiter: RateLimiter,
        archives: Unpacker,
        pool: ThreadPoolExecutor,
        is_active: Callable[[str], bool],
    ) -> None:
        self._library = library
        self._catalog = catalog
        self._limiter = limiter
        self._unpacker = archives
        self._pool = pool
        self._is_active = is_active
        self._tickets: TicketBook[TransferJob] = TicketBook(time.monotonic)
        self._outbound: dict[DataConnection, str] = {}
        self._hashing: dict[Path, _Hashing] = {}

    def outbound_counts(self) -> dict[str, int]:
        """Return how many transfers go out per game id."""
        return dict(Counter(list(self._outbound.values())))

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        """Answer a request. Raises DeniedError."""
        admit(
            question.game_id,
            self._catalog,
            self._library.game(question.game_id),
            active=self._is_active(question.game_id),
        )
        match question:
            case wire.GetManifest():
                return await self._manifest(session, question)
            case wire.OpenTransfer():
                root = self._library.root(question.game_id)
                await asyncio.to_thread(check_ranges, root, question.ranges)
                return self._ticket(session, question, tuple(question.ranges))
            case wire.OpenStream():
                return self._ticket(session, question, ())

    async def serve(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        """Serve a data connection whose ticket has been read; without a word if it is no good."""
        job = self._tickets.redeem(ticket, origin.ip)
        if job is None:
            connection.close()
            return
        data = DataConnection(self._limiter)
        self._outbound[data] = job.game_id
        await asyncio.get_running_loop().run_in_executor(
            self._pool, self._send, data, connection, job
        )

    def close(self) -> None:
        """Cut all outgoing transfers, and stop hashing."""
        for data in list(self._outbound):
            data.cancel()
        for hashing in self._hashing.values():
            hashing.cancelled.set()

    async def _manifest(self, session: Session, question: wire.GetManifest) -> wire.ManifestReply:
        """Answer with the game's files; while they are hashed, tell how far that is."""
        game_id = question.game_id
        root = self._library.root(game_id)  # not the id: the library may move to another folder
        hashing = self._hashing.get(root)
        if hashing is None:
            hashing = self._hashing[root] = _Hashing(self._pool, self._library, game_id)
            hashing.files.add_done_callback(lambda _: self._hashing.pop(root))
        while not hashing.files.done():
            await asyncio.wait([hashing.files], timeout=HASHING_NEWS_S)
            done, total = hashing.progress
            session.send(wire.Hashing(request=question.request, done=done, total=total))
        try:
            files = hashing.files.result()
        except (OSError, UnsafeName) as error:
            raise DeniedError("unreadable", f"{game_id}: {error}") from error
        version = self._catalog[game_id].version
        return wire.ManifestReply(
            request=question.request, game_id=game_id, version=version, files=files
        )

    def _ticket(
        self,
        session: Session,
        question: wire.OpenTransfer | wire.OpenStream,
        ranges: tuple[wire.Range, ...],
    ) -> wire.Ticket:
        game_id = question.game_id
        if question.version != self._catalog[game_id].version:
            raise DeniedError("wrong-version", f"{game_id} is not here at {question.version}")
        if len(self._outbound) >= MAX_OUTBOUND:
            raise DeniedError("busy", f"{MAX_OUTBOUND} transfers are going out already")
        job = TransferJob(game_id, self._library.root(game_id), ranges)
        ticket = self._tickets.issue(job, session.addr.ip)
        if ticket is None:
            raise DeniedError("busy", "too many tickets are waiting to be used")
        return wire.Ticket(request=question.request, ticket=ticket)

    def _send(self, data: DataConnection, connection: socket.socket, job: TransferJob) -> None:
        """Send, in a thread. What goes wrong shows at the receiver as an early end."""
        try:
            data.attach(connection, RECEIVER_STALL_S)
            if job.ranges:
                _send_ranges(data, job)
            else:
                self._send_entries(data, job)
        except (OSError, UnsafeName, TransferLostError, TransferCancelledError):
            pass
        finally:
            # Before the receiver can see the end: who asks on its word finds it out of the count.
            del self._outbound[data]
            data.close()
            connection.close()

    def _send_entries(self, data: DataConnection, job: TransferJob) -> None:
        """Unpack the game's archives in a helper and send what it writes, failures included."""
        with self._unpacker.start(archives_of(job.root)) as helper:
            assert helper.stdout is not None
            try:
                # A cancel has to end the helper too: while it says nothing, its pipe blocks.
                data.on_cancel(lambda: unpacker.stop(helper))
                data.send_pipe(helper.stdout.fileno())
            finally:
                unpacker.stop(helper)


def _send_ranges(data: DataConnection, job: TransferJob) -> None:
    for wanted in job.ranges:
        # Checked again: the disk may have changed since the ticket was issued.
        path = resolve_served(job.root, check_served_path(wanted.path))
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data.send_file(file, wanted.offset, wanted.length)
        finally:
            os.close(file)
