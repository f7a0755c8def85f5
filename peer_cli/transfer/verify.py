"""Checks what has arrived, in a thread beside the one that receives.

Blocks are read back from the page cache while they are hot, so the bytes never pass through the
receiving thread. What is verified is sent on its way to the disk at once; otherwise the `fsync` at
the end of a download would have to wait for all of it.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from blake3 import blake3

from peer_cli.transfer.dataplane import StorageError
from store.open_file import read_at

# Blocks that may wait to be checked. A verifier that is slower than the network must hold it up.
WAITING_BLOCKS = 3
_PIECE_BYTES = 512 << 10  # hashed while it is in the processor's cache


class Verifier:
    """A thread that does work in the order in which it was given, up to the first error.

    Leaving the context waits for the thread, and raises that error.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "verify")
        self._waiting: deque[Future[None]] = deque()
        self._sound = True

    def __enter__(self) -> "Verifier":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # After an error of the receiving thread, what came before still counts.
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown()

    def add(self, work: Callable[[], None]) -> None:
        """Add work; wait while too much is waiting. Raises what earlier work raised."""
        while len(self._waiting) >= WAITING_BLOCKS:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._do, work))

    def _do(self, work: Callable[[], None]) -> None:
        if self._sound:
            self._sound = False
            work()
            self._sound = True


def matches(file: int, offset: int, length: int, expected: bytes) -> bool:
    """Read a block of an open file; tell whether it has this hash. Raises StorageError."""
    hasher = blake3()
    buffer = memoryview(bytearray(min(length, _PIECE_BYTES)))
    try:
        for start in range(offset, offset + length, _PIECE_BYTES):
            piece = buffer[: min(_PIECE_BYTES, offset + length - start)]
            if not read_at(file, start, piece):
                return False
            hasher.update(piece)
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error
    return _has(hasher, expected)


def is_block(data: memoryview, expected: bytes) -> bool:
    """Tell whether these bytes have this hash."""
    return _has(blake3(data), expected)


def _has(hasher: blake3, expected: bytes) -> bool:
    return hasher.digest() == expected
