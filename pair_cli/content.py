"""The files of a pair (see interfaces.Content)."""

import asyncio

from headless.envelope import Command, Value
from headless.program import Emit
from headless.tasks import end_tasks
from network.limits import RateLimiter
from pair_cli import messages
from pair_cli.files import wire
from pair_cli.files.announcer import Announcer
from pair_cli.files.commands import FileCommands, rate
from pair_cli.files.fetch import Fetcher
from pair_cli.files.folder import SharedFolder
from pair_cli.files.pull import Worker
from pair_cli.files.pull_journal import PullJournal
from pair_cli.files.pulls import Pulls
from pair_cli.files.serve import Server
from pair_cli.files.tree import TREE, Tree
from pair_cli.interfaces import Channel
from pair_cli.messages import Limits, TransferRow
from pair_cli.mount.mounts import Mounts
from pair_cli.settings import PeerSettings


class Files:
    """An interfaces.Content."""

    def __init__(self, settings: PeerSettings, fingerprint: str, emit: Emit) -> None:
        self._loop = asyncio.get_running_loop()
        state = settings.state_dir
        self._tree = Tree(state / TREE, self._published)
        self._folder = SharedFolder(settings.folder, self._tree)
        self._fetcher = Fetcher(RateLimiter(settings.download_limit))
        self._server = Server(self._folder, RateLimiter(settings.upload_limit))
        self._journal = PullJournal(state / "pulls.db")
        self._worker = Worker(self._tree, self._fetcher, self._journal, emit)
        self._pulls = Pulls(self._worker, self._fetcher, self._journal)
        self._announcer = Announcer(self._tree, fingerprint, emit, self._on_news)
        self._commands = FileCommands(
            self._folder, self._pulls, strict_add=settings.strict_add, overwrite=settings.overwrite
        )
        self._mounts = Mounts(self._folder, self._fetcher, settings.cache_bytes, state, emit)
        self._ending: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """See interfaces.Content."""
        await asyncio.to_thread(self._folder.recover)
        await self._mounts.start()
        self._pulls.resume()

    def connected(self, channel: Channel) -> None:
        """See interfaces.Content."""
        self._announcer.connected(channel)
        self._fetcher.connected(channel)

    async def message(self, channel: Channel, message: bytes) -> None:
        """See interfaces.Content."""
        match wire.decode(message):
            case wire.BlockWanted() | wire.HashesWanted() as wanted:
                self._server.take(channel, wanted)
            case wire.Refused() as refused:
                self._fetcher.refused(refused.number, refused.code)
            case wire.Announce() as announce:
                await self._announcer.announced(channel, announce)
            case wire.Acknowledge() as acknowledge:
                self._announcer.acknowledged(acknowledge.upto)
            case wire.Agree() as agree:
                await self._announcer.agree(channel, agree)
            case wire.TooMany():
                await self._announcer.refused()

    def disconnected(self, channel: Channel) -> None:
        """See interfaces.Content."""
        self._fetcher.disconnected()
        self._ending = [task for task in self._ending if not task.done()]
        self._ending.append(asyncio.create_task(self._announcer.disconnected()))

    async def handle(self, command: Command) -> Value:
        """See interfaces.Content."""
        match command:
            case messages.SetLimits():
                upload = rate(command.upload, "upload")
                download = rate(command.download, "download")
                self._server.limiter.set_rate(upload)
                self._fetcher.limiter.set_rate(download)
                return messages.SetLimitsResult(limits=self.limits())
            case messages.Mount():
                return messages.MountResult(path=str(await self._mounts.mount(command.path)))
            case messages.Unmount():
                path = await self._mounts.unmount(command.path, lazy=command.lazy)
                return messages.UnmountResult(path=str(path))
            case _:
                return await self._commands.handle(command)

    def transfers(self) -> list[TransferRow]:
        """See interfaces.Content."""
        return self._pulls.rows()

    def limits(self) -> Limits:
        """See interfaces.Content."""
        return Limits(upload=self._server.limiter.rate, download=self._fetcher.limiter.rate)

    def mounts(self) -> list[str]:
        """See interfaces.Content."""
        return self._mounts.paths()

    async def stop(self) -> None:
        """See interfaces.Content."""
        await self._mounts.stop()
        await self._pulls.stop()
        await end_tasks(self._ending)
        await self._announcer.disconnected()
        await asyncio.to_thread(self._server.end)
        self._journal.close()
        self._tree.close()

    def _published(self) -> None:
        self._loop.call_soon_threadsafe(self._on_published)

    def _on_published(self) -> None:
        self._announcer.published()
        self._commands.tree_changed()

    def _on_news(self) -> None:
        self._worker.tree_changed()
        self._commands.tree_changed()
