"""Which source delivered which bytes of a download, also within a chunk that changed sources.

A chunk that one source began and another finished has a single `download-chunk-finished`, which
names the source of the last byte. The optional field `ranges`, an extension of the contract, lists
the parts; without it the whole chunk counts for that source.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.families.lan_spread.attempts import Chunk
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.peers import Peer

CHUNK = 128 << 20  # bytes; docs/contract.md section 6


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file from one source; `offset` is in the file."""

    peer_id: str
    offset: int
    length: int


def name_of(peer_id: str, peers: Iterable[Peer]) -> str:
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


def chunks_by_source(chunks: Iterable[Chunk], peers: Sequence[Peer]) -> dict[str, int]:
    """Return how many chunks each peer finished, by name; peers without any are absent."""
    return dict(Counter(name_of(chunk.peer_id, peers) for chunk in chunks))


def bytes_by_source(chunks: Iterable[Chunk], peers: Sequence[Peer]) -> dict[str, int]:
    """Return how many bytes each peer delivered, by name; peers without any are absent."""
    counts: Counter[str] = Counter()
    for chunk in chunks:
        for part in parts_of(chunk):
            counts[name_of(part.peer_id, peers)] += part.length
    return dict(counts)


def _data(chunk: Chunk) -> dict[str, Any]:
    data = (chunk.line.message or {}).get("data")
    return data if isinstance(data, dict) else {}
