from pathlib import Path

import pytest

from peer_cli.install.errors import InstallError
from peer_cli.install.rar_headers import Survey, survey_archive
from tests.peer_cli.install.rar_bytes import (
    SIGNATURE,
    archive,
    archive_4,
    block,
    block_4,
    directory_block,
    end_block,
    file_block,
    file_block_4,
    main_block,
    main_block_4,
    vint,
)

DATA = Path(__file__).parent / "data"
GIB = 1 << 30

FIRST = file_block("a.txt", b"hello")
SECOND = file_block("b/c.txt", b"world!")
GOOD = archive(FIRST, directory_block("b"), SECOND)
GOOD_4 = archive_4(file_block_4("a.txt", b"hello"), file_block_4("c.txt", b"world!"))


def survey(tmp_path: Path, content: bytes, limit: int = GIB) -> Survey:
    path = tmp_path / "game.eti"
    path.write_bytes(content)
    return survey_archive(path, limit)


def refusal(tmp_path: Path, content: bytes, limit: int = GIB) -> str:
    with pytest.raises(InstallError, match=r"game\.eti") as caught:
        survey(tmp_path, content, limit)
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.mark.parametrize(("content", "entries"), [(GOOD, 3), (GOOD_4, 2)])
def test_totals_and_where_stored_data_lies(tmp_path: Path, content: bytes, entries: int) -> None:
    result = survey(tmp_path, content)
    assert (result.entries, result.total_bytes) == (entries, 11)
    starts = [start for start in result.stored if start >= 0]
    assert [content[start:][:5] for start in starts] == [b"hello", b"world"]


def test_compressed_entries_are_not_taken_for_stored() -> None:
    result = survey_archive(DATA / "solid.rar", GIB)
    assert list(result.stored) == [-1] * 5
    assert result.total_bytes == 13893 + 10005


@pytest.mark.parametrize("content", [GOOD, GOOD_4])
def test_no_beginning_of_an_archive_passes_for_a_whole_one(tmp_path: Path, content: bytes) -> None:
    codes = {refusal(tmp_path, content[:length]) for length in range(len(content))}
    assert codes == {"not-an-archive", "archive-truncated", "archive-end-missing"}


def test_a_cut_between_two_entries_is_told_from_one_within(tmp_path: Path) -> None:
    assert refusal(tmp_path, archive(FIRST, end=False)) == "archive-end-missing"
    assert refusal(tmp_path, archive(FIRST, end=False) + SECOND[:-1]) == "archive-truncated"
    assert refusal(tmp_path, archive_4(end=False)) == "archive-end-missing"


def test_data_beyond_all_reason_is_a_truncated_archive(tmp_path: Path) -> None:
    assert refusal(tmp_path, archive(block(3, vint(1 << 69), flags=2))) == "archive-truncated"


@pytest.mark.parametrize("content", [b"", b"MZ", b"PK\x03\x04" + bytes(100), SIGNATURE[:-1] + b"x"])
def test_something_else_is_not_an_archive(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content) == "not-an-archive"


def test_every_flipped_bit_in_a_header_is_noticed(tmp_path: Path) -> None:
    header = len(SIGNATURE) + len(main_block())
    for at in range(len(SIGNATURE), header + len(FIRST) - len(b"hello")):
        for bit in range(8):
            damaged = bytearray(GOOD)
            damaged[at] ^= 1 << bit
            assert refusal(tmp_path, bytes(damaged)) in ("archive-corrupt", "archive-truncated")


def test_a_header_that_lies_about_its_own_parts_is_corrupt(tmp_path: Path) -> None:
    assert refusal(tmp_path, archive(block(2, b""))) == "archive-corrupt"
    assert refusal(tmp_path, archive(block(2, b"\xff" * 12))) == "archive-corrupt"
    oversized = block(2, vint(100_000) + bytes(20), flags=1)
    assert refusal(tmp_path, archive(oversized)) == "archive-corrupt"
    assert refusal(tmp_path, archive_4(block_4(0x74, 0x8000, b"short"))) == "archive-corrupt"


def test_encryption_is_told(tmp_path: Path) -> None:
    record = vint(1)
    assert (
        refusal(tmp_path, archive(file_block("a", b"x", extra=vint(len(record)) + record)))
        == "archive-encrypted"
    )
    assert refusal(tmp_path, SIGNATURE + block(4, bytes(20))) == "archive-encrypted"
    assert refusal(tmp_path, archive_4(file_block_4("a", b"x", flags=4))) == "archive-encrypted"
    headers = b"Rar!\x1a\x07\x00" + main_block_4(0x80) + bytes(100)
    assert refusal(tmp_path, headers) == "archive-encrypted"


def test_volumes_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, SIGNATURE + main_block(1) + end_block()) == "archive-multi-volume"
    assert refusal(tmp_path, SIGNATURE + main_block() + end_block(1)) == "archive-multi-volume"
    assert refusal(tmp_path, archive(file_block("a", flags=0x10))) == "archive-multi-volume"
    volume_4 = b"Rar!\x1a\x07\x00" + main_block_4(1)
    assert refusal(tmp_path, volume_4) == "archive-multi-volume"


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, archive(file_block("a", file_flags=8))) == "archive-unsupported"


@pytest.mark.parametrize(
    ("compression", "dictionary"),
    [
        (3 << 7 | 13 << 10, 1 << 30),
        (3 << 7 | 15 << 10, 4 << 30),
        (1 | 3 << 7 | 13 << 10 | 16 << 15, 3 << 29),
        (1 | 3 << 7 | 20 << 10, 128 << 30),
    ],
)
def test_dictionaries_are_read_from_the_header(
    tmp_path: Path, compression: int, dictionary: int
) -> None:
    content = archive(file_block("a", b"x", compression=compression))
    assert refusal(tmp_path, content, dictionary - 1) == "dictionary-too-large"
    assert survey(tmp_path, content, dictionary).entries == 1


def test_a_missing_file_is_a_reason_too(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        survey_archive(tmp_path / "none.eti", GIB)
    assert caught.value.code == "read-failed"
