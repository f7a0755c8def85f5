"""The handle of one download, and which source delivered which bytes of it.

A download is a window of the peer's log that begins at the command.

A chunk that one source began and another finished has a single `download-chunk-finished`, which
names the source of the last byte. The optional field `ranges`, an extension of the contract, lists
the parts; without it the whole chunk counts for that source.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scenarios.core.checks import Checks
from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.timeouts import EVENT_S
from scenarios.core.window import Window
from scenarios.families.lan_spread.attempts import OUTCOMES, Chunk, chunk_of

CHUNK = 128 << 20  # bytes; docs/contract.md section 6


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


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file from one source; `offset` is in the file."""

    peer_id: str
    offset: int
    length: int


def name_of(peer_id: str, peers: Iterable[Source]) -> str:
    """Return the name of the peer with this id, or the id itself if no peer has it."""
    return next((peer.name for peer in peers if peer.peer_id == peer_id), peer_id)


def archive_chunks(download: Download) -> list[Chunk]:
    """Return the finished chunks of the game's only archive, by offset."""
    path = f"{download.game_id}/{download.game_id}.eti"
    chunks = [chunk for chunk in download.chunks() if chunk.path == path]
    return sorted(chunks, key=lambda chunk: chunk.offset)


def tells_parts(chunk: Chunk) -> bool:
    """Whether the peer reports the parts of a chunk."""
    return isinstance(_data(chunk).get("ranges"), list)


def parts_of(chunk: Chunk) -> list[Part]:
    """Return who delivered which part of a chunk, by offset."""
    if not tells_parts(chunk):
        return [Part(chunk.peer_id, chunk.offset, chunk.length)]
    parts = [
        Part(str(row.get("peer_id")), int(row.get("offset", -1)), int(row.get("length", -1)))
        for row in _data(chunk)["ranges"]
    ]
    return sorted(parts, key=lambda part: part.offset)


def cover_once(chunk: Chunk) -> bool:
    """Whether the parts cover the chunk exactly, without overlap."""
    position = chunk.offset
    for part in parts_of(chunk):
        if part.offset != position or part.length < 0:
            return False
        position += part.length
    return position == chunk.offset + chunk.length


def chunks_by_source(chunks: Iterable[Chunk], peers: Sequence[Source]) -> dict[str, int]:
    """Return how many chunks each peer finished, by name; peers without any are absent."""
    return dict(Counter(name_of(chunk.peer_id, peers) for chunk in chunks))


def bytes_by_source(chunks: Iterable[Chunk], peers: Sequence[Source]) -> dict[str, int]:
    """Return how many bytes each peer delivered, by name; peers without any are absent."""
    counts: Counter[str] = Counter()
    for chunk in chunks:
        for part in parts_of(chunk):
            counts[name_of(part.peer_id, peers)] += part.length
    return dict(counts)


def _data(chunk: Chunk) -> dict[str, Any]:
    data = (chunk.line.message or {}).get("data")
    return data if isinstance(data, dict) else {}
