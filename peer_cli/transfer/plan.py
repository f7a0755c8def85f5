"""Who fetches what: the balanced plan of a download, and what becomes of it when a source is lost.

Pure: no clock, no sockets. A chunk is planned on one source as one piece; when that source is lost,
what is left of the piece, from the first unverified block on, goes to the others.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from peer_cli.network.wire import MAX_RANGES
from peer_cli.transfer.manifest import Chunk

# Small files share a connection until they add up to this many bytes.
BATCH_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes `offset` to `offset + length` (in the file) of a chunk, still to be fetched."""

    chunk: Chunk
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A source delivered these verified bytes of a chunk (`offset` in the file)."""

    source: str
    offset: int
    length: int


@dataclass(slots=True)
class _Load:
    """What one source has to fetch; `in_flight` is being fetched, in this order."""

    in_flight: deque[Piece] = field(default_factory=deque)
    queue: deque[Piece] = field(default_factory=deque)

    def size(self) -> int:
        return sum(piece.length for piece in (*self.in_flight, *self.queue))


def balance(pieces: Iterable[Piece], loads: Mapping[str, int]) -> dict[str, list[Piece]]:
    """Share pieces out over sources that already have `loads` bytes to do.

    The longest piece first, each to the one with the least to do (Graham's LPT rule); ties go by
    number of pieces and then by the order of `loads`, so that equal sources share equally.
    """
    shares: dict[str, list[Piece]] = {source: [] for source in loads}
    totals = dict(loads)
    for piece in sorted(pieces, key=lambda p: (-p.length, p.chunk.index, p.offset)):
        source = min(totals, key=lambda s: (totals[s], len(shares[s])))
        shares[source].append(piece)
        totals[source] += piece.length
    for share in shares.values():
        share.sort(key=lambda p: (p.chunk.index, p.offset))
    return shares


class Schedule:
    """The state of one download's plan. `sources` are peer ids in a fixed order."""

    def __init__(
        self,
        chunks: Sequence[Chunk],
        sources: Sequence[str],
        held: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    ) -> None:
        """Plan all chunks; `held` tells, per chunk index, the (offset, length) already verified."""
        self._missing = {chunk.index: chunk.length for chunk in chunks}
        self._unfinished = {chunk.index for chunk in chunks}
        self._deliveries: defaultdict[int, list[Delivery]] = defaultdict(list)
        self._loads = {source: _Load() for source in sources}
        pieces: list[Piece] = []
        for chunk in chunks:
            present = sorted((held or {}).get(chunk.index, ()))
            gaps = _gaps(chunk, present)
            self._missing[chunk.index] -= sum(length for _, length in present)
            if not gaps:
                self._unfinished.discard(chunk.index)
            pieces += gaps
        self._assign(pieces)

    @property
    def finished(self) -> bool:
        """Whether every chunk is verified."""
        return not self._unfinished

    @property
    def sources(self) -> list[str]:
        """The sources that are left."""
        return list(self._loads)

    def may_take(self, source: str) -> bool:
        """Tell whether there is a reason for the source to look again: work for it, or the end."""
        load = self._loads.get(source)
        return self.finished or load is None or bool(load.queue)

    def take(self, source: str) -> list[Piece]:
        """Return what the source should fetch next in one go; empty when there is nothing now."""
        load = self._loads.get(source)
        if load is None:
            return []
        batch: list[Piece] = []
        size = 0
        while load.queue and len(batch) < MAX_RANGES:
            if batch and size + load.queue[0].length > BATCH_BYTES:
                break
            batch.append(load.queue.popleft())
            size += batch[-1].length
        load.in_flight.extend(batch)
        return batch

    def verified(self, source: str, length: int) -> Chunk | None:
        """Take `length` verified bytes of the source's piece in flight; return a finished chunk."""
        load = self._loads[source]
        piece = load.in_flight.popleft()
        deliveries = self._deliveries[piece.chunk.index]
        last = deliveries[-1] if deliveries else None
        if last and last.source == source and last.offset + last.length == piece.offset:
            deliveries[-1] = replace(last, length=last.length + length)
        else:
            deliveries.append(Delivery(source, piece.offset, length))
        if length < piece.length:
            load.in_flight.appendleft(
                Piece(piece.chunk, piece.offset + length, piece.length - length)
            )
        self._missing[piece.chunk.index] -= length
        if self._missing[piece.chunk.index]:
            return None
        self._unfinished.discard(piece.chunk.index)
        return piece.chunk

    def deliveries(self, chunk: Chunk) -> list[Delivery]:
        """Return who delivered which part of a chunk, in order of arrival."""
        return list(self._deliveries[chunk.index])

    def lost(self, source: str) -> None:
        """Give what the source has not delivered to the others; without others it stays undone."""
        load = self._loads.pop(source, None)
        if load is not None and self._loads:
            self._assign([*load.in_flight, *load.queue])

    def _assign(self, pieces: Iterable[Piece]) -> None:
        loads = {source: load.size() for source, load in self._loads.items()}
        for source, share in balance(pieces, loads).items():
            self._loads[source].queue.extend(share)


def _gaps(chunk: Chunk, present: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return what of a chunk is not in the sorted, disjoint `present` ranges."""
    gaps: list[Piece] = []
    position, end = chunk.offset, chunk.offset + chunk.length
    for offset, length in [*present, (end, 0)]:
        if offset > position:
            gaps.append(Piece(chunk, position, offset - position))
        position = max(position, offset + length)
    if chunk.length == 0 and not present:
        gaps.append(Piece(chunk, chunk.offset, 0))
    return gaps
