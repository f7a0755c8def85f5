"""Connects to announced peers, and reconnects after every loss, until they are withdrawn.

An announcement arrives once, and a link may be down at that moment or later. So this acts on the
state (announced but not connected), not on the announcement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from network.address import Address
from peer_cli.network.connections import ConnectError
from peer_cli.network.peers import KnownPeers

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 5.0  # between two tries of an unreachable address
WRONG_PEER_RETRY_S = 60.0
MAX_ANNOUNCED = 512
MAX_TRIES_AT_ONCE = 8


class _Announced:
    """One peer's latest announcement, and the task that connects to it."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.addresses = addresses
        self.known = False
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class AnnouncedPeers:
    """All peers that are now announced. `connect` returns the proven id of the peer there."""

    def __init__(self, peers: KnownPeers, connect: Callable[[Address], Awaitable[str]]) -> None:
        self._peers = peers
        self._connect = connect
        self._announced: dict[str, _Announced] = {}
        self._tries = asyncio.Semaphore(MAX_TRIES_AT_ONCE)
        self._unwatch = peers.watch(self._look)

    def heard(self, peer_id: str, addresses: Sequence[Address]) -> None:
        """Record an announcement. Beyond MAX_ANNOUNCED, drops the oldest peer not connected."""
        announced = self._announced.get(peer_id)
        if announced is not None:
            if announced.addresses != addresses:
                announced.addresses = addresses
                announced.news.set()
            return
        if len(self._announced) >= MAX_ANNOUNCED:
            missing = (other for other in self._announced if self._peers.get(other) is None)
            self.withdrawn(next(missing, next(iter(self._announced))))
        announced = self._announced[peer_id] = _Announced(addresses)
        announced.task = asyncio.create_task(self._meet(peer_id, announced))

    def withdrawn(self, peer_id: str) -> None:
        """Stop connecting to this peer."""
        announced = self._announced.pop(peer_id, None)
        if announced is not None and announced.task is not None:
            announced.task.cancel()

    def close(self) -> None:
        """Stop connecting to any peer."""
        self._unwatch()
        for peer_id in list(self._announced):
            self.withdrawn(peer_id)

    def _look(self) -> None:
        for peer_id, announced in self._announced.items():
            known = self._peers.get(peer_id) is not None
            if announced.known and not known:
                announced.news.set()
            announced.known = known

    async def _meet(self, peer_id: str, announced: _Announced) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            announced.news.clear()
            if self._peers.get(peer_id) is not None:
                await announced.news.wait()
                retry_s = FIRST_RETRY_S
            elif await self._try(peer_id, announced.addresses):
                retry_s = WRONG_PEER_RETRY_S
            # Bounds the rate of attempts. A peer that has left is withdrawn within that time.
            await asyncio.sleep(FIRST_RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(retry_s - FIRST_RETRY_S):
                    await announced.news.wait()
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    async def _try(self, peer_id: str, addresses: Sequence[Address]) -> bool:
        """Connect to one of these addresses; return whether another peer was there."""
        async with self._tries:
            for address in addresses:
                with suppress(ConnectError):  # the announcement may be out of date
                    return await self._connect(address) != peer_id
        return False
