import pytest

from peer_cli.install.entries import (
    CONTROL_LIMIT,
    DATA,
    DATA_LIMIT,
    DATA_MINIMUM,
    END,
    NAME_LIMIT,
    ArchiveBegin,
    EntryBegin,
    EntryDecoder,
    EntryEnd,
    Event,
    StreamBegin,
    StreamEnd,
    StreamFailure,
    encode,
)
from peer_cli.install.errors import InstallError

EVENTS: list[Event] = [
    StreamBegin(2, 3, 1 << 40),
    ArchiveBegin("ärchive.eti"),
    EntryBegin(
        "bin/雪.dat", is_directory=False, size=DATA_MINIMUM + 50, mtime_ns=1_577_836_800_000_000_001
    ),
    memoryview(b"y" * DATA_MINIMUM),
    memoryview(b"x" * 50),
    EntryEnd(DATA_MINIMUM + 50, 0xFFFFFFFF),
    EntryBegin("empty", is_directory=True, size=0, mtime_ns=0),
    EntryEnd(0, 0),
    StreamEnd(),
]


def decode(stream: bytes, step: int) -> list[Event]:
    """Decode in fragments of `step` bytes; neighbouring pieces of data are joined."""
    decoder = EntryDecoder()
    events: list[Event] = []
    for start in range(0, len(stream), step):
        for event in decoder.feed(memoryview(stream)[start : start + step]):
            if isinstance(event, memoryview) and events and isinstance(events[-1], memoryview):
                events[-1] = memoryview(bytes(events[-1]) + bytes(event))
            else:
                events.append(event)
    return events


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 100_000])
def test_a_stream_survives_any_fragmentation(step: int) -> None:
    joined = [*EVENTS[:3], memoryview(b"y" * DATA_MINIMUM + b"x" * 50), *EVENTS[5:]]
    assert decode(b"".join(encode(event) for event in EVENTS), step) == joined


def test_data_is_handed_on_without_a_copy() -> None:
    fragment = bytearray(encode(memoryview(b"a" * 100)))
    (piece,) = EntryDecoder().feed(memoryview(fragment))
    fragment[-1:] = b"b"
    assert isinstance(piece, memoryview)
    assert bytes(piece[-1:]) == b"b"


def test_only_the_last_frame_of_a_file_may_be_small() -> None:
    begin = encode(EntryBegin("a", is_directory=False, size=DATA_MINIMUM + 1, mtime_ns=0))
    whole, small = (encode(memoryview(bytes(size))) for size in (DATA_MINIMUM, DATA_MINIMUM - 1))
    last = encode(memoryview(b"x"))
    assert len(decode(begin + whole + last, 1 << 20)) == 2
    for stream in (begin + small, begin + last, begin + whole + encode(memoryview(b""))):
        with pytest.raises(InstallError, match="is not the file's last"):
            decode(stream, 1 << 20)


def test_a_failure_keeps_code_and_sentence() -> None:
    failure = StreamFailure("archive-corrupt", "Ünder repair.")
    assert decode(encode(failure), 3) == [failure]


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        (b"\x00\x00\x00\x00\x00", "kind 0"),
        (b"\x09\x00\x00\x00\x00", "kind 9"),
        (b"GET / HTTP/1.1\r\n", "kind 71"),
        (DATA.to_bytes(1) + (DATA_LIMIT + 1).to_bytes(4), "over the limit"),
        (DATA.to_bytes(1) + bytes(4), "is not the file's last"),
        (b"\x03" + (CONTROL_LIMIT + 1).to_bytes(4), "over the limit"),
        (b"\x01\x00\x00\x00\x01x", "cannot be read"),
        (encode(EVENTS[0]).replace(b"LSE2", b"LSE1"), "another version"),
        (encode(EVENTS[2]).replace(b"\xe9\x9b\xaa", b"\xff\xff\xff"), "cannot be read"),
        (b"\x05\x00\x00\x00\x02xx", "cannot be read"),
        (encode(StreamEnd()) + b"\x04", "follow its end"),
        (encode(StreamFailure("two-words", "x")) + encode(StreamEnd()), "follow its end"),
        (encode(StreamFailure("No Code", "x")), "no proper code"),
    ],
)
def test_what_is_no_entry_stream_is_refused(stream: bytes, complaint: str) -> None:
    for step in (1, 1000):
        with pytest.raises(InstallError, match=complaint) as caught:
            decode(stream + bytes(5), step)
        assert caught.value.code == "malformed-stream"


def test_limits_themselves_are_allowed() -> None:
    assert decode(DATA.to_bytes(1) + DATA_LIMIT.to_bytes(4), 100) == []
    assert decode(END.to_bytes(1) + bytes(4), 100) == [StreamEnd()]


@pytest.mark.parametrize("name", ["x" * (NAME_LIMIT + 1), "ä" * NAME_LIMIT, "\udc80"])
def test_names_that_do_not_fit_are_not_sent(name: str) -> None:
    with pytest.raises(InstallError) as caught:
        encode(EntryBegin(name, is_directory=False, size=0, mtime_ns=0))
    assert caught.value.code == "unsafe-name"
