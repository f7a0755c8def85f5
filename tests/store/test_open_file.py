"""Reads and writes at an offset of an open file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.open_file import read_at, start_writing, write_at

DATA = os.urandom(100_000)
SIZE = len(DATA)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(DATA)
    descriptor = os.open(tmp_path / "file", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("offset", "length", "whole"),
    [(0, SIZE, True), (SIZE - 5, 5, True), (SIZE - 5, 6, False), (SIZE, 1, False), (SIZE, 0, True)],
)
def test_a_buffer_is_filled_or_the_file_ends_before(
    file: int, offset: int, length: int, whole: bool
) -> None:
    buffer = memoryview(bytearray(length))
    assert read_at(file, offset, buffer) is whole
    if whole:
        assert bytes(buffer) == DATA[offset : offset + length]


def test_all_is_written_in_its_place(file: int) -> None:
    write_at(file, 7, b"seven")
    write_at(file, SIZE, memoryview(b"behind"))
    start_writing(file, 0, SIZE + 6)  # it changes nothing that can be read
    assert os.pread(file, SIZE + 10, 0) == DATA[:7] + b"seven" + DATA[12:] + b"behind"
