"""A relay and both sides of a pair in one process, without files."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from headless.envelope import Command, CommandError, Event, Value
from headless.output import Output
from network.acceptor import Acceptor
from network.address import Address
from network.port import bind
from pair_cli.interfaces import Channel
from pair_cli.keys import Keys
from pair_cli.line import Line
from pair_cli.messages import Limits, TransferRow
from pair_cli.pairing import Pairing
from pair_cli.relay import Relay
from pair_cli.relay_client import RelayClient
from pair_cli.rendezvous import Rendezvous
from pair_cli.settings import RelaySettings

EventT = TypeVar("EventT", bound=Event)
TIMEOUT_S = 20.0


class Events(Output):
    """Events, as they are emitted; nothing is written."""

    def __init__(self) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY))
        self.all: list[Event] = []
        self.changed = asyncio.Event()

    def emit(self, event: Event) -> None:
        """Keep an event, and wake those who wait for it."""
        self.all.append(event)
        self.changed.set()

    def of(self, kind: type[EventT]) -> list[EventT]:
        """Return all events of a kind."""
        return [event for event in self.all if isinstance(event, kind)]

    async def wait(self, kind: type[EventT], number: int = 1, **fields: Any) -> EventT:
        """Return the event of this kind that is the `number`th with these fields."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                found = [
                    one
                    for one in self.of(kind)
                    if all(getattr(one, name) == value for name, value in fields.items())
                ]
                if len(found) >= number:
                    return found[number - 1]
                self.changed.clear()
                await self.changed.wait()


class Silent:
    """Content without files, that remembers its channel and its messages."""

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()

    async def start(self) -> None:
        """See Content."""

    def connected(self, channel: Channel) -> None:
        """See Content."""
        self.channel = channel

    async def message(self, channel: Channel, message: bytes) -> None:
        """See Content."""
        assert channel is self.channel
        self.messages.put_nowait(message)

    def disconnected(self, channel: Channel) -> None:
        """See Content."""
        assert channel is self.channel
        self.channel = None

    async def handle(self, command: Command) -> Value:
        """See Content."""
        raise CommandError("none", "none")

    def transfers(self) -> list[TransferRow]:
        """See Content."""
        return []

    def limits(self) -> Limits:
        """See Content."""
        return Limits(upload=None, download=None)

    def mounts(self) -> list[str]:
        """See Content."""
        return []

    async def stop(self) -> None:
        """See Content."""


class Side:
    """One side of a pair. `hidden` registers addresses where nobody answers."""

    def __init__(
        self,
        keys: Keys,
        url: str,
        *,
        hidden: bool = False,
        heartbeat_s: float = 5.0,
        ip: str = "127.0.0.1",
    ):
        self.keys = keys
        self.events = Events()
        self.content = Silent()
        listening = bind(Address(ip, 0))
        self.address = Address(ip, listening.getsockname()[1])
        nobody = Address("127.0.0.1", 1)
        self.addresses = [nobody if hidden else self.address]
        self.relay = RelayClient(url, None)
        self.pairing: Pairing | None = None
        self._heartbeat_s = heartbeat_s
        self._acceptor = Acceptor("test", listening, self._greet)
        self._accepting = asyncio.create_task(self._acceptor.run())

    def join(self, other: str) -> None:
        """Pair with the other."""
        line = Line(other, self._heartbeat_s, self.content, self.events)
        emit = self.events.emit
        rendezvous = Rendezvous(self.keys, other, self.addresses, self.relay, emit)
        self.pairing = Pairing(self.keys, other, self.relay, rendezvous, line, None, emit)

    async def stop(self) -> None:
        """End it."""
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        if self.pairing is not None:
            await self.pairing.stop()
        else:
            await self.relay.close()
        self.events.close(1.0)

    async def _greet(self, connection: Any, origin: Address) -> None:
        assert self.pairing is not None
        await self.pairing.accept(connection, origin)


@asynccontextmanager
async def a_relay(**settings: Any) -> AsyncIterator[tuple[Relay, str, Events]]:
    """Run a relay; give it, its URL and its events."""
    listening = bind(Address("127.0.0.1", 0))
    address = Address("127.0.0.1", listening.getsockname()[1])
    given = {"ttl_s": 600.0, "max_entries": 100, "bridge": True, **settings}
    events = Events()
    relay = Relay(RelaySettings(listen=address, **given), listening, address, events.emit)
    await relay.start()
    try:
        yield relay, f"http://{address}", events
    finally:
        await relay.stop()
        events.close(1.0)
