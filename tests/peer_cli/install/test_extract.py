import errno
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from peer_cli.install.entries import (
    ArchiveBegin,
    EntryBegin,
    EntryEnd,
    Event,
    StreamBegin,
    StreamEnd,
    StreamFailure,
    encode,
)
from peer_cli.install.errors import InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream

FRAGMENT = 128 << 10
MTIME = 1_577_836_800_123_456_789


def file(name: str, content: bytes) -> list[Event]:
    begin = EntryBegin(name, is_directory=False, size=len(content), mtime_ns=MTIME)
    data: list[Event] = [memoryview(content)] if content else []
    return [begin, *data, EntryEnd(len(content), zlib.crc32(content))]


def copy(name: str, original: str, size: int) -> list[Event]:
    return [EntryBegin(name, False, size, MTIME, copy_of=original), EntryEnd(size, 0)]


def directory(name: str) -> list[Event]:
    return [EntryBegin(name, is_directory=True, size=0, mtime_ns=0), EntryEnd(0, 0)]


def stream(*entries: list[Event], archives: int = 1) -> list[Event]:
    events = [event for entry in entries for event in entry]
    total = sum(event.size for event in events if isinstance(event, EntryBegin))
    archive_names: list[Event] = [ArchiveBegin("a.eti")] * archives
    return [StreamBegin(archives, len(entries), total), *archive_names, *events, StreamEnd()]


def extract(
    staging: Path, events: Iterable[Event], files: list[tuple[str, int]] | None = None
) -> InstallSummary:
    data = memoryview(b"".join(encode(event) for event in events))
    seen: list[tuple[str, int]] = [] if files is None else files
    with Extraction(staging, on_file=lambda name, size: seen.append((name, size))) as extraction:
        return extract_stream(
            (data[at : at + FRAGMENT] for at in range(0, len(data), FRAGMENT)), extraction
        )


def refusal(staging: Path, events: Iterable[Event]) -> str:
    with pytest.raises(InstallError) as caught:
        extract(staging, events)
    return caught.value.code


def test_files_and_folders_are_written_and_reported(tmp_path: Path) -> None:
    large = os.urandom(5_000_000)
    files: list[tuple[str, int]] = []
    summary = extract(
        tmp_path,
        stream(
            file("bin/data/large.bin", large[: 1 << 20]),
            file("bin/ünï 雪.txt", b"snow"),
            file("empty", b""),
            directory("bin"),
            directory("nothing/here"),
        ),
        files,
    )
    assert summary == InstallSummary(1, 3, 2, (1 << 20) + 4)
    assert files == [("bin/data/large.bin", 1 << 20), ("bin/ünï 雪.txt", 4), ("empty", 0)]
    assert (tmp_path / "bin/data/large.bin").read_bytes() == large[: 1 << 20]
    assert (tmp_path / "bin/ünï 雪.txt").read_bytes() == b"snow"
    assert (tmp_path / "bin/ünï 雪.txt").stat().st_mtime_ns == MTIME
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "nothing/here").is_dir()


def test_a_file_of_many_frames_arrives_in_order(tmp_path: Path) -> None:
    content = os.urandom((16 << 20) + 12_345)
    pieces: list[Event] = [
        memoryview(content[start : start + 300_001]) for start in range(0, len(content), 300_001)
    ]
    begin, *_, end = file("big", content)
    extract(tmp_path, stream([begin, *pieces, end], file("small", b"after")))
    assert (tmp_path / "big").read_bytes() == content
    assert (tmp_path / "small").read_bytes() == b"after"


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "C:/x", "a\\b", "a\0b", "x" * 256]
)
def test_hostile_names_are_refused(tmp_path: Path, name: str) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    assert refusal(staging, stream(file(name, b"x"))) == "unsafe-name"
    assert refusal(staging, stream(directory(name))) == "unsafe-name"
    assert [*tmp_path.rglob("*")] == [staging]


@pytest.mark.parametrize(
    "entries",
    [
        (file("a", b"1"), file("a", b"2")),
        (file("a", b"1"), file("a/b", b"2")),
        (file("a/b", b"1"), file("a", b"2")),
        (directory("a"), file("a", b"2")),
        (file("a", b"1"), directory("a")),
    ],
)
def test_one_name_for_two_things_is_refused(
    tmp_path: Path, entries: tuple[list[Event], ...]
) -> None:
    assert refusal(tmp_path, stream(*entries)) == "duplicate-name"


def test_sizes_and_checksums_are_checked(tmp_path: Path) -> None:
    content = b"12345" * 1000
    begin, data, end = file("a", content)
    less, more = memoryview(content[:-1]), memoryview(content + b"6")
    wrong_size = EntryEnd(4999, zlib.crc32(content))
    wrong_crc = EntryEnd(5000, zlib.crc32(content) ^ 1)
    for number, (events, code) in enumerate(
        [
            ([begin, less, end], "size-mismatch"),
            ([begin, end], "size-mismatch"),
            ([begin, more, end], "size-mismatch"),
            ([begin, data, data, end], "size-mismatch"),
            ([begin, data, wrong_size], "size-mismatch"),
            ([begin, data, wrong_crc], "crc-mismatch"),
        ]
    ):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert refusal(staging, stream(events)) == code


def test_a_lie_is_noticed_before_it_is_complete(tmp_path: Path) -> None:
    begin, archive, entry, *_ = stream(file("a", b"12345"))
    for number, (events, code) in enumerate(
        [
            ([begin, archive, entry, memoryview(b"123456")], "size-mismatch"),
            ([StreamBegin(1, 1, 4), archive, entry], "malformed-stream"),
            ([StreamBegin(1, 0, 5), archive, entry], "malformed-stream"),
        ]
    ):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert refusal(staging, events) == code


def test_totals_are_held(tmp_path: Path) -> None:
    good = stream(file("a", b"12345"))
    for number, begin in enumerate(
        [StreamBegin(2, 1, 5), StreamBegin(1, 2, 5), StreamBegin(1, 1, 6), StreamBegin(1, 1, 4)]
    ):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert refusal(staging, [begin, *good[1:]]) == "malformed-stream"


def test_events_out_of_place_are_refused(tmp_path: Path) -> None:
    begin, archive, entry, data, end, stream_end = stream(file("a", b"1"))
    for number, events in enumerate(
        [
            [archive],
            [stream_end],
            [begin, begin],
            [begin, entry],
            [begin, archive, data],
            [begin, archive, end],
            [begin, archive, entry, entry],
            [begin, archive, entry, archive],
            [begin, archive, entry, data, stream_end],
            [begin, archive, *directory("d")[:1], data],
        ]
    ):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert refusal(staging, events) == "malformed-stream"


def test_a_stream_that_stops_is_incomplete_wherever(tmp_path: Path) -> None:
    events = stream(file("a", b"1"), directory("b"))
    for count in range(len(events)):
        staging = tmp_path / str(count)
        staging.mkdir()
        assert refusal(staging, events[:count]) == "incomplete-stream"


def test_the_senders_failure_is_passed_on(tmp_path: Path) -> None:
    events = [*stream(file("a", b"1"))[:3], StreamFailure("archive-corrupt", "It broke.")]
    with pytest.raises(InstallError, match=r"It broke\.") as caught:
        extract(tmp_path, events)
    assert caught.value.code == "archive-corrupt"


@pytest.mark.parametrize("size", [10, 600_000])
def test_a_full_disk_is_told_promptly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(InstallError, match="No space left") as caught:
        extract(tmp_path, stream(file("a", bytes(size))))
    assert caught.value.code == "write-failed"


def test_what_cannot_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    assert refusal(tmp_path, [StreamBegin(1, 1, 1 << 60)]) == "write-failed"


def test_descriptors_are_closed_after_a_failure(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - closes its own descriptor
    events = stream(file("a", b"12345"))
    for number in range(3):
        staging = tmp_path / str(number)
        staging.mkdir()
        assert refusal(staging, events[:4]) == "incomplete-stream"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_a_copy_is_of_an_earlier_file_of_the_same_archive(tmp_path: Path) -> None:
    extract(tmp_path, stream(file("a", b"12345"), copy("d/b", "a", 5), copy("c", "d/b", 5)))
    assert (tmp_path / "d/b").read_bytes() == (tmp_path / "c").read_bytes() == b"12345"
    assert (tmp_path / "c").stat().st_mtime_ns == MTIME


@pytest.mark.parametrize("original", ["b", "nothing", "folder", "a/x"])
def test_a_copy_of_anything_else_is_refused(tmp_path: Path, original: str) -> None:
    events = stream(file("a", b"12345"), directory("folder"), copy("b", original, 5))
    assert refusal(tmp_path, events) == "entry-is-link"


def test_a_copy_of_what_another_archive_brought_is_refused(tmp_path: Path) -> None:
    first, second = file("a", b"12345"), copy("b", "a", 5)
    events = [StreamBegin(2, 2, 10), ArchiveBegin("1"), *first, ArchiveBegin("2"), *second]
    assert refusal(tmp_path, events) == "entry-is-link"


@pytest.mark.parametrize("original", ["/etc/passwd", "../x", "a/../a"])
def test_hostile_names_of_originals_are_refused(tmp_path: Path, original: str) -> None:
    assert refusal(tmp_path, stream(file("a", b"x"), copy("b", original, 1))) == "unsafe-name"


def test_a_copy_of_another_size_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, stream(file("a", b"12"), copy("b", "a", 3))) == "size-mismatch"


def test_a_copy_has_no_data(tmp_path: Path) -> None:
    begin, end = copy("b", "a", 2)
    events = stream(file("a", b"12"), [begin, memoryview(b"12"), end])
    assert refusal(tmp_path, events) == "malformed-stream"


def test_more_archives_than_announced_are_refused(tmp_path: Path) -> None:
    events: list[Event] = [StreamBegin(1, 0, 0), ArchiveBegin("a"), ArchiveBegin("b")]
    assert refusal(tmp_path, events) == "malformed-stream"


def test_what_would_take_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal(tmp_path, [StreamBegin(1, 1_000_001, 0)]) == "malformed-stream"
    monkeypatch.setattr("peer_cli.install.extract.MAX_NAME_BYTES", 5)
    assert refusal(tmp_path, stream(file("abc", b""), file("def", b""))) == "malformed-stream"
