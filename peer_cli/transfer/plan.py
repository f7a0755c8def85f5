"""Plans which source fetches what, and replans when a source is lost. Balanced.

No clock and no sockets. A chunk is planned on one source as one piece. When that source is lost,
the other sources get the rest of the piece, from the first unverified block on. An idle source
takes over, block by block, work that would take another one much longer. What a thread receives it
claims first, so that nobody takes that over.
"""

import math
import threading
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.network.wire import MAX_RANGES
from peer_cli.transfer.manifest import Chunk

# Pieces share a connection until they add up to this many bytes: each connection costs a question
# and its answer, during which the source sends nothing.
BATCH_BYTES = 1 << 30
SMALL_PIECES = 256
"""The most pieces that are received, verified and stored together."""

# A source takes over from another if that saves this many seconds. A smaller gain would be chance:
# equal sources never finish at the very same moment.
WORTHWHILE_S = 2.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a chunk that is still to be fetched: `length` bytes at `offset` in the file."""

    chunk: Chunk
    offset: int
    length: int

    def split(self, length: int) -> "tuple[Piece, Piece]":
        """Return the first `length` bytes and the rest."""
        return (
            Piece(self.chunk, self.offset, length),
            Piece(self.chunk, self.offset + length, self.length - length),
        )


class Claims:
    """Pieces that one source sends in this order. The receiving thread claims them as they arrive.

    Nobody else may fetch what is claimed: two threads would write the same bytes of a file.
    """

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._unclaimed = deque(pieces)
        self._lock = threading.Lock()

    def claim(self) -> Piece | None:
        """Return what to receive next, at most a block; None when nothing is left."""
        with self._lock:
            if not self._unclaimed:
                return None
            piece = self._unclaimed.popleft()
            if piece.length > BLOCK_SIZE:
                piece, rest = piece.split(BLOCK_SIZE)
                self._unclaimed.appendleft(rest)
            return piece

    def claim_small(self, most: int) -> list[Piece]:
        """Return the next whole pieces that fit into `most` bytes, at most `SMALL_PIECES`.

        None if the very next piece is larger.
        """
        claimed: list[Piece] = []
        with self._lock:
            while self._unclaimed and len(claimed) < SMALL_PIECES:
                most -= self._unclaimed[0].length
                if most < 0:
                    break
                claimed.append(self._unclaimed.popleft())
        return claimed

    def take_back(self, most: int) -> list[Piece]:
        """Remove and return at most the last `most` bytes that are not claimed, in whole blocks."""
        with self._lock:
            return _cut_tail(self._unclaimed, most)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Verified bytes of a chunk that one source delivered (`offset` in the file)."""

    source: str
    offset: int
    length: int


@dataclass(slots=True)
class _Load:
    """The work of one source; `in_flight` is not verified yet, in the order of `claims`."""

    in_flight: deque[Piece] = field(default_factory=deque)
    queue: deque[Piece] = field(default_factory=deque)
    claims: Claims = field(default_factory=Claims)

    def size(self) -> int:
        return sum(piece.length for piece in (*self.in_flight, *self.queue))

    def idle(self) -> bool:
        return not self.in_flight and not self.queue

    def give_away(self, most: int) -> list[Piece]:
        """Remove and return at most the last `most` bytes that have not started to arrive."""
        queued = _cut_tail(self.queue, most)
        most -= sum(piece.length for piece in queued)
        sent_for = self.claims.take_back(most) if not self.queue else []
        for piece in reversed(sent_for):
            last = self.in_flight.pop()
            if last.offset < piece.offset:
                self.in_flight.append(last.split(piece.offset - last.offset)[0])
        return [*sent_for, *queued]


def balance(pieces: Iterable[Piece], loads: Mapping[str, int]) -> dict[str, list[Piece]]:
    """Distribute pieces over sources that already have `loads` bytes to fetch.

    Longest piece first, each to the source with the least to fetch (Graham's LPT rule). Ties are
    broken by number of pieces and then by the order of `loads`, so that equal sources share
    equally.
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
        """Plan all chunks; `held` has, per chunk index, the (offset, length) already verified."""
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
        """The remaining sources."""
        return list(self._loads)

    @property
    def busy(self) -> set[str]:
        """The sources that have something to do."""
        return {source for source, load in self._loads.items() if not load.idle()}

    def may_take(self, source: str) -> bool:
        """Tell whether the source has a reason to call `take` again: work for it, or the end."""
        load = self._loads.get(source)
        return self.finished or load is None or bool(load.queue)

    def take(self, source: str) -> list[Piece]:
        """Return what the source should fetch next in one go; empty if there is nothing now."""
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
        load.claims = Claims(batch)
        return batch

    def claims(self, source: str) -> Claims:
        """Return the source's current batch, for the thread that receives it."""
        return self._loads[source].claims

    def rebalance(self, rates: Mapping[str, float], proven: Collection[str]) -> list[str]:
        """Let idle sources take over from others if that saves enough time.

        `rates` are recent bytes per second of the sources that have worked; `proven` are those that
        worked long enough to count as slow. Returns the sources whose current batch would arrive
        sooner from another source: call `give_back` once nobody receives it any more.
        """
        too_slow: list[str] = []
        best = max(rates.values(), default=0.0)
        idle = [source for source, load in self._loads.items() if load.idle()]
        for taker in sorted(idle, key=lambda source: -rates.get(source, best)):
            needed_s = {
                source: load.size() / max(rates[source], 1.0)
                for source, load in self._loads.items()
                if source in proven and source not in too_slow and not load.idle()
            }
            if not needed_s:
                break
            giver = max(needed_s, key=lambda source: needed_s[source])
            load, rate = self._loads[giver], rates.get(taker, best)
            together = rate + max(rates[giver], 1.0)
            if needed_s[giver] - load.size() / together < WORTHWHILE_S:
                continue
            blocks = math.ceil(load.size() * rate / together / BLOCK_SIZE)
            pieces = load.give_away(blocks * BLOCK_SIZE)
            self._loads[taker].queue.extend(pieces)
            if not pieces and needed_s[giver] - load.size() / max(rate, 1.0) >= WORTHWHILE_S:
                too_slow.append(giver)
        return too_slow

    def verified(self, source: str, length: int) -> Chunk | None:
        """Record `length` verified bytes of the source's current piece; return a finished chunk."""
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
        """Remove a source and give its remaining work to the others, if there are any."""
        load = self._loads.pop(source, None)
        if load is not None and self._loads:
            self._assign([*load.in_flight, *load.queue])

    def give_back(self, source: str) -> None:
        """Give a source's remaining work to the others; it may get more work later."""
        load = self._loads[source]
        self._loads[source] = _Load()
        self._assign([*load.in_flight, *load.queue], spared=source)

    def _assign(self, pieces: Iterable[Piece], spared: str | None = None) -> None:
        loads = {source: load.size() for source, load in self._loads.items() if source != spared}
        loads = loads or dict.fromkeys(self._loads, 0)
        for source, share in balance(pieces, loads).items():
            self._loads[source].queue.extend(share)


def _gaps(chunk: Chunk, present: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return the parts of a chunk outside the sorted, disjoint `present` ranges."""
    gaps: list[Piece] = []
    position, end = chunk.offset, chunk.offset + chunk.length
    for offset, length in [*present, (end, 0)]:
        if offset > position:
            gaps.append(Piece(chunk, position, offset - position))
        position = max(position, offset + length)
    if chunk.length == 0 and not present:
        gaps.append(Piece(chunk, chunk.offset, 0))
    return gaps


def _cut_tail(pieces: deque[Piece], most: int) -> list[Piece]:
    """Remove and return at most the last `most` bytes, leaving whole blocks of every piece."""
    cut: deque[Piece] = deque()
    while pieces and most > 0:
        piece = pieces.pop()
        if piece.length > most:
            stays = -(-(piece.length - most) // BLOCK_SIZE) * BLOCK_SIZE
            if stays >= piece.length:
                pieces.append(piece)
                break
            kept, piece = piece.split(stays)
            pieces.append(kept)
            most = piece.length  # stop here
        cut.appendleft(piece)
        most -= piece.length
    return list(cut)
