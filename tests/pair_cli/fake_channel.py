"""Two peers' files in one process, joined by channels that are queues."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from headless.envelope import Command, Event, Value
from headless.tasks import end_tasks
from pair_cli.content import Files
from pair_cli.interfaces import ChannelClosed
from pair_cli.settings import PeerSettings

EventT = TypeVar("EventT", bound=Event)
ValueT = TypeVar("ValueT", bound=Value)
WAIT_S = 20.0


class FakeChannel:
    """One end of a channel: an interfaces.Channel."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.closed = False
        self.other: FakeChannel
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.blocks_sent = 0
        self.change_block: Callable[[bytes], bytes] = lambda data: data
        self.before_block: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._expected: dict[int, tuple[memoryview, Callable[[], None]]] = {}
        self._heard_at = time.monotonic()

    @property
    def heard_at(self) -> float:
        return self._heard_at

    def send(self, message: bytes) -> None:
        if self.closed:
            raise ChannelClosed
        assert 0 < len(message) <= 256 << 10
        self._loop.call_soon_threadsafe(self.other.inbox.put_nowait, message)

    async def room(self) -> None:
        return

    def send_block(self, number: int, data: memoryview) -> None:
        self.before_block()
        if self.closed:
            raise ChannelClosed
        self.blocks_sent += 1
        self.other.take_block(number, self.change_block(bytes(data)))

    def take_block(self, number: int, data: bytes) -> None:
        self._heard_at = time.monotonic()
        with self._lock:
            if number not in self._expected or self.closed:
                return
            into, done = self._expected.pop(number)
            assert len(into) == len(data)
            into[:] = data
        done()

    def expect_block(self, number: int, into: memoryview, done: Callable[[], None]) -> None:
        if self.closed:
            raise ChannelClosed
        with self._lock:
            self._expected[number] = into, done

    def forget_block(self, number: int) -> None:
        with self._lock:
            self._expected.pop(number, None)


class FakePeer:
    """One peer's files, with all its events."""

    def __init__(self, home: Path, fingerprint: str, **settings: object) -> None:
        self.fingerprint = fingerprint
        self.folder = home / f"{fingerprint}-folder"
        self.state = home / f"{fingerprint}-state"
        self.folder.mkdir(exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self.events: list[Event] = []
        self._new = threading.Condition()
        given = {
            "folder": self.folder, "state_dir": self.state, "listen": None, "relay": None,
            "incognito": False, "heartbeat_s": 5.0, "strict_add": False, "overwrite": False,
            "upload_limit": None, "download_limit": None, "cache_bytes": 32 << 20, **settings,
        }  # fmt: skip
        self.files = Files(PeerSettings(**given), fingerprint, self._emit)  # type: ignore[arg-type]

    def _emit(self, event: Event) -> None:
        with self._new:
            self.events.append(event)
            self._new.notify_all()

    async def do(self, command: Command, result: type[ValueT] = Value) -> ValueT:  # type: ignore[assignment]
        value = await self.files.handle(command)
        assert isinstance(value, result)
        return value

    async def event(self, kind: type[EventT], after: int = 0, **fields: object) -> EventT:
        """Wait for an event with these fields, at or after a position in `events`."""

        def found() -> EventT | None:
            for event in self.events[after:]:
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
            return None

        def wait() -> EventT:
            with self._new:
                assert self._new.wait_for(lambda: found() is not None, WAIT_S), (kind, self.events)
                event = found()
            assert event is not None
            return event

        return await asyncio.to_thread(wait)


class FakePair:
    """Two peers and the channel between them."""

    def __init__(self, one: FakePeer, other: FakePeer) -> None:
        self.one, self.other = one, other
        self.channels: list[FakeChannel] = []
        self.errors: list[BaseException] = []
        self._readers: list[asyncio.Task[None]] = []

    def connect(self) -> tuple[FakeChannel, FakeChannel]:
        """Connect the two."""
        first, second = FakeChannel(self.other.fingerprint), FakeChannel(self.one.fingerprint)
        first.other, second.other = second, first
        self.channels = [first, second]
        for peer, channel in ((self.one, first), (self.other, second)):
            peer.files.connected(channel)
            self._readers.append(asyncio.create_task(self._read(peer, channel)))
        return first, second

    async def cut(self) -> None:
        """Lose the connection, on both sides."""
        for channel in self.channels:
            channel.closed = True
        await end_tasks(self._readers)
        self._readers = []
        for peer, channel in zip((self.one, self.other), self.channels, strict=False):
            peer.files.disconnected(channel)
        self.channels = []

    async def _read(self, peer: FakePeer, channel: FakeChannel) -> None:
        while True:
            message = await channel.inbox.get()
            try:
                await peer.files.message(channel, message)
            except Exception as error:
                self.errors.append(error)
                raise


@asynccontextmanager
async def fake_pair(home: Path, **settings: object) -> AsyncIterator[FakePair]:
    """Start two peers, `alpha` and `bravo`, not yet connected."""
    pair = FakePair(FakePeer(home, "alpha", **settings), FakePeer(home, "bravo", **settings))
    await pair.one.files.start()
    await pair.other.files.start()
    try:
        yield pair
    finally:
        await pair.cut()
        await pair.one.files.stop()
        await pair.other.files.stop()
        assert not pair.errors
