"""Cutting a byte stream into lines."""

import random

import pytest

from headless.dispatch import LineSplitter

# --- LineSplitter -----------------------------------------------------------------------------


def fed(splitter: LineSplitter, data: bytes, cuts: list[int]) -> list[bytes]:
    lines: list[bytes] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        lines += splitter.feed(data[begin:end])
    return lines + splitter.end()


LIMIT = 8
STREAMS = [
    (b"", []),
    (b"a\n", [b"a"]),
    (b"a\nb", [b"a", b"b"]),
    (b"\n\n", [b"", b""]),
    (b"\n", [b""]),
    (b"12345678\n12345678", [b"12345678", b"12345678"]),
    (b"123456789\nx\n", [b"123456789", b"x"]),
    (b"1234567890123456789\nx\n", [b"123456789", b"x"]),
    (b"x\n1234567890123456789", [b"x", b"123456789"]),
    (b"1234567890123456789\n\n1234567890\n", [b"123456789", b"", b"123456789"]),
    (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
]


@pytest.mark.parametrize(("data", "lines"), STREAMS, ids=repr)
def test_lines_do_not_depend_on_where_the_stream_is_cut(data: bytes, lines: list[bytes]) -> None:
    for one in range(len(data) + 1):
        for two in range(one, len(data) + 1):
            assert fed(LineSplitter(LIMIT), data, [one, two]) == lines, (one, two)
    assert fed(LineSplitter(LIMIT), data, list(range(len(data)))) == lines


def test_random_streams_in_random_fragments() -> None:
    random_ = random.Random(20)
    for _ in range(300):
        whole = b"\n".join(
            random_.randbytes(random_.randrange(20)).replace(b"\n", b"") for _ in range(9)
        )
        cuts = sorted(random_.randrange(len(whole) + 1) for _ in range(random_.randrange(12)))
        expected = [line[: LIMIT + 1] for line in whole.split(b"\n")]
        if not expected[-1]:
            expected.pop()
        assert fed(LineSplitter(LIMIT), whole, cuts) == expected


def test_an_endless_line_is_not_kept() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
        assert len(splitter._rest) <= LIMIT + 1
    assert splitter.feed(b"\nnext\n") == [b"x" * (LIMIT + 1), b"next"]


def test_the_rest_is_told_once() -> None:
    splitter = LineSplitter(LIMIT)
    splitter.feed(b"rest")
    assert splitter.end() == [b"rest"]
    assert splitter.end() == []
