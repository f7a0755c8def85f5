import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from peer_cli.install.entries import (
    DATA_LIMIT,
    DATA_MINIMUM,
    EntryBegin,
    EntryDecoder,
    EntryEnd,
)
from peer_cli.install.entry_writer import EntryWriter
from peer_cli.install.errors import InstallError


def begin(size: int) -> EntryBegin:
    return EntryBegin("a", is_directory=False, size=size, mtime_ns=0)


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "stream", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_more_data_than_promised_is_refused_at_once(stream: int) -> None:
    writer = EntryWriter(stream)
    writer.entry(begin(5))
    writer.data(memoryview(b"1234"))
    with pytest.raises(InstallError, match="more than the 5") as caught:
        writer.data(memoryview(b"56"))
    assert caught.value.code == "size-mismatch"


def test_less_data_than_promised_is_refused(stream: int) -> None:
    writer = EntryWriter(stream)
    writer.entry(begin(5))
    writer.data(memoryview(b"1234"))
    with pytest.raises(InstallError, match="yields 4 bytes") as caught:
        writer.entry_end()
    assert caught.value.code == "size-mismatch"


def test_small_and_large_data_keep_their_order(stream: int) -> None:
    content = os.urandom(3_000_000)
    writer = EntryWriter(stream)
    writer.entry(begin(len(content)))
    for start, end in ((0, 10), (10, 2_500_000), (2_500_000, 2_500_001), (2_500_001, 3_000_000)):
        writer.data(memoryview(content)[start:end])
    writer.entry_end()
    writer.end()
    first, *pieces, last, _ = EntryDecoder().feed(memoryview(os.pread(stream, 4_000_000, 0)))
    assert first == begin(len(content))
    assert b"".join(piece for piece in pieces if isinstance(piece, memoryview)) == content
    assert last == EntryEnd(len(content), zlib.crc32(content))


def test_an_archive_that_shrinks_meanwhile_is_refused(stream: int, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"0123456789")
    archive = os.open(tmp_path / "archive", os.O_RDONLY)
    writer = EntryWriter(stream)
    writer.entry(begin(5), crc32=0)
    with pytest.raises(InstallError, match="shrank") as caught:
        writer.stored_data(archive, 8)
    os.close(archive)
    assert caught.value.code == "read-failed"


@pytest.mark.parametrize("last", [0, 1, 5000])
def test_pieces_that_are_too_small_are_gathered(stream: int, last: int) -> None:
    minimum, limit = DATA_MINIMUM, DATA_LIMIT
    sizes = [1, 7, minimum - 9, 1, minimum, 3, limit, limit + 1, 2, 2 * limit + minimum - 1, last]
    content = os.urandom(sum(sizes))
    writer = EntryWriter(stream)
    writer.entry(begin(len(content)))
    left = memoryview(content)
    for size in sizes:
        writer.data(left[:size])
        left = left[size:]
    writer.entry_end()
    writer.end()
    # The decoder refuses frames that are too small.
    sent = os.pread(stream, len(content) + 10_000, 0)
    pieces = list(EntryDecoder().feed(memoryview(sent)))
    assert b"".join(piece for piece in pieces if isinstance(piece, memoryview)) == content
