"""The record layer: what was written is read, and nothing else."""

import os
from collections.abc import Callable

import pytest

from peer_cli.install.errors import InstallError
from peer_cli.transfer.records import (
    HEADER_BYTES,
    KEY_BYTES,
    RECORD_BYTES,
    RecordReader,
    RecordWriter,
)

KEY = os.urandom(KEY_BYTES)
PAYLOADS = (b"a", b"bc" * 1000, os.urandom(RECORD_BYTES), b"bc" * 1000)


def records(*payloads: bytes, key: bytes = KEY) -> list[bytes]:
    writer = RecordWriter(key)
    return [writer.header(memoryview(payload)) + payload for payload in payloads]


def read_all(stream: bytes, key: bytes = KEY, at_once: int = RECORD_BYTES) -> list[bytes]:
    """Read to the end, with never more than `at_once` bytes of the connection at a time."""
    left = memoryview(stream)

    def receive(memory: memoryview) -> int:
        nonlocal left
        count = min(len(memory), len(left), at_once)
        memory[:count] = left[:count]
        left = left[count:]
        return count

    reader = RecordReader(receive, key)
    buffer = memoryview(bytearray(RECORD_BYTES))
    found = []
    while count := reader.read_into(buffer):
        found.append(bytes(buffer[:count]))
    return found


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(InstallError) as caught:
        work()
    return caught.value.code


@pytest.mark.parametrize("at_once", [1000, RECORD_BYTES])
def test_what_was_written_is_read(at_once: int) -> None:
    assert read_all(b"".join(records(*PAYLOADS)), at_once=at_once) == list(PAYLOADS)


@pytest.mark.parametrize("at", [0, 3, 4, HEADER_BYTES - 1, HEADER_BYTES, -1])
def test_no_byte_can_be_changed(at: int) -> None:
    stream = bytearray(records(b"12345")[0])
    stream[at] ^= 1
    # A longer length waits for bytes that do not come.
    codes = {"stream-not-authentic", "incomplete-stream"} if at < 4 else {"stream-not-authentic"}
    assert code_of(lambda: read_all(bytes(stream))) in codes


def test_records_keep_their_places() -> None:
    first, second, third, fourth = records(*PAYLOADS)
    for stream in (
        second + first,  # exchanged
        first + third,  # one left out
        first + first,  # repeated
        first + fourth + third + second,  # two of equal content exchanged
    ):
        assert code_of(lambda stream=stream: read_all(stream)) == "stream-not-authentic"  # type: ignore[misc]


def test_another_streams_records_are_not_taken() -> None:
    [other] = records(b"12345", key=os.urandom(KEY_BYTES))
    assert code_of(lambda: read_all(other)) == "stream-not-authentic"


@pytest.mark.parametrize("length", [0, RECORD_BYTES + 1, (1 << 32) - 1])
def test_impossible_lengths_take_no_memory(length: int) -> None:
    stream = length.to_bytes(4, "big") + bytes(32) + b"x"
    assert code_of(lambda: read_all(stream)) == "stream-not-authentic"


def test_an_end_within_a_record_is_told_from_one_between_records() -> None:
    first, second, *_ = records(*PAYLOADS)
    assert read_all(first) == [PAYLOADS[0]]
    for end in (1, HEADER_BYTES, len(second) - 1):
        assert code_of(lambda end=end: read_all(first + second[:end])) == "incomplete-stream"  # type: ignore[misc]


def test_a_stream_does_not_come_byte_by_byte() -> None:
    large = bytes(RECORD_BYTES)
    assert len(read_all(b"".join(records(*[b"x"] * 1000)))) == 1000
    assert len(read_all(b"".join(records(large, *[b"x"] * 2000)))) == 2001
    assert code_of(lambda: read_all(b"".join(records(*[b"x"] * 1100)))) == "malformed-stream"
