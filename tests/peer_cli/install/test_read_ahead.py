import os
import threading
from contextlib import closing

import pytest

from peer_cli.install.read_ahead import BUFFER_BYTES, BUFFERS, read_ahead

SOON_S = 10.0


class Source:
    """Gives pieces, then what comes after them; counts the reads."""

    def __init__(self, pieces: list[bytes], failure: Exception | None = None) -> None:
        self.pieces = pieces
        self.failure = failure
        self.read = threading.Semaphore(0)

    def read_into(self, memory: memoryview) -> int:
        self.read.release()
        if not self.pieces:
            if self.failure is not None:
                raise self.failure
            return 0
        piece = self.pieces.pop(0)
        memory[: len(piece)] = piece
        return len(piece)


def nothing() -> None:
    pass


def test_fragments_come_whole_and_in_order() -> None:
    pieces = [os.urandom(size) for size in (1, BUFFER_BYTES, 77, *[1000] * 20)]
    fragments = [
        bytes(fragment) for fragment in read_ahead(Source(list(pieces)).read_into, nothing)
    ]
    assert fragments == pieces


def test_it_reads_ahead_but_uses_no_memory_again_before_it_is_asked_for_more() -> None:
    source = Source([bytes([number]) for number in range(BUFFERS + 2)])
    with closing(read_ahead(source.read_into, nothing)) as fragments:
        first = next(fragments)
        for _ in range(BUFFERS):
            assert source.read.acquire(timeout=SOON_S)
        assert not source.read.acquire(timeout=0.2)  # every buffer is full
        assert bytes(first) == b"\0"
        assert bytes(next(fragments)) == b"\1"
        assert source.read.acquire(timeout=SOON_S)


def test_an_error_comes_after_the_fragments_before_it() -> None:
    fragments = read_ahead(Source([b"1", b"2"], OSError("cable")).read_into, nothing)
    assert [bytes(next(fragments)), bytes(next(fragments))] == [b"1", b"2"]
    with pytest.raises(OSError, match="cable"):
        next(fragments)


def test_closing_ends_a_read_that_waits() -> None:
    stopped = threading.Event()
    pieces = [b"1"]

    def read_into(memory: memoryview) -> int:
        if pieces:
            memory[:1] = pieces.pop()
            return 1
        assert stopped.wait(SOON_S)
        return 0

    fragments = read_ahead(read_into, stopped.set)
    next(fragments)
    fragments.close()
    assert stopped.is_set()
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]
