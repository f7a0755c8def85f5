"""Tracks what a source is sending: claimed block by block, so that the rest can be taken back."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.transfer.manifest import Chunk


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

    def take_back(self, most: int) -> list[Piece]:
        """Remove and return at most the last `most` bytes that are not claimed, in whole blocks."""
        with self._lock:
            return cut_tail(self._unclaimed, most)


def cut_tail(pieces: deque[Piece], most: int) -> list[Piece]:
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
