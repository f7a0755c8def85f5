"""Receives pieces of a download from one source, in one thread; verifies them in another.

Large blocks are spliced into their file and read back while they are hot (verify.py). Small pieces
are received many at once, because the cost per piece would dominate, and written once verified.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from peer_cli.library.index import BLOCK_SIZE
from peer_cli.transfer.dataplane import TOGETHER_BYTES, DataConnection, StorageError
from peer_cli.transfer.plan import Claims, Piece
from peer_cli.transfer.staging import Staging
from peer_cli.transfer.verify import Verifier, is_block, matches
from store.open_file import start_writing, write_at


class CorruptSourceError(Exception):
    """A source delivered bytes that differ from the agreed manifest."""


def receive(
    connection: DataConnection,
    staging: Staging,
    claims: Claims,
    on_verified: Callable[[list[int]], None],
) -> None:
    """Receive all claims; call `on_verified` in another thread, with the lengths in their order.

    Raises CorruptSourceError, StorageError, TransferLostError, TransferCancelledError.
    """

    def verify(verified: Iterator[int]) -> None:
        lengths: list[int] = []
        try:
            lengths.extend(verified)  # those before an error too
        except (CorruptSourceError, StorageError):
            connection.cancel()  # the receiving thread may be waiting for more
            raise
        finally:
            on_verified(lengths)

    with contextlib.ExitStack() as file, Verifier() as verifier:
        path, descriptor = "", -1
        while True:
            if small := claims.claim_small(TOGETHER_BYTES):
                data = memoryview(bytearray(sum(piece.length for piece in small)))
                connection.receive_all(data)
                verifier.add(partial(verify, _store(staging, small, data)))
            elif piece := claims.claim():
                if piece.chunk.path != path:
                    file.close()
                    path, descriptor = piece.chunk.path, file.enter_context(_opened(staging, piece))
                connection.receive_into_file(descriptor, piece.offset, piece.length)
                verifier.add(partial(verify, _check(staging, piece)))
            else:
                break


def _store(staging: Staging, pieces: Sequence[Piece], data: memoryview) -> Iterator[int]:
    """Verify and write small pieces, each a block or empty; yield the length of each."""
    for piece in pieces:
        block, data = data[: piece.length], data[piece.length :]
        if block:
            if not is_block(block, _expected(staging, piece)):
                raise _corrupt(piece)
            with _opened(staging, piece) as descriptor:
                write_at(descriptor, piece.offset, block)
        yield piece.length


def _check(staging: Staging, piece: Piece) -> Iterator[int]:
    """Verify a block on disk; yield its length."""
    with _opened(staging, piece) as descriptor:
        if not matches(descriptor, piece.offset, piece.length, _expected(staging, piece)):
            raise _corrupt(piece)
        start_writing(descriptor, piece.offset, piece.length)
    yield piece.length


@contextlib.contextmanager
def _opened(staging: Staging, piece: Piece) -> Iterator[int]:
    """Open a piece's file. OSErrors become StorageError."""
    try:
        path = staging.path(piece.chunk.path)
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error


def _expected(staging: Staging, piece: Piece) -> bytes:
    return staging.manifest.files[piece.chunk.file].blocks[piece.offset // BLOCK_SIZE]


def _corrupt(piece: Piece) -> CorruptSourceError:
    return CorruptSourceError(f"it delivered wrong bytes of {piece.chunk.path} at {piece.offset}")
