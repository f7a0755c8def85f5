"""Who delivered which bytes of a download, and when: from one peer's events, for the report."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenarios.core.fields import number_of, objects_of, text_of
from scenarios.core.log import Event
from scenarios.families.lan_spread.attempts import OUTCOMES
from scenarios.family.story import FileMap, Piece, Transfer

FILES_SHOWN = 60
PIECES_SHOWN = 4000
SAMPLES_SHOWN = 600

OPERATIONS = {"Downloading": False, "StreamInstalling": True}  # whether it is streamed
_OPENS = ("got-game-files", "download-begin", "download-progress", "download-chunk-finished")
STAGING = "/.local.installing/"


def transfers(lane: str, events: Sequence[Event], names: Mapping[str, str]) -> list[Transfer]:
    """Return the downloads and streamed installs of a node; ``names`` are labels by peer id."""
    done: list[_Attempt] = []
    active: dict[str, _Attempt] = {}  # by game
    for event in events:
        if event.name == "active-operations-changed":
            for row in objects_of(event.data, "active_operations"):
                game, operation = text_of(row, "game_id"), text_of(row, "operation")
                if operation in OPERATIONS and game not in active:
                    active[game] = _Attempt(lane, game, event, streamed=OPERATIONS[operation])
                    done.append(active[game])
            continue
        if event.name not in _OPENS and event.name not in OUTCOMES:
            continue
        game = text_of(event.data, "game_id")
        attempt = active.get(game)
        if attempt is None:
            # A peer that does not report operations, or continues after the terminal event.
            attempt = active[game] = _Attempt(lane, game, event)
            done.append(attempt)
        attempt.take(event, names)
        if event.name in OUTCOMES:
            del active[game]
    return [attempt.transfer() for attempt in done]


@dataclass(slots=True)
class _Attempt:
    lane: str
    game: str
    first: Event
    streamed: bool = False
    last: Event | None = None
    total: int = 0
    sources: list[str] = field(default_factory=list)
    samples: list[tuple[float, int]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    covered: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, event: Event, names: Mapping[str, str]) -> None:
        data = event.data
        if event.name == "got-game-files":
            for row in objects_of(data, "file_descriptions"):
                self.sizes[text_of(row, "relative_path")] = number_of(row, "size")
        elif event.name == "download-begin":
            self.total = number_of(data, "total_bytes")
            ids = [text_of(row, "peer_id") for row in objects_of(data, "sources")]
            self.sources = [names.get(peer_id, peer_id) for peer_id in ids]
        elif event.name == "download-progress":
            self.samples.append((event.at, number_of(data, "downloaded_bytes")))
        elif event.name == "download-chunk-finished":
            self._chunk(event, names)
        else:
            self.last = event

    def transfer(self) -> Transfer:
        by_source: Counter[str] = Counter()
        again: Counter[str] = Counter()
        for pieces in self.pieces.values():
            for piece in pieces:
                by_source[piece.source] += piece.length
                again[piece.source] += piece.again_bytes
        paths = sorted({*self.sizes, *self.pieces}, key=lambda path: (-self._size(path), path))
        shown, left = [], PIECES_SHOWN
        for path in paths[:FILES_SHOWN]:
            pieces = self.pieces.get(path, [])
            shown.append(FileMap(path, self._size(path), pieces[:left]))
            left -= len(shown[-1].pieces)
        everything = sum(map(len, self.pieces.values()))
        last = self.last
        return Transfer(
            lane=self.lane,
            item=self.game,
            streamed=self.streamed or any(STAGING in path for path in self.pieces),
            begin=self.first.at,
            end=last.at if last else None,
            outcome=last.name if last else "",
            reason=_reason(last.data) if last else "",
            total_bytes=self.total or sum(self.sizes.values()),
            sources=self.sources,
            by_source=dict(by_source),
            files=sorted(shown, key=lambda file: file.path),
            files_left_out=len(paths) - len(shown),
            pieces_left_out=everything - sum(len(file.pieces) for file in shown),
            samples=_thinned(self.samples),
            line=self.first.line.index + 1,
            again_by_source={source: count for source, count in again.items() if count},
        )

    def _chunk(self, event: Event, names: Mapping[str, str]) -> None:
        path = text_of(event.data, "relative_path")
        # Without ranges, the whole chunk counts for the source that the event names.
        for row in objects_of(event.data, "ranges") or [event.data]:
            begin, length = number_of(row, "offset"), number_of(row, "length")
            peer_id = text_of(row, "peer_id")
            source = names.get(peer_id, peer_id) or "unknown"
            again = self._cover(path, begin, begin + length)
            # Pieces beyond the limit get no history: a hostile node may report millions.
            shown = len(self.pieces.get(path, ())) < PIECES_SHOWN
            before = self._before(path, begin, begin + length) if again and shown else ()
            number = event.line.index + 1
            piece = Piece(begin, length, source, event.at, number, again > 0, again, before)
            self.pieces.setdefault(path, []).append(piece)

    def _cover(self, path: str, begin: int, end: int) -> int:
        """Mark bytes as delivered; return how many already were."""
        spans = self.covered.setdefault(path, [])  # sorted and disjoint
        first = bisect_left(spans, begin, key=lambda span: span[1])
        last = bisect_right(spans, end, key=lambda span: span[0])
        met = spans[first:last]
        edges = [edge for span in (*met, (begin, end)) for edge in span]
        spans[first:last] = [(min(edges), max(edges))]
        return sum(min(end, there) - max(begin, here) for here, there in met)

    def _before(self, path: str, begin: int, end: int) -> list[tuple[str, float]]:
        """Return who delivered some of these bytes and when last, latest first."""
        latest = {
            piece.source: piece.at
            for piece in self.pieces.get(path, [])
            if begin < piece.offset + piece.length and piece.offset < end
        }
        return sorted(latest.items(), key=lambda one: -one[1])

    def _size(self, path: str) -> int:
        reached = max(
            (piece.offset + piece.length for piece in self.pieces.get(path, [])), default=0
        )
        return max(self.sizes.get(path, 0), reached)


def _reason(data: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (text_of(data, "code"), text_of(data, "reason")) if part)


def _thinned(samples: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Keep every n-th sample and the last; the average rate between them stays correct."""
    step = -(-len(samples) // SAMPLES_SHOWN) or 1
    kept = list(samples[::step])
    return kept if not samples or kept[-1] == samples[-1] else [*kept, samples[-1]]
