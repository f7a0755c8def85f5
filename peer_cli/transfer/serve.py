"""The serving side: checks requests, issues tickets, and sends in threads."""

import asyncio
import secrets
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from headless.threads import run_to_end
from network.address import Address
from network.limits import RateLimiter
from network.turns import Turns
from peer_cli.catalog import Catalog
from peer_cli.install import unpacker
from peer_cli.install.transaction import archives_of
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.index import UnreadableBlock
from peer_cli.library.library import Library
from peer_cli.library.scan import LocalGame
from peer_cli.names import ServedPaths, check_served_path
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, Question, Session
from peer_cli.startup import report
from peer_cli.transfer.dataplane import (
    RECEIVER_STALL_S,
    DataConnection,
    TransferCancelledError,
    TransferLostError,
)
from peer_cli.transfer.manifest import Manifest
from peer_cli.transfer.records import KEY_BYTES, RecordWriter
from peer_cli.transfer.sealing import KEY_BYTES as SEAL_KEY_BYTES
from peer_cli.transfer.send import send_ranges
from peer_cli.transfer.tickets import TicketBook
from store.names import UnsafeName

HASHING_NEWS_S = 0.5
UNREADABLE = "unreadable"  # denial code for trouble with this peer's disk
_HASHING_THREADS = 8  # games hashed at once
_CHECKING_THREADS = 4  # requests checked at once


class Slots(NamedTuple):
    """How many transfers may be outgoing at once, in total and to one address.

    A ticket that can still be redeemed counts as a transfer. The limit is per address, because
    identities cost nothing. Requests beyond it are denied as `busy`.
    """

    total: int
    per_address: int


DOWNLOADS = Slots(64, 16)
STREAMS = Slots(8, 2)  # each runs a helper with a dictionary of its own


@dataclass(frozen=True, slots=True)
class TransferJob:
    """What a ticket entitles to: ranges of a game, or its unpacked entries in keyed records."""

    game_id: str
    root: Path
    ip: str  # of the receiver
    ranges: tuple[wire.Range, ...] = ()
    stream_key: bytes | None = None
    seal: bytes | None = None  # the key, if the data is encrypted


def check_slots(job: TransferJob, others: Sequence[TransferJob]) -> None:
    """Check that there is a slot for a job beside the active ones. Raises DeniedError. Pure."""
    slots = DOWNLOADS if job.ranges else STREAMS
    rivals = [other for other in others if bool(other.ranges) == bool(job.ranges)]
    if len(rivals) >= slots.total:
        raise DeniedError("busy", f"{slots.total} such transfers are going out already")
    if sum(other.ip == job.ip for other in rivals) >= slots.per_address:
        raise DeniedError("busy", f"{slots.per_address} such transfers go to {job.ip} already")


def admit(game_id: str, catalog: Catalog, game: LocalGame | None, *, active: bool) -> None:
    """Apply the checks that every request must pass. Raises DeniedError. Pure."""
    if game_id not in catalog:
        raise DeniedError("not-in-catalog", f"{game_id} is not in the catalog of this peer")
    if active:
        raise DeniedError("operation-active", f"{game_id} is being changed right now")
    if game is None or not game.downloaded:
        raise DeniedError("not-downloaded", f"{game_id} is not downloaded here")
    if game.problem is not None:
        raise DeniedError(UNREADABLE, f"{game_id} is incomplete here: {game.problem}")
    if game.version != catalog[game_id].version:
        raise DeniedError("wrong-version", f"{game_id} is here at version {game.version}")


def check_ranges(root: Path, ranges: list[wire.Range]) -> None:
    """Check every range against the disk as it is now, each file once. Raises DeniedError."""
    sizes: dict[str, int] = {}
    paths = ServedPaths(root)
    for wanted in ranges:
        if wanted.path not in sizes:
            sizes[wanted.path] = _served_size(paths, wanted.path)
        if wanted.offset + wanted.length > sizes[wanted.path]:
            raise DeniedError("bad-range", f"{wanted.path!r} has only {sizes[wanted.path]} bytes")


def _served_size(paths: ServedPaths, relative: str) -> int:
    try:
        file = paths.resolve(check_served_path(relative)).stat(follow_symlinks=False)
    except UnsafeName as error:
        raise DeniedError("bad-path", str(error)) from error
    except OSError as error:
        raise DeniedError("bad-path", f"{relative!r}: {error.strerror}") from error
    if not stat.S_ISREG(file.st_mode):
        raise DeniedError("bad-path", f"{relative!r} is not a regular file")
    return file.st_size


class _Hashing:
    """The hashing of one game, shared by all peers that ask for its manifest meanwhile."""

    def __init__(self, pool: ThreadPoolExecutor, library: Library, game_id: str) -> None:
        self.progress = (0, 0)  # bytes done, total bytes
        self.cancelled = threading.Event()
        self.files = asyncio.get_running_loop().run_in_executor(
            pool, library.files, game_id, self.cancelled, self._progress
        )

    def _progress(self, done: int, total: int) -> None:
        self.progress = (done, total)


class Server:
    """Answers requests of connected peers, and sends what their tickets entitle them to.

    Work for other peers runs in threads of its own, so it never takes threads from what the user of
    this peer asks for.
    """

    def __init__(
        self,
        library: Library,
        catalog: Catalog,
        limiter: RateLimiter,
        archives: Unpacker,
        is_active: Callable[[str], bool],
        *,
        encrypt: bool = False,
    ) -> None:
        self._library = library
        self._catalog = catalog
        self._limiter = limiter
        self._unpacker = archives
        self._sending = ThreadPoolExecutor(DOWNLOADS.total + STREAMS.total, "send")
        self._checking = ThreadPoolExecutor(_CHECKING_THREADS, "check")
        self._hashers = ThreadPoolExecutor(_HASHING_THREADS, "hash")
        self._is_active = is_active
        self._encrypt = encrypt
        self._tickets: TicketBook[TransferJob] = TicketBook(time.monotonic)
        self._outbound: dict[DataConnection, TransferJob] = {}
        self._turns = Turns()
        self._closing = False
        self._answering: set[asyncio.Task[Any]] = set()
        self._hashing: dict[Path, _Hashing] = {}

    def outbound_counts(self) -> dict[str, int]:
        """Return the number of outgoing transfers per game id."""
        return dict(Counter(job.game_id for job in list(self._outbound.values())))

    async def answer(self, session: Session, question: Question) -> wire.Answer:
        """Answer a request; `close` cancels the task that does. Raises DeniedError."""
        if self._closing:
            raise DeniedError("busy", "this peer is stopping")
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            return await self._answer(session, question)
        finally:
            self._answering.remove(task)

    async def _answer(self, session: Session, question: Question) -> wire.Answer:
        admit(
            question.game_id,
            self._catalog,
            self._library.game(question.game_id),
            active=self._is_active(question.game_id),
        )
        match question:
            case wire.GetDigest() | wire.GetManifest():
                # All who wait for the same hashing wait together, and each of them gets the
                # progress.
                whose = (session.addr.ip, question.game_id, type(question))
                async with self._turns.turn(whose, alone=False):
                    return await self._manifest(session, question)
            case wire.OpenTransfer():
                root = self._library.root(question.game_id)
                async with self._turns.turn(session.addr.ip):
                    await run_to_end(self._checking, lambda: check_ranges(root, question.ranges))
                seal = self._seal(question)
                ranges = tuple(question.ranges)
                job = TransferJob(question.game_id, root, session.addr.ip, ranges, seal=seal)
                ticket = self._ticket(question, job)
                return wire.Ticket(request=question.request, ticket=ticket, seal=seal)
            case wire.OpenStream():
                key = secrets.token_bytes(KEY_BYTES)
                root = self._library.root(question.game_id)
                seal = self._seal(question)
                ip = session.addr.ip
                job = TransferJob(question.game_id, root, ip, stream_key=key, seal=seal)
                ticket = self._ticket(question, job)
                return wire.StreamTicket(
                    request=question.request, ticket=ticket, key=key, seal=seal
                )

    async def serve(self, connection: socket.socket, origin: Address, ticket: bytes) -> str | None:
        """Serve a data connection whose ticket was read; close it silently if that is invalid.

        Returns the game's id when this peer's disk failed, because the game then needs a rescan.
        """
        job = None if self._closing else self._tickets.redeem(ticket, origin.ip)
        if job is None:
            connection.close()
            return None
        data = DataConnection(self._limiter)
        self._outbound[data] = job
        whole = await asyncio.get_running_loop().run_in_executor(
            self._sending, self._send, data, connection, job
        )
        return None if whole else job.game_id

    def close(self) -> None:
        """Cut all outgoing transfers, stop hashing, and wait for the threads to end."""
        self._closing = True
        for task in self._answering:
            task.cancel()  # it could use no thread any more
        for data in list(self._outbound):
            data.cancel()
        for hashing in self._hashing.values():
            hashing.cancelled.set()
        for threads in (self._sending, self._checking, self._hashers):
            threads.shutdown(wait=True, cancel_futures=True)

    async def _manifest(
        self, session: Session, question: wire.GetDigest | wire.GetManifest
    ) -> wire.Digest | wire.ManifestReply:
        """Answer with the game's files; send progress while they are hashed."""
        game_id = question.game_id
        root = self._library.root(game_id)  # not by id: the library may move to another folder
        hashing = self._hashing.get(root)
        if hashing is None:
            if len(self._hashing) >= _HASHING_THREADS:
                raise DeniedError("busy", f"{_HASHING_THREADS} games are already being hashed")
            hashing = self._hashing[root] = _Hashing(self._hashers, self._library, game_id)
            hashing.files.add_done_callback(lambda files: self._hashed(root, files))
        while not hashing.files.done():
            await asyncio.wait([hashing.files], timeout=HASHING_NEWS_S)
            done, total = hashing.progress
            session.send(wire.Hashing(request=question.request, done=done, total=total))
        try:
            files = hashing.files.result()
        except (OSError, UnsafeName) as error:
            raise DeniedError(UNREADABLE, f"{game_id}: {error}") from error
        version = self._catalog[game_id].version
        if isinstance(question, wire.GetManifest):
            return wire.ManifestReply(
                request=question.request, game_id=game_id, version=version, files=files
            )
        manifest = Manifest(game_id, version, tuple(files))
        digest, attributes = await run_to_end(self._checking, manifest.opinion)
        return wire.Digest(
            request=question.request, game_id=game_id, version=version,
            digest=digest, attributes=attributes,
        )  # fmt: skip

    def _hashed(self, root: Path, files: "asyncio.Future[list[wire.File]]") -> None:
        del self._hashing[root]
        if not files.cancelled():
            files.exception()  # retrieved, because every peer that asked may be gone by now

    def _seal(self, question: wire.OpenTransfer | wire.OpenStream) -> bytes | None:
        """Return a new key when either side wants its data encrypted."""
        encrypted = question.encrypt or self._encrypt
        return secrets.token_bytes(SEAL_KEY_BYTES) if encrypted else None

    def _ticket(self, question: wire.OpenTransfer | wire.OpenStream, job: TransferJob) -> bytes:
        game_id = question.game_id
        if question.version != self._catalog[game_id].version:
            raise DeniedError("wrong-version", f"{game_id} is not here at {question.version}")
        check_slots(job, [*self._outbound.values(), *self._tickets.open_jobs()])
        return self._tickets.issue(job, job.ip)

    def _send(self, data: DataConnection, connection: socket.socket, job: TransferJob) -> bool:
        """Send, in a thread. On any failure the receiver sees an early end.

        Returns False when this peer's disk failed.
        """
        try:
            data.attach(connection, RECEIVER_STALL_S)
            data.seal(job.seal)
            if job.stream_key is None:
                send_ranges(data, job.root, job.ranges)
            else:
                self._send_entries(data, job.root, job.stream_key)
        except UnreadableBlock as error:
            self._library.cannot_read(job.game_id, error)
            return False
        except (TransferLostError, TransferCancelledError):
            pass
        except (OSError, UnsafeName) as error:  # not the connection: that raises what is above
            report(f"{job.game_id} could not be sent: {error}")
            return False
        finally:
            # Before the receiver can see the end, so that a query it then makes no longer counts
            # it.
            del self._outbound[data]
            data.close()
            connection.close()
        return True

    def _send_entries(self, data: DataConnection, root: Path, key: bytes) -> None:
        """Unpack the game's archives in a helper and send its output, including failures."""
        with self._unpacker.start(archives_of(root), for_others=True) as helper:
            assert helper.stdout is not None
            try:
                # A cancel must end the helper too: its silent pipe would block this thread.
                data.on_cancel(lambda: unpacker.stop(helper))
                data.send_records(helper.stdout.fileno(), RecordWriter(key))
            finally:
                unpacker.stop(helper)
