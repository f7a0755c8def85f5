"""The handle of one download: a window of the peer's log that begins at the command."""

from collections.abc import Iterable
from typing import Any, Protocol

from scenarios.core.checks import Checks
from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.timeouts import EVENT_S
from scenarios.core.window import Window
from scenarios.families.lan_spread.attempts import OUTCOMES, Chunk, chunk_of


class Source(Protocol):
    """A peer that may have served data."""

    name: str

    @property
    def peer_id(self) -> str:
        """Its peer id."""

    @property
    def addr(self) -> str:
        """The "IP:port" where it accepts connections."""


class Download:
    """A download that was accepted. Waits raise WaitFailed."""

    def __init__(self, node: Node, game_id: str, window: Window, check: Checks) -> None:
        self.node = node
        self.game_id = game_id
        self.window = window
        self._check = check

    def begun(self) -> Event:
        """Wait for `download-begin`."""
        return self._wait("download-begin")

    def finished(self, timeout: float = EVENT_S) -> Event:
        """Wait until it finishes; any other outcome fails at once."""
        return self._wait("download-finished", timeout=timeout)

    def failed(self, code: str | None = None, timeout: float = EVENT_S) -> Event:
        """Wait until it fails, and check the code if one is given."""
        event = self._wait("download-failed", timeout=timeout)
        if code is None:
            return event
        what = f"{self.node}: code of the failed download of {self.game_id}"
        self._check.equal(what, event.data.get("code"), code)
        return event

    def failed_or_gone(self, timeout: float = EVENT_S) -> Event:
        """Wait until it fails for any reason, including the loss of all sources."""
        return self._wait("download-failed", "download-peers-gone", timeout=timeout)

    def cancel(self) -> None:
        """Cancel it; when this returns, its files are rolled back."""
        self.node.request("cancel-download", game_id=self.game_id)
        self.cancelled()

    def cancelled(self) -> Event:
        """Wait until it is cancelled."""
        return self._wait("download-cancelled")

    def close(self) -> None:
        """End its window; call this before the same game is requested again."""
        self.window = self.window.closed()

    def installed(self) -> Event:
        """Wait until the install that follows has finished."""
        return self.window.wait_event(
            "install-finished",
            game_id=self.game_id,
            fails_on=["install-failed", "download-failed", "download-peers-gone"],
            what=f"{self.node}: install of {self.game_id} finishes",
        )

    def chunks(self) -> list[Chunk]:
        """Return the chunks finished so far."""
        return [chunk_of(event) for event in self.events("download-chunk-finished")]

    def served_by(self, peers: Iterable[Source]) -> set[str]:
        """Return the names of the peers that delivered finished chunks.

        A chunk counts for the peer with its `peer_id` and `peer_addr`; where no peer has both,
        those values are returned instead of a name.
        """
        names = {(peer.peer_id, peer.addr): peer.name for peer in peers}
        return {
            names.get(origin, " at ".join(origin))
            for origin in {(chunk.peer_id, chunk.peer_addr) for chunk in self.chunks()}
        }

    def events(self, *names: str) -> list[Event]:
        """Return this game's events in the window so far: all, or only those with these names."""
        return self.window.events(*names, game_id=self.game_id)

    def figures(self) -> dict[str, Any]:
        """Return `throughput` from `download-finished`; {} if it has not finished."""
        ends = self.events("download-finished")
        return dict(ends[0].data.get("throughput", {})) if ends else {}

    def told(self) -> str:
        """Format the figures for a line of evidence."""
        figures = self.figures()
        return (
            f"{self.game_id}: {figures.get('bytes')} bytes in {figures.get('chunks')} chunks, "
            f"{figures.get('duration_ms', 0):.0f} ms, {figures.get('mib_per_s', 0):.1f} MiB/s"
        )

    def _wait(self, *names: str, timeout: float = EVENT_S) -> Event:
        return self.window.wait_event(
            *names,
            game_id=self.game_id,
            timeout=timeout,
            fails_on=[other for other in OUTCOMES if other not in names],
            what=f"{self.node}: {' or '.join(names)} of {self.game_id}",
        )
