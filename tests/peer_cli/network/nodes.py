"""Nodes of a small network, for the tests of connections."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from headless.envelope import Event
from network.address import Address, address_of
from network.handshake import LocalParty
from network.port import bind
from peer_cli.network import wire
from peer_cli.network.connections import ConnectError, Connections
from peer_cli.network.listener import Listener
from peer_cli.network.peers import KnownPeers
from peer_cli.network.session import DeniedError, Question, Session
from tests.peer_cli.gate import Gate
from tests.peer_cli.network.tls_pair import make_party, tls_of

GAME = wire.Game(
    id="g", version="1", availability="Ready", downloaded=True, installed=False, size=5
)

_E = TypeVar("_E", bound=Event)


class Node:
    """A peer without a library: a listener, its sessions and the table of who is known."""

    def __init__(self, party: LocalParty, listening: socket.socket) -> None:
        self.events: list[Event] = []
        self.games: list[wire.Game] = []
        self.reader = Gate()
        self.peers = KnownPeers(self._emit)
        self.address = address_of(listening.getsockname())
        self.connections = Connections(
            party,
            self.address,
            self.peers,
            tls_of(party),
            advertised=self._advertised,
            answer=self._answer,
            caught_up=self.reader.caught_up,
        )
        self.listener = Listener(listening, self.connections.accept, self._no_data)
        self._more = asyncio.Event()

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def _advertised(self) -> list[wire.Game]:
        return list(self.games)

    async def _answer(self, session: Session, question: Question) -> wire.Answer:
        raise DeniedError("busy", "Nothing is served here.")

    async def _no_data(self, connection: socket.socket, origin: Address, ticket: bytes) -> None:
        connection.close()

    def of(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def told(self, kind: type[Event], count: int = 1) -> None:
        """Wait until so many events of a kind were told."""
        while len(self.of(kind)) < count:
            self._more.clear()
            await self._more.wait()


@contextlib.asynccontextmanager
async def node(
    folder: Path, name: str, *, swarm_key: bytes = b"", listen: str = "127.0.0.1"
) -> AsyncIterator[Node]:
    listening = bind(Address(listen, 0))
    party = make_party(folder, name, listening.getsockname()[1], swarm_key)
    made = Node(party, listening)
    running = asyncio.create_task(made.listener.run())
    try:
        yield made
    finally:
        await made.connections.close()
        running.cancel()
        await asyncio.wait([running])


async def error_of(node: Node, address: Address) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await node.connections.connect(address)
    assert "\n" not in str(caught.value)
    return caught.value
