"""A tracker: peers find each other through it, and it knows who has what."""

import asyncio
import itertools
import socket
import time
from collections.abc import Mapping

import msgspec

from headless.envelope import Command, CommandError, Value
from headless.output import Output
from headless.tasks import end_tasks
from network.acceptor import Acceptor, is_tls, peek
from network.address import Address
from sync_cli import messages, rows, wire
from sync_cli.legacy.desk import LegacyDesk
from sync_cli.legacy.rows import list_files
from sync_cli.legacy.wire import Holder, is_exchanged
from sync_cli.links import Links, Owner, make_self
from sync_cli.model import BLOCK_SIZE, BadEntry, Kind, check_entry, path_bytes
from sync_cli.roster import Roster, RosterFullError
from sync_cli.session import EndReason, Session
from sync_cli.startup import Opened

FIRST_BYTES_TIMEOUT_S = 180.0  # a legacy peer may be silent for so long
TELL_PAUSE_S = 0.05  # changes come in bursts


class Tracker(Owner):
    """Tells peers of each other. Without an identity it speaks the legacy wire only."""

    def __init__(self, opened: Opened, output: Output) -> None:
        self._opened = opened
        self._output = output
        self._roster = Roster()
        self._desk = LegacyDesk(
            output, self._files_for_legacy, self._legacy_changed, opened.settings.silence_s
        )
        self._links: Links | None = None
        if opened.identity is not None:
            own = make_self(opened.identity, opened.settings.name, opened.address, opened.key)
            self._links = Links(own, self)
        self._acceptor = Acceptor("sync-cli", opened.listening, self._greet)
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._began = time.monotonic()

    async def start(self) -> None:
        """Accept peers from now on."""
        self._tasks = [
            asyncio.create_task(self._acceptor.run()),
            asyncio.create_task(self._tell_all()),
        ]

    async def stop(self) -> None:
        """End all connections."""
        await end_tasks(self._tasks)
        if self._links is not None:
            await self._links.close()
        await self._desk.stop()

    async def handle(self, command: Command) -> Value:
        """Execute a command. Raises CommandError."""
        match command:
            case messages.Status():
                return self._status()
            case messages.ListPeers():
                return messages.ListPeersResult(peers=self._peer_rows())
            case messages.ListFiles():
                if self._links is None:
                    return list_files(self._desk.files, command.prefix)
                return self._list_files(command.prefix)
        raise CommandError("not-for-trackers", f"A tracker has no command {command.cmd}.")

    # --- connections --------------------------------------------------------------------------

    async def _greet(self, connection: socket.socket, origin: Address) -> None:
        """Tell the two wires apart by the first byte."""
        try:
            async with asyncio.timeout(FIRST_BYTES_TIMEOUT_S):
                tls = is_tls(await peek(connection))
        except (OSError, EOFError, TimeoutError):
            connection.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        if tls and self._links is not None:
            await self._links.accept(connection, origin)
        elif self._opened.key or (tls and self._links is None):
            connection.close()  # the legacy wire has no secrets
        else:
            await self._desk.greet(connection, origin)

    async def greeting(self, peer_id: str) -> wire.Start:
        """A tracker has no index, and remembers none."""
        assert self._links is not None
        own = self._links.own
        return wire.Start(
            role="tracker", index="", taken_index="", taken=0, token=bytes(wire.TOKEN_BYTES),
            certificate=own.party.certificate.fingerprint,
        )  # fmt: skip

    async def opened(self, session: Session) -> None:
        """A peer is here."""
        if not session.is_peer:
            session.refuse("no-peer", "A tracker talks to peers only.")
            return
        self._roster.forget(session.peer_id)
        self._output.emit(
            messages.PeerConnected(
                peer_id=session.peer_id, name=session.remote.name, addr=str(session.addr)
            )
        )
        self._news.set()

    def closed(self, session: Session, reason: EndReason) -> None:
        """A peer is gone, and what it had."""
        if not session.is_peer:
            return
        self._roster.forget(session.peer_id)
        self._desk.others_changed()
        self._output.emit(
            messages.PeerDisconnected(
                peer_id=session.peer_id,
                name=session.remote.name,
                addr=str(session.addr),
                reason=reason,
            )
        )
        self._news.set()

    async def on_message(self, session: Session, message: wire.SessionMessage) -> None:
        """Take what a peer says of its files. Raises WireError."""
        await self._output.caught_up()
        if not isinstance(message, wire.Entries):
            return
        try:
            for _, entry in message.entries:
                # They come without block hashes, as if of one block.
                size = min(entry.size, BLOCK_SIZE)
                check_entry(msgspec.structs.replace(entry, size=size, blocks=b""))
            self._roster.take(session.peer_id, (entry for _, entry in message.entries))
        except (BadEntry, RosterFullError) as error:
            session.refuse("bad-entries", str(error))
            return
        self._desk.others_changed()
        self._output.emit(messages.IndexChanged(files=self._roster.count()))
        session.send(wire.Taken(upto=message.upto, settled=message.upto))

    async def _tell_all(self) -> None:
        """Tell every peer of all others whenever one comes or goes."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._links is not None:
                sessions = [one for one in self._links.sessions.values() if one.is_peer]
                swarm = wire.Swarm(
                    peers=[
                        wire.Place(peer_id=one.peer_id, ip=one.addr.ip, port=one.addr.port)
                        for one in sessions[: wire.MAX_SWARM]
                    ]
                )
                legacy = wire.LegacyFiles(
                    files=[
                        wire.LegacyFile(name=name, ip=it.ip, port=it.port, mtime=it.mtime)
                        for name, it in itertools.islice(
                            self._desk.files.items(), wire.MAX_LEGACY_FILES
                        )
                        if name.isprintable()
                    ]
                )
                for session in sessions:
                    session.send(swarm)
                    session.send(legacy)
            await asyncio.sleep(TELL_PAUSE_S)

    # --- the legacy wire ----------------------------------------------------------------------

    def _legacy_changed(self) -> None:
        self._output.emit(messages.IndexChanged(files=len(self._desk.directory())))
        self._news.set()

    def _files_for_legacy(self) -> Mapping[str, Holder]:
        """Return the files of the other wire's peers that the legacy wire can have."""
        found: dict[str, Holder] = {}
        if self._links is None:
            return found
        for session in self._links.sessions.values():
            for entry in self._roster.of(session.peer_id):
                name = entry.path.decode(errors="surrogateescape")
                mtime = entry.mtime_ns // 10**9
                if entry.kind is Kind.FILE and is_exchanged(name):
                    known = found.get(name)
                    if known is None or known.mtime < mtime:
                        found[name] = Holder(session.addr.ip, session.addr.port, mtime)
        return found

    # --- replies ------------------------------------------------------------------------------

    def _status(self) -> messages.StatusResult:
        return messages.StatusResult(
            role="tracker",
            legacy=self._links is None,
            peer_id=self._links.own.peer_id if self._links is not None else None,
            name=self._opened.settings.name,
            addr=str(self._opened.address),
            tracker="none",
            tracker_addr=None,
            peers=len(self._peer_rows()),
            files=self._roster.count() + len(self._desk.files),
            bytes=None,
            out_of_step=[],
            halted=None,
            paused=False,
            uptime_s=time.monotonic() - self._began,
        )

    def _peer_rows(self) -> list[messages.PeerRow]:
        sessions = self._links.sessions if self._links is not None else {}
        found = [
            messages.PeerRow(
                peer_id=one.peer_id,
                name=one.remote.name,
                addr=str(one.addr),
                connected=True,
                legacy=False,
                in_step=None,
            )
            for one in sorted(sessions.values(), key=lambda one: one.peer_id)
            if one.is_peer
        ]
        return found + [
            messages.PeerRow(
                peer_id=None, name="", addr=str(addr), connected=True, legacy=True, in_step=None
            )
            for addr in self._desk.places
        ]

    def _list_files(self, prefix: str) -> messages.ListFilesResult:
        return rows.list_files(
            (row.entry, row.holders) for row in self._roster.rows(path_bytes(prefix))
        )
