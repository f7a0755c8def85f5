"""Chunks and pieces, for the tests of plans."""

from peer_cli.transfer.manifest import Chunk
from peer_cli.transfer.plan import Piece, Schedule

MIB = 1 << 20


def chunks(*lengths: int) -> list[Chunk]:
    return [Chunk(n, n, f"file {n}", 0, length) for n, length in enumerate(lengths)]


def take_all(schedule: Schedule, source: str) -> list[Piece]:
    pieces: list[Piece] = []
    while batch := schedule.take(source):
        pieces += batch
    return pieces
