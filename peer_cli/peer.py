"""The peer: wires the parts together, one method per command."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from peer_cli import messages
from peer_cli.games import Games
from peer_cli.install import transaction
from peer_cli.install.unpacker import Unpacker
from peer_cli.library.folder import LibraryError, check_games_dir
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.library.watch import watch_library
from peer_cli.limits import RateLimiter, parse_rate
from peer_cli.messages import CommandError
from peer_cli.network import wire
from peer_cli.network.address import Address, parse_address
from peer_cli.network.certificate import self_signed, server_tls
from peer_cli.network.connections import ConnectError, Connections
from peer_cli.network.handshake import LocalParty
from peer_cli.network.listener import Listener
from peer_cli.network.peers import KnownPeers, is_source
from peer_cli.network.session import Question, Session
from peer_cli.startup import Opened
from peer_cli.transfer import staging
from peer_cli.transfer.fetch import DownloadContext, Source
from peer_cli.transfer.serve import Server

POOL_THREADS = 256
WATCH_RESCAN_S = 30.0


class Peer:
    """One running peer. `start`, then `handle` commands, then `stop`; all on one event loop."""

    def __init__(
        self,
        opened: Opened,
        index: ContentIndex,
        emit: Callable[[messages.Event], None],
    ) -> None:
        settings, catalog, identity, swarm_key, listening, address = opened
        self._settings = settings
        self._catalog = catalog
        self._identity = identity
        self._emit = emit
        self._started = time.monotonic()
        self._address = address
        self._scanned = asyncio.Event()
        self._upload_limiter = RateLimiter(settings.upload_limit)
        self._download_limiter = RateLimiter(settings.download_limit)
        self._pool = ThreadPoolExecutor(POOL_THREADS, "bulk")
        self._index = index
        self._library = Library(settings.games_dir.absolute(), index)
        self._peers = KnownPeers(emit)
        certificate = self_signed(identity.private_key)
        self._connections = Connections(
            LocalParty(identity, settings.name, address.port, swarm_key, certificate),
            address,
            self._peers,
            server_tls(certificate, settings.state_dir),
            advertised=self._advertised,
            answer=self._answer,
        )
        context = DownloadContext(
            settings.state_dir, self._download_limiter, self._pool, settings.stall_timeout_s, emit
        )
        unpacker = Unpacker(unrar=settings.unrar, fixture=settings.unpacker == "fixture")
        self._games = Games(
            self._library,
            catalog,
            context,
            unpacker,
            self._sources,
            self._connections.broadcast_library,
        )
        self._server = Server(
            self._library,
            catalog,
            self._upload_limiter,
            unpacker,
            self._pool,
            lambda game_id: game_id in self._games.operations.games(),
        )
        self._listener = Listener(listening, self._connections.accept, self._serve)
        self._background: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._handlers: dict[type[messages.Command], Callable[[Any], Any]] = {
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
        """Begin to accept and read the library; returns when commands can be handled."""
        self._spawn(self._listener.run())
        await asyncio.to_thread(self._prepare_library)
        await self._library.rescan()
        self._emit(messages.LocalLibraryChanged(games=self._library.rows()))
        self._scanned.set()
        self._watch()
        if self._settings.mdns:
            self._spawn(self._discover())

    async def handle(self, command: messages.Command) -> messages.Result:
        """Carry out or accept a command. Raises CommandError."""
        handler = self._handlers[type(command)]
        result: messages.Result | Coroutine[Any, Any, messages.Result] = handler(command)
        return await result if asyncio.iscoroutine(result) else result

    async def stop(self) -> None:
        """End transfers, roll back what is under way, say goodbye."""
        if self._watcher is not None:
            self._watcher.cancel()
        await self._games.operations.cancel_all()
        self._server.close()
        await self._connections.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._index.close()

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

    def _list_peers(self, _: messages.ListPeers) -> messages.ListPeersResult:
        return messages.ListPeersResult(
            peers=[
                messages.PeerRow(
                    peer_id=peer.peer_id,
                    name=peer.name,
                    addr=str(peer.addr),
                    game_count=len(peer.games),
                    games=[
                        messages.AdvertisedGame(
                            id=game.id,
                            eti_version=game.version,
                            availability=game.availability,
                            downloaded=game.downloaded,
                            installed=game.installed,
                            size=game.size,
                        )
                        for _, game in sorted(peer.games.items())
                    ],
                )
                for peer in self._peers.all()
            ]
        )

    def _list_games(self, _: messages.ListGames) -> messages.ListGamesResult:
        offers: dict[str, list[wire.Game]] = {}
        for peer in self._peers.all():
            for game in peer.games.values():
                if is_source(game, self._catalog):
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

    async def _cancel_download(self, command: messages.CancelDownload) -> messages.Empty:
        await self._games.operations.cancel(command.game_id, ("Downloading", "StreamInstalling"))
        return messages.Empty()

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
        self._check_idle()
        try:
            path = await asyncio.to_thread(_usable_games_dir, command.path)
        except LibraryError as error:
            raise CommandError("bad-games-dir", str(error)) from error
        self._check_idle()  # an operation may have begun meanwhile
        self._library.games_dir = path
        self._watch()
        await self._games.library_changed(frozenset())
        return messages.SetGamesDirResult(path=str(path))

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

    # --- what the parts ask for ---------------------------------------------------------------

    def _limits(self) -> messages.Limits:
        return messages.Limits(
            upload=self._upload_limiter.rate, download=self._download_limiter.rate
        )

    def _sources(self, game_id: str) -> Sequence[Source]:
        return [
            Source(peer.peer_id, peer.addr, peer.session)
            for peer in self._peers.sources(game_id, self._catalog)
        ]

    async def _answer(self, session: Session, question: Question) -> wire.Answer:
        await self._scanned.wait()
        return await self._server.answer(session, question)

    async def _serve(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        self._spawn(self._server.serve(connection, origin, ticket))

    async def _advertised(self) -> list[wire.Game]:
        await self._scanned.wait()
        return self._library.advertised(self._games.operations.games())

    def _prepare_library(self) -> None:
        games_dir, state_dir = self._library.games_dir, self._settings.state_dir
        staging.recover(games_dir, state_dir, report=_report)
        for problem in transaction.recover(games_dir):
            _report(problem)
        self._index.forget_missing(games_dir)

    async def _discover(self) -> None:
        from peer_cli.network.discovery import discover  # late: few peers need it

        async def connect(peer_id: str, address: Address) -> None:
            if self._peers.get(peer_id) is None:
                with contextlib.suppress(ConnectError):  # its announcement may be older than it
                    await self._connections.connect(address)

        await discover(self._identity.peer_id, self._address, self._settings.name, connect)

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
        # A game under an operation is looked at when that ends; until then it changes all the time.
        idle = game_ids - self._games.operations.games()
        if idle or not game_ids:
            self._spawn(self._games.library_changed(idle))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _usable_games_dir(text: str) -> Path:
    path = Path(text).absolute()
    check_games_dir(path)
    return path


def _rate(value: str | int | None) -> int | None:
    try:
        return parse_rate(str(value)) if value is not None else None
    except ValueError as error:
        raise CommandError("bad-argument", f"Bad arguments of set-limits: {error}") from None


def _report(text: str) -> None:
    print(f"peer-cli: {text}", file=sys.stderr)
