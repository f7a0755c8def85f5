"""A peer: keeps one folder in step with those of all other peers."""

import asyncio
import contextlib
import time

from headless.envelope import Command, CommandError, Empty, Value
from headless.output import Output
from headless.tasks import end_tasks
from network.acceptor import Acceptor
from network.address import Address, canonical_ip
from network.certificate import server_tls
from network.limits import RateLimiter
from sync_cli import messages, rows, wire
from sync_cli.block_server import BlockServer
from sync_cli.contacts import Contacts
from sync_cli.conversation import Conversation
from sync_cli.fetch import Fetcher
from sync_cli.folder import HaltedError, IndexRenewedError, IndexTrouble
from sync_cli.front import Front
from sync_cli.instep import InStep, View
from sync_cli.keeper import Keeper
from sync_cli.legacy.adopt import Adopter
from sync_cli.legacy.serve import LegacyServer
from sync_cli.links import Links, Owner, make_self
from sync_cli.model import path_bytes, path_text
from sync_cli.session import EndReason, Session
from sync_cli.startup import Opened, report
from sync_cli.tracking import Tracking
from sync_cli.worker import Worker

CHANGE_PAUSE_S = 0.01


class Peer(Owner):
    """Its sessions with other peers and the tracker, and what the folder makes of them."""

    def __init__(self, opened: Opened, output: Output) -> None:
        settings, folder = opened.settings, opened.folder
        assert opened.identity is not None
        root = settings.folder
        assert folder is not None
        assert root is not None
        own = make_self(opened.identity, settings.name, opened.address, opened.key)
        self._opened = opened
        self._folder = folder
        self._output = output
        self._links = Links(own, self)
        self._contacts = Contacts(self._links, settings.state_dir)
        self._tracking = Tracking(self._links, settings.tracker, output)
        upload = RateLimiter(settings.upload_limit)
        self._server = BlockServer(server_tls(own.party.certificate), folder.read_block, upload)
        own_ip, download = opened.address.ip, RateLimiter(settings.download_limit)
        self._adopter = Adopter(folder, root, own_ip, download, output)
        self._fetcher = Fetcher(
            folder,
            output,
            opened.identity.peer_id,
            own_ip,
            download,
            self._drop_liar,
            self._tell_having,
        )
        self._instep = InStep(folder, self._view)
        self._keeper = Keeper(
            folder, lambda: list(self._conversations), tombstone_s=settings.tombstone_s
        )
        # The legacy wire has no secrets.
        self._legacy = (
            None if opened.key else LegacyServer(root, RateLimiter(settings.upload_limit))
        )
        front = Front(self._links, self._server, self._legacy)
        self._acceptor = Acceptor("sync-cli", opened.listening, front.greet)
        self._index = Worker("index")
        self._conversations: dict[str, tuple[Conversation, asyncio.Task[None]]] = {}
        self._told: set[str] = set()  # of whom `peer-connected` was the last event
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._is_in_step = False
        self._answering: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()

    async def start(self) -> None:
        """Begin to scan; others are met once that is done."""
        self._folder.on_change(self._on_change)
        self._tasks = [
            asyncio.create_task(self._keeper.run()),
            asyncio.create_task(self._fetcher.run()),
            asyncio.create_task(self._adopter.run()),
            asyncio.create_task(self._follow_changes()),
            asyncio.create_task(self._meet_others()),
        ]

    async def stop(self) -> None:
        """Say goodbye to all, and end everything; nothing half-written stays under a real name."""
        await end_tasks([*self._tasks, *self._answering])
        await self._contacts.stop()
        await self._links.close()
        await end_tasks([task for _, task in self._conversations.values()])
        if self._legacy is not None:
            await self._legacy.stop()
        self._server.stop()
        self._instep.stop()
        await self._index.run(self._folder.close)
        self._index.stop()

    async def handle(self, command: Command) -> Value:
        """Execute a command. Raises CommandError."""
        try:
            return await self._handle(command)
        except IndexTrouble as error:
            raise CommandError("index-failed", str(error)) from error
        except OSError as error:
            text = f"The folder cannot be read: {error}."
            raise CommandError("folder-unreadable", text) from error

    async def _handle(self, command: Command) -> Value:
        match command:
            case messages.Status():
                return await self._index.run(self._status)
            case messages.ListPeers():
                return await self._index.run(self._list_peers)
            case messages.ListFiles():
                return await self._index.run(lambda: self._list_files(command.prefix))
            case messages.Scan():
                await self._instep.scan()
                files, size = await self._index.run(self._folder.totals)
                return messages.ScanResult(files=files, bytes=size)
            case messages.WaitInStep():
                return await self._wait_in_step(command.timeout_ms)
            case messages.Pause():
                self._folder.pause()
                self._fetcher.wake()
                return Empty()
            case messages.Resume():
                return await self._resume()
            case messages.History():
                return await self._index.run(lambda: self._history(command.path))
        raise AssertionError(command)

    # --- connections --------------------------------------------------------------------------

    async def _meet_others(self) -> None:
        """Wait for the first scan; only then is the index true."""
        while not self._folder.may_be_told_of:
            self._changed.clear()
            if not self._folder.may_be_told_of:
                await self._changed.wait()
        self._contacts.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._acceptor.run())
            group.create_task(self._tracking.run())

    async def greeting(self, peer_id: str) -> wire.Start:
        """Return the first message for that peer."""
        taken_index, taken = await self._index.run(lambda: self._folder.taken(peer_id))
        return wire.Start(
            role="peer",
            index=self._folder.index_id,
            taken_index=taken_index,
            taken=taken,
            token=self._server.token_for(peer_id),
            certificate=self._links.own.party.certificate.fingerprint,
        )

    async def opened(self, session: Session) -> None:
        """Begin to exchange indexes."""
        await self._output.caught_up()
        begin = taken = 0
        if session.is_peer:
            start = session.start
            try:
                met = await self._index.run(
                    lambda: self._folder.meet(
                        session.peer_id, start.index, (start.taken_index, start.taken)
                    )
                )
            except IndexRenewedError:
                session.abort("connection-lost")  # both say hello again, with the new index
                return
            if self._links.sessions.get(session.peer_id) is not session:
                return  # replaced meanwhile
            taken, begin = met
            self._server.token_for(session.peer_id)  # an older session may have ended it
            self._contacts.told(session.peer_id, session.addr)
        conversation = Conversation(session, self._folder, self._index, begin, taken)
        task = asyncio.create_task(conversation.run())
        self._conversations[session.peer_id] = conversation, task
        if not session.is_peer:
            self._tracking.opened(session)
            return
        self._fetcher.sources.joined(session)
        if session.peer_id not in self._told:
            self._told.add(session.peer_id)
            self._output.emit(
                messages.PeerConnected(
                    peer_id=session.peer_id, name=session.remote.name, addr=str(session.addr)
                )
            )
        self._tell_contacts(session)
        self._on_loop_change()

    def closed(self, session: Session, reason: EndReason) -> None:
        """End what belonged to a session; one that replaces it is no event."""
        found = self._conversations.get(session.peer_id)
        if found is not None and found[0].session is session:
            del self._conversations[session.peer_id]
            found[1].cancel()
        if not session.is_peer:
            self._tracking.closed(reason)
            self._on_loop_change()
            return
        self._fetcher.sources.left(session)
        self._instep.lost(session.peer_id)
        if reason != "duplicate":
            self._server.leave(session.peer_id)
            self._told.discard(session.peer_id)
            self._output.emit(
                messages.PeerDisconnected(
                    peer_id=session.peer_id,
                    name=session.remote.name,
                    addr=str(session.addr),
                    reason=reason,
                )
            )
        self._contacts.lost(session.peer_id)
        self._on_loop_change()

    async def on_message(self, session: Session, message: wire.SessionMessage) -> None:
        """Take a message. Raises WireError."""
        await self._output.caught_up()
        found = self._conversations.get(session.peer_id)
        if found is None or found[0].session is not session:
            return
        conversation = found[0]
        match message:
            case wire.Taken():
                await conversation.on_taken(message)
            case wire.Swarm():
                self._on_swarm(session, message)
            case wire.LegacyFiles() if not session.is_peer:
                self._adopter.told(message.files)
            case wire.Entries() if session.is_peer:
                await conversation.on_entries(message)
            case wire.Having() if session.is_peer:
                self._fetcher.sources.having(session.peer_id, message.hash, message.blocks)
            case wire.Check() if session.is_peer:
                task = asyncio.create_task(self._instep.answer(session, message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case wire.Checked() if session.is_peer:
                self._instep.on_checked(session, message)

    def _on_swarm(self, session: Session, message: wire.Swarm) -> None:
        for place in message.peers:
            with contextlib.suppress(ValueError):
                self._contacts.told(place.peer_id, Address(canonical_ip(place.ip), place.port))
        if not session.is_peer:
            self._tracking.on_swarm(frozenset(place.peer_id for place in message.peers))
            self._on_loop_change()

    def _tell_contacts(self, session: Session) -> None:
        """Tell a new peer whom this one is connected to: the tracker may be gone."""
        places = [
            wire.Place(peer_id=one.peer_id, ip=one.addr.ip, port=one.addr.port)
            for one in self._links.sessions.values()
            if one.is_peer and one is not session
        ]
        session.send(wire.Swarm(peers=places[: wire.MAX_SWARM]))

    def _tell_having(self, content: bytes, bitmap: bytes) -> None:
        for conversation, _ in self._conversations.values():
            if conversation.session.is_peer:
                conversation.session.send(wire.Having(hash=content, blocks=bitmap))

    def _drop_liar(self, peer_id: str, reason: str) -> None:
        report(f"{peer_id} is asked for nothing more: {reason}")
        self._output.emit(messages.SourceDropped(peer_id=peer_id, reason=reason))
        self._fetcher.wake()

    # --- changes ------------------------------------------------------------------------------

    def _on_change(self) -> None:
        """The folder has changed; called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            self._loop.call_soon_threadsafe(self._on_loop_change)

    def _on_loop_change(self) -> None:
        self._changed.set()

    async def _follow_changes(self) -> None:
        """Pass on that something has changed, in bursts."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._fetcher.wake()
            self._instep.changed()
            for conversation, _ in self._conversations.values():
                conversation.changed()
            await self._tell_in_step()
            await asyncio.sleep(CHANGE_PAUSE_S)

    async def _tell_in_step(self) -> None:
        view = self._view()
        in_step = (
            bool(view.sessions) and not view.unmet and await self._index.run(self._folder.in_step)
        )
        if in_step and not self._is_in_step:
            files, size = await self._index.run(self._folder.totals)
            self._output.emit(messages.InStep(files=files, bytes=size))
        self._is_in_step = in_step

    def _view(self) -> View:
        sessions = {
            one: found[0].session
            for one, found in self._conversations.items()
            if found[0].session.is_peer
        }
        unmet = self._tracking.listed - sessions.keys() - {self._links.own.peer_id}
        return View(sessions, frozenset(unmet), self._tracking.pending)

    # --- commands -----------------------------------------------------------------------------

    async def _wait_in_step(self, timeout_ms: int) -> messages.WaitInStepResult:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._instep.wait()
        except TimeoutError:
            raise CommandError(
                "timeout", f"Not in step after {timeout_ms} ms: {self._instep.why}."
            ) from None
        files, size = await self._index.run(self._folder.totals)
        return messages.WaitInStepResult(files=files, bytes=size)

    async def _resume(self) -> Value:
        try:
            await self._index.run(self._folder.resume)
        except HaltedError as error:
            raise CommandError("halted", str(error)) from error
        return Empty()

    def _status(self) -> messages.StatusResult:
        files, size = self._folder.totals()
        settings = self._opened.settings
        return messages.StatusResult(
            role="peer",
            legacy=False,
            peer_id=self._links.own.peer_id,
            name=settings.name,
            addr=str(self._opened.address),
            tracker=self._tracking.state,
            tracker_addr=str(settings.tracker) if settings.tracker else None,
            peers=len(self._told),
            files=files,
            bytes=size,
            out_of_step=[
                messages.PathProblem(path=path_text(path), why=why)
                for path, why in self._folder.out_of_step()
            ],
            halted=self._folder.halted,
            paused=self._folder.paused,
            uptime_s=time.monotonic() - self._began,
        )

    def _list_peers(self) -> messages.ListPeersResult:
        sequence = self._folder.sequence
        connected = dict(self._links.sessions)
        found = []
        for known in self._folder.peers():
            session = connected.get(known.peer_id)
            found.append(
                messages.PeerRow(
                    peer_id=known.peer_id,
                    name=session.remote.name if session is not None else "",
                    addr=str(session.addr) if session is not None else "",
                    connected=session is not None,
                    legacy=False,
                    in_step=known.settled >= known.taken and known.their_settled >= sequence,
                )
            )
        return messages.ListPeersResult(peers=sorted(found, key=lambda row: row.peer_id or ""))

    def _list_files(self, prefix: str) -> messages.ListFilesResult:
        own = self._links.own.peer_id
        return rows.list_files(
            (row.entry, sorted((own, *row.holders)))
            for row in self._folder.files(path_bytes(prefix))
        )

    def _history(self, path: str) -> messages.HistoryResult:
        return messages.HistoryResult(
            versions=[rows.history_row(one) for one in self._folder.history(path_bytes(path))]
        )
