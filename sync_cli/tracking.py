"""A peer's connection to its tracker: kept up, with backoff."""

import asyncio
import random

from headless.output import Output
from network.address import Address
from sync_cli import messages
from sync_cli.links import LinkError, Links
from sync_cli.session import EndReason, Session

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 3.0


class Tracking:
    """Dials the tracker until it answers, and again when it is lost."""

    def __init__(
        self,
        links: Links,
        address: Address | None,
        output: Output,
    ) -> None:
        self.state: messages.TrackerState = "none" if address is None else "connecting"
        self.listed: frozenset[str] = frozenset()
        self._links = links
        self._address = address
        self._output = output
        self._has_told = False
        self._over = asyncio.Event()

    @property
    def pending(self) -> bool:
        """Whether the tracker may still tell of peers that nobody here knows of."""
        return self.state in ("connecting", "connected") and not self._has_told

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        if self._address is None:
            return
        loop = asyncio.get_running_loop()
        retry_s = FIRST_RETRY_S
        while True:
            self._over.clear()
            try:
                session = await self._links.dial(self._address)
                if session.is_peer:
                    self._lost(f"{self._address} is a peer, not a tracker")
                else:
                    began = loop.time()
                    await self._over.wait()
                    if loop.time() - began > LONGEST_RETRY_S:
                        retry_s = FIRST_RETRY_S
            except LinkError as error:
                self._lost(f"{self._address}: {error}")
            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the load
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    def opened(self, session: Session) -> None:
        """The tracker has answered."""
        self.state = "connected"
        self._output.emit(messages.TrackerConnected(addr=str(session.addr), legacy=False))

    def closed(self, reason: EndReason) -> None:
        """The connection has ended."""
        self._lost(reason)
        self._over.set()

    def on_swarm(self, peer_ids: frozenset[str]) -> None:
        """The tracker has told of its peers."""
        self._has_told = True
        self.listed = peer_ids

    def _lost(self, reason: str) -> None:
        """Tell once that it is lost; from now on its word is old."""
        if self.state != "lost":
            self.state = "lost"
            self._output.emit(messages.TrackerLost(reason=reason))
        self._has_told = False
        self.listed = frozenset()
