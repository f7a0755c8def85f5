"""The peer: wires the parts together, one method per command."""

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from headless.envelope import Command, CommandError, Empty, LongReply, Value
from headless.output import Output
from headless.tasks import end_tasks
from network.address import Address, parse_address
from network.certificate import self_signed, server_tls
from network.handshake import LocalParty, Protocol
from network.limits import RateLimiter, parse_rate
from peer_cli import messages
from peer_cli.games import Games
from peer_cli.games_folder import GamesFolder
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.folder import LibraryError
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.library.watch import watch_library
from peer_cli.network import PROTOCOL_VERSION, wire
from peer_cli.network.connections import ConnectError, Connections
from peer_cli.network.listener import Listener
from peer_cli.network.peers import KnownPeer, KnownPeers, is_source
from peer_cli.network.session import DeniedError, Question, Session
from peer_cli.startup import Opened, report
from peer_cli.transfer.bans import Bans
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.serve import UNREADABLE, Server

POOL_THREADS = 256  # for the user's own operations; serving others has a separate pool
WATCH_RESCAN_S = 30.0

PROTOCOL = Protocol(b"lan-spread handshake 2", PROTOCOL_VERSION)


class LocalPeer:
    """One running peer. `start`, then `handle` commands, then `stop`; all on one event loop."""

    def __init__(
        self,
        opened: Opened,
        index: ContentIndex,
        output: Output,
    ) -> None:
        settings, catalog, identity, swarm_key, listening, address, *locks = opened
        self._settings = settings
        self._catalog = catalog
        self._identity = identity
        self._emit = output.emit
        self._started = time.monotonic()
        self._address = address
        self._scanned = asyncio.Event()
        self._upload_limiter = RateLimiter(settings.upload_limit)
        self._download_limiter = RateLimiter(settings.download_limit)
        self._pool = ThreadPoolExecutor(POOL_THREADS, "own")
        self._index = index
        self._library = Library(settings.games_dir.absolute(), index, report)
        self._folder = GamesFolder(settings, self._library, index, *locks)
        self._peers = KnownPeers(output.emit)
        certificate = self_signed(identity.private_key)
        self._connections = Connections(
            LocalParty(PROTOCOL, identity, settings.name, address.port, swarm_key, certificate),
            address,
            self._peers,
            server_tls(certificate),
            advertised=self._advertised,
            answer=self._answer,
            caught_up=output.caught_up,
        )
        self._bans = Bans()
        context = DownloadContext(
            settings.state_dir,
            self._download_limiter,
            self._pool,
            settings.stall_timeout_s,
            output.emit,
            output.caught_up,
            self._ban,
            encrypt=settings.encrypt_data,
        )
        unpacker = Unpacker(unrar=settings.unrar, fixture=settings.unpacker == "fixture")
        self._games = Games(
            self._library,
            catalog,
            context,
            unpacker,
            self._sources,
            self._connections.broadcast_library,
            read_only=settings.read_only,
        )
        self._server = Server(
            self._library,
            catalog,
            self._upload_limiter,
            unpacker,
            lambda game_id: game_id in self._games.operations.games(),
            encrypt=settings.encrypt_data,
        )
        self._listener = Listener(listening, self._connections.accept, self._serve)
        self._background: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._handlers: dict[type[Command], Callable[[Any], Any]] = {
            messages.Status: self._status,
            messages.ListPeers: self._list_peers,
            messages.ListGames: self._list_games,
            messages.Connect: self._connect,
            messages.WaitPeers: self._wait_peers,
            messages.Download: self._download,
            messages.StreamInstall: self._stream_install,
            messages.CancelDownload: self._cancel_download,
            messages.Install: self._install,
            messages.Uninstall: self._uninstall,
            messages.Remove: self._remove,
            messages.Play: self._play,
            messages.SetGamesDir: self._set_games_dir,
            messages.SetLimits: self._set_limits,
        }

    async def start(self) -> None:
        """Start accepting connections and read the library; then commands can be handled."""
        self._spawn(self._listener.run())
        await asyncio.to_thread(self._folder.recover, self._library.games_dir)
        await self._library.rescan()
        self._emit(messages.LocalLibraryChanged(games=self._library.rows()))
        self._scanned.set()
        self._watch()
        if self._settings.mdns:
            self._spawn(self._discover())

    async def handle(self, command: Command) -> Value:
        """Execute or accept a command. Raises CommandError."""
        handler = self._handlers[type(command)]
        result: Value | Coroutine[Any, Any, Value] = handler(command)
        return await result if asyncio.iscoroutine(result) else result

    async def stop(self) -> None:
        """End transfers, roll back active operations, say goodbye."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._games.operations.cancel_all()
        self._server.close()
        await self._connections.close()
        await end_tasks(self._background)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._index.close()
        self._folder.close()

    # --- commands -----------------------------------------------------------------------------

    def _status(self, _: messages.Status) -> messages.StatusResult:
        return messages.StatusResult(
            peer_id=self._identity.peer_id,
            name=self._settings.name,
            addr=str(self._address),
            active_operations=self._games.operations.rows(),
            active_outbound_transfers=self._server.outbound_counts(),
            limits=self._limits(),
            uptime_s=time.monotonic() - self._started,
        )

    def _list_peers(self, _: messages.ListPeers) -> LongReply:
        # All libraries together may be large, and their texts twice as large.
        known = self._peers.all()
        now = [(peer.peer_id, peer.name, str(peer.addr), peer.games) for peer in known]
        kept = sum(peer.library_bytes for peer in known)
        return LongReply("peers", itertools.starmap(_peer_row, now), kept)

    def _list_games(self, _: messages.ListGames) -> messages.ListGamesResult:
        offers: dict[str, list[wire.Game]] = {}
        for peer in self._peers.all():
            for game in peer.games.values():
                if is_source(game, self._catalog) and not self._is_banned(game.id, peer):
                    offers.setdefault(game.id, []).append(game)
        return messages.ListGamesResult(
            local=self._library.rows(),
            remote=[
                messages.RemoteGameRow(
                    id=game_id,
                    peer_count=len(games),
                    eti_game_version=self._catalog[game_id].version,
                    size=max(game.size for game in games),
                )
                for game_id, games in sorted(offers.items())
            ],
        )

    async def _connect(self, command: messages.Connect) -> messages.ConnectResult:
        try:
            session = await self._connections.connect(parse_address(command.addr))
        except ValueError as error:
            raise CommandError("bad-argument", f"Bad arguments of connect: {error}.") from None
        except ConnectError as error:
            raise CommandError(error.code, str(error)) from error
        return messages.ConnectResult(peer_id=session.peer_id, addr=str(session.addr))

    async def _wait_peers(self, command: messages.WaitPeers) -> messages.WaitPeersResult:
        enough = asyncio.Event()

        def look() -> None:
            if len(self._peers) >= command.count:
                enough.set()

        unwatch = self._peers.watch(look)
        look()
        try:
            async with asyncio.timeout(command.timeout_ms / 1000):
                await enough.wait()
        except TimeoutError:
            raise CommandError(
                "timeout",
                f"{len(self._peers)} of {command.count} peers are known "
                f"after {command.timeout_ms} ms",
            ) from None
        finally:
            unwatch()
        return messages.WaitPeersResult(count=len(self._peers))

    def _download(self, command: messages.Download) -> messages.Accepted:
        self._games.download(command.game_id, install=command.install)
        return messages.Accepted(game_id=command.game_id, operation="Downloading")

    def _stream_install(self, command: messages.StreamInstall) -> messages.Accepted:
        self._games.stream_install(command.game_id)
        return messages.Accepted(game_id=command.game_id, operation="StreamInstalling")

    async def _cancel_download(self, command: messages.CancelDownload) -> Empty:
        await self._games.operations.cancel(command.game_id, ("Downloading", "StreamInstalling"))
        return Empty()

    def _install(self, command: messages.Install) -> messages.Accepted:
        self._games.install(command.game_id)
        return messages.Accepted(game_id=command.game_id, operation="Installing")

    def _uninstall(self, command: messages.Uninstall) -> messages.Accepted:
        self._games.uninstall(command.game_id)
        return messages.Accepted(game_id=command.game_id, operation="Uninstalling")

    def _remove(self, command: messages.Remove) -> messages.Accepted:
        self._games.remove(command.game_id)
        return messages.Accepted(game_id=command.game_id, operation="Removing")

    async def _play(self, command: messages.Play) -> messages.PlayResult:
        return messages.PlayResult(outcome=await self._games.play(command))

    async def _set_games_dir(self, command: messages.SetGamesDir) -> messages.SetGamesDirResult:
        try:
            changed = await self._folder.move(command.path, self._check_idle)
        except LibraryError as error:
            raise CommandError("bad-games-dir", str(error)) from error
        self._watch()
        if changed:
            self._games.announce_library()
        return messages.SetGamesDirResult(path=str(self._library.games_dir))

    def _check_idle(self) -> None:
        active = ", ".join(sorted(self._games.operations.games()))
        if active:
            raise CommandError(
                "operation-in-progress", f"operations are active ({active}): wait or cancel them"
            )

    def _set_limits(self, command: messages.SetLimits) -> messages.Limits:
        upload, download = _rate(command.upload), _rate(command.download)
        self._upload_limiter.set_rate(upload)
        self._download_limiter.set_rate(download)
        return self._limits()

    # --- callbacks of the parts ---------------------------------------------------------------

    def _limits(self) -> messages.Limits:
        return messages.Limits(
            upload=self._upload_limiter.rate, download=self._download_limiter.rate
        )

    def _sources(self, game_id: str) -> Sequence[Source]:
        return [
            Source(peer.peer_id, peer.addr, peer.session)
            for peer in self._peers.sources(game_id, self._catalog)
            if not self._is_banned(game_id, peer)
        ]

    def _is_banned(self, game_id: str, peer: KnownPeer) -> bool:
        return self._bans.holds(game_id, peer.peer_id, peer.games)

    def _ban(self, game_id: str, source: Source, reason: str) -> None:
        peer = self._peers.get(source.peer_id)
        if peer is not None:  # otherwise it has left, and its bans with it
            self._bans.add(game_id, peer.peer_id, peer.games)
        self._emit(messages.SourceBanned(game_id=game_id, peer_id=source.peer_id, reason=reason))

    async def _answer(self, session: Session, question: Question) -> wire.Answer:
        await self._scanned.wait()
        try:
            return await self._server.answer(session, question)
        except DeniedError as error:
            if error.code == UNREADABLE:
                self._library_touched(frozenset([question.game_id]))
            raise

    async def _serve(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        async def serve() -> None:
            game_id = await self._server.serve(connection, origin, ticket)
            if game_id is not None:
                self._library_touched(frozenset([game_id]))

        self._spawn(serve())

    async def _advertised(self) -> list[wire.Game]:
        await self._scanned.wait()
        return self._library.advertised(self._games.operations.games())

    async def _discover(self) -> None:
        # Imported late, because few peers need it.
        from peer_cli.network.announced import AnnouncedPeers
        from peer_cli.network.discovery import discover

        async def connect(address: Address) -> str:
            return (await self._connections.connect(address)).peer_id

        announced = AnnouncedPeers(self._peers, connect)
        own_id, name = self._identity.peer_id, self._settings.name
        try:
            await discover(own_id, self._address, name, announced.heard, announced.withdrawn)
        finally:
            announced.close()

    def _watch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        watching = watch_library(
            self._library.games_dir,
            self._library_touched,
            rescan_every=WATCH_RESCAN_S,
        )
        self._watcher = self._spawn(watching)

    def _library_touched(self, game_ids: frozenset[str]) -> None:
        # A game under an operation changes all the time; it is rescanned when that ends.
        idle = game_ids - self._games.operations.games()
        if idle or not game_ids:
            self._spawn(self._games.library_changed(idle))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _peer_row(
    peer_id: str, name: str, addr: str, games: Mapping[str, wire.Game]
) -> messages.PeerRow:
    return messages.PeerRow(
        peer_id=peer_id,
        name=name,
        addr=addr,
        game_count=len(games),
        games=[
            messages.AdvertisedGame(
                id=game.id,
                eti_version=game.version,
                availability=game.availability,
                downloaded=game.downloaded,
                installed=game.installed,
                size=game.size,
            )
            for _, game in sorted(games.items())
        ],
    )


def _rate(value: str | int | None) -> int | None:
    try:
        return parse_rate(str(value)) if value is not None else None
    except ValueError as error:
        raise CommandError("bad-argument", f"Bad arguments of set-limits: {error}") from None
