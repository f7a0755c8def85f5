import asyncio
from typing import cast

import pytest

from network.address import Address
from network.handshake import RemoteParty
from peer_cli.network import announced as announced_module
from peer_cli.network.announced import AnnouncedPeers
from peer_cli.network.connections import ConnectError
from peer_cli.network.peers import KnownPeers
from peer_cli.network.session import Session
from tests.peer_cli.network.tls_pair import run

HERE, THERE = Address("10.0.0.1", 1), Address("10.0.0.2", 2)


class FakeSession:
    """As much of a session as the table of known peers looks at."""

    def __init__(self, peer_id: str) -> None:
        self.remote = RemoteParty(peer_id, "name", 1)
        self.peer_id = peer_id
        self.addr = HERE
        self.outbound = True

    def abort(self, reason: str) -> None:
        """A newer session has taken over."""


class World:
    """Which addresses answer, as whom, and what was tried; connecting makes a peer known."""

    def __init__(self) -> None:
        self.peers = KnownPeers(lambda _: None)
        self.there: dict[Address, str] = {}
        self.tries: asyncio.Queue[Address] = asyncio.Queue()
        self.sessions: dict[str, Session] = {}
        self.announced = AnnouncedPeers(self.peers, self._connect)

    async def _connect(self, address: Address) -> str:
        self.tries.put_nowait(address)
        peer_id = self.there.get(address)
        if peer_id is None:
            raise ConnectError("unreachable", "nobody is there")
        self.sessions[peer_id] = cast("Session", FakeSession(peer_id))
        self.peers.add(self.sessions[peer_id])
        return peer_id

    def lose(self, peer_id: str) -> None:
        self.peers.remove(self.sessions[peer_id], "timeout")

    async def known(self, peer_id: str) -> None:
        """Wait until a peer is known."""
        known = asyncio.Event()
        unwatch = self.peers.watch(known.set)
        while self.peers.get(peer_id) is None:
            await known.wait()
            known.clear()
        unwatch()

    async def rounds(self, count: int) -> None:
        """Wait until somebody who never answers was tried so often, each time after a pause."""
        self.announced.heard("nobody", [THERE])
        for _ in range(count):
            await self.tried(THERE)

    async def tried(self, address: Address) -> None:
        """Wait until this address is tried."""
        while await self.tries.get() != address:
            pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced_module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(announced_module, "LAST_RETRY_S", 0.02)
    monkeypatch.setattr(announced_module, "WRONG_PEER_RETRY_S", 1000.0)


def test_an_announced_peer_is_connected_to_until_it_answers() -> None:
    async def scenario() -> None:
        world = World()
        world.announced.heard("p", [HERE])
        for _ in range(5):
            assert await world.tries.get() == HERE
        world.there[HERE] = "p"
        await world.known("p")
        world.announced.close()

    run(scenario)


def test_a_lost_peer_is_connected_to_again_without_any_news_of_it() -> None:
    async def scenario() -> None:
        world = World()
        world.there[HERE] = "p"
        world.announced.heard("p", [HERE])
        for _ in range(3):
            await world.known("p")
            await world.rounds(6)  # so that nothing is waited for any more but the loss
            del world.there[HERE]  # the link is down
            world.lose("p")
            for _ in range(2):
                await world.tried(HERE)
            world.there[HERE] = "p"
        await world.known("p")
        world.announced.close()

    run(scenario)


def test_a_peer_that_is_known_is_left_alone() -> None:
    async def scenario() -> None:
        world = World()
        world.there[HERE] = "p"
        world.announced.heard("p", [HERE])
        await world.known("p")
        world.announced.heard("p", [HERE])
        world.announced.heard("q", [THERE])
        tries = [await world.tries.get() for _ in range(6)]
        assert tries.count(HERE) == 1
        world.announced.close()

    run(scenario)


def test_all_its_addresses_are_tried_and_a_new_one_at_the_next_news() -> None:
    async def scenario() -> None:
        world = World()
        world.announced.heard("p", [HERE, THERE])
        assert [await world.tries.get() for _ in range(4)] == [HERE, THERE, HERE, THERE]
        world.there[Address("10.0.0.3", 3)] = "p"
        world.announced.heard("p", [Address("10.0.0.3", 3)])
        await world.known("p")
        world.announced.close()

    run(scenario)


def test_somebody_else_at_the_address_is_not_called_again_and_again() -> None:
    async def scenario() -> None:
        world = World()
        world.there[HERE] = "other"
        world.announced.heard("p", [HERE])
        world.announced.heard("q", [THERE])
        tries = [await world.tries.get() for _ in range(6)]
        assert tries.count(HERE) == 1
        world.announced.close()

    run(scenario)


def test_who_is_withdrawn_is_not_called_any_more() -> None:
    async def scenario() -> None:
        world = World()
        world.announced.heard("p", [HERE])
        await world.tries.get()
        world.announced.withdrawn("p")
        world.announced.withdrawn("p")
        world.announced.heard("q", [THERE])
        assert [await world.tries.get() for _ in range(3)] == [THERE] * 3
        world.announced.close()

    run(scenario)


def test_announcements_are_bounded_and_known_peers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced_module, "MAX_ANNOUNCED", 3)

    async def scenario() -> None:
        world = World()
        world.there[HERE] = "p"
        world.announced.heard("p", [HERE])
        await world.known("p")
        for number in range(20):
            world.announced.heard(f"flood-{number}", [THERE])
        assert len(world.announced._announced) == 3
        assert "p" in world.announced._announced
        world.announced.close()

    run(scenario)
