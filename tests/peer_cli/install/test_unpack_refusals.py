"""Archives that the helper refuses, and errors of its tools."""

import shutil
from pathlib import Path

import pytest

from peer_cli.install.errors import InstallError
from peer_cli.install.unpacker import Unpacker
from tests.peer_cli.install.rar_bytes import (
    FILE_COPY,
    HARD_LINK,
    archive,
    archive_4,
    directory_block,
    file_block,
    file_block_4,
    padded,
    patch_headers,
    redirection,
)
from tests.peer_cli.install.unpacking import DATA, LIBRARY, both, packed, unpack

# What it is called depends on who notices first: the size, the checksum, the unpacking program.
CAUGHT_LIES = {"size-mismatch", "archive-corrupt", "crc-mismatch"}


def refusal(unpacker: Unpacker, tmp_path: Path, content: bytes | Path) -> str:
    path = tmp_path / "game.eti"
    if isinstance(content, Path):
        shutil.copy(content, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InstallError, match=r"\.$") as caught:
        unpack(unpacker, tmp_path / "out", path)
    return caught.value.code


@both
@pytest.mark.parametrize(
    "blocks",
    [
        (file_block("ref", size=5, extra=redirection(FILE_COPY, "later")), file_block("later")),
        (file_block("ref", size=5, extra=redirection(FILE_COPY, "ref")),),
        (file_block("ref", extra=redirection(HARD_LINK, "nothing")),),
        (file_block("ref", extra=redirection(FILE_COPY, "../../etc/passwd")),),
        (file_block("ref", extra=redirection(HARD_LINK, "/etc/passwd")),),
        (directory_block("d"), file_block("ref", extra=redirection(FILE_COPY, "d"))),
        (file_block("d/a", b"x"), file_block("ref", extra=redirection(HARD_LINK, "d/../d/a"))),
    ],
)
def test_a_copy_of_what_is_no_earlier_file_is_refused(
    unpacker: Unpacker, tmp_path: Path, blocks: tuple[bytes, ...]
) -> None:
    assert refusal(unpacker, tmp_path, archive(*blocks)) == "entry-is-link"


@both
def test_a_copy_of_another_archives_file_is_refused(unpacker: Unpacker, tmp_path: Path) -> None:
    paths = packed(
        tmp_path,
        archive(file_block("a", b"x")),
        archive(file_block("ref", size=1, extra=redirection(FILE_COPY, "a"))),
    )
    with pytest.raises(InstallError) as caught:
        unpack(unpacker, tmp_path / "out", *paths)
    assert caught.value.code == "entry-is-link"


@both
@pytest.mark.parametrize(
    ("sample", "code"),
    [
        ("encrypted-files.rar", "archive-encrypted"),
        ("encrypted-headers.rar", "archive-encrypted"),
        ("first-volume.rar", "archive-multi-volume"),
        ("link.rar", "entry-is-link"),
        ("README.md", "not-an-archive"),
    ],
)
def test_samples_that_are_refused(
    unpacker: Unpacker, tmp_path: Path, sample: str, code: str
) -> None:
    assert refusal(unpacker, tmp_path, DATA / sample) == code


@both
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
def test_every_kind_of_link_out_of_the_archive_is_refused(
    unpacker: Unpacker, tmp_path: Path, kind: int
) -> None:
    link = file_block("link", extra=redirection(kind, "/etc/passwd"))
    assert refusal(unpacker, tmp_path, archive(file_block("a", b"x"), link)) == "entry-is-link"


@both
def test_a_link_of_the_older_format_is_refused(unpacker: Unpacker, tmp_path: Path) -> None:
    link = file_block_4("link", b"/etc/passwd", attributes=0o120777)
    assert refusal(unpacker, tmp_path, archive_4(link)) == "entry-is-link"


@both
@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "c:/x"])
def test_hostile_names_are_refused(unpacker: Unpacker, tmp_path: Path, name: str) -> None:
    assert refusal(unpacker, tmp_path, archive(file_block(name, b"x"))) == "unsafe-name"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["game.eti", "out"]


@both
def test_a_duplicate_is_refused(unpacker: Unpacker, tmp_path: Path) -> None:
    content = archive(file_block("a", b"x"), file_block("a", b"y"))
    assert refusal(unpacker, tmp_path, content) == "duplicate-name"


@both
@pytest.mark.parametrize("size", [4, 6, 5_000_000])
def test_a_stored_file_of_another_size_is_refused(
    unpacker: Unpacker, tmp_path: Path, size: int
) -> None:
    content = archive(file_block("a", b"12345", size=size), file_block("b", b"x" * 100))
    assert refusal(unpacker, tmp_path, content) == "size-mismatch"


@both
@pytest.mark.parametrize("size", [1, 13_892, 13_894, 16_000])
def test_a_compressed_file_of_another_size_is_refused(
    unpacker: Unpacker, tmp_path: Path, size: int
) -> None:
    lying = patch_headers((DATA / "solid.rar").read_bytes(), padded(13_893), padded(size))
    assert lying != (DATA / "solid.rar").read_bytes()
    assert refusal(unpacker, tmp_path, lying) in CAUGHT_LIES


@both
def test_a_bad_checksum_in_the_last_entry_is_refused(unpacker: Unpacker, tmp_path: Path) -> None:
    content = archive(file_block("a", b"good"), file_block("b", b"bad", crc32=1))
    assert refusal(unpacker, tmp_path, content) in CAUGHT_LIES


def test_stored_files_are_not_unpacked_but_sent_as_they_are(tmp_path: Path) -> None:
    content = archive(file_block("a", b"x" * 100, crc32=1))
    # UnRAR would have called the archive corrupt: it was the receiver that noticed.
    assert refusal(LIBRARY, tmp_path, content) == "crc-mismatch"


def test_a_compressed_file_that_yields_more_is_stopped(tmp_path: Path) -> None:
    lying = patch_headers((DATA / "solid.rar").read_bytes(), padded(13_893), padded(1))
    assert refusal(LIBRARY, tmp_path, lying) == "size-mismatch"


@both
def test_a_wrong_blake2_checksum_is_noticed(unpacker: Unpacker, tmp_path: Path) -> None:
    lying = patch_headers(
        (DATA / "solid.rar").read_bytes(), b"\xca\x04\xba\xd8", b"\xca\x04\xba\xd9"
    )
    assert lying != (DATA / "solid.rar").read_bytes()
    assert refusal(unpacker, tmp_path, lying) == "archive-corrupt"


def test_a_damaged_header_of_the_older_format_is_refused(tmp_path: Path) -> None:
    good = archive_4(file_block_4("a", b"hello"))
    damaged = bytearray(good)
    damaged[-7] ^= 1  # of the checksum of the last block
    assert refusal(LIBRARY, tmp_path, bytes(damaged)) == "archive-corrupt"


@both
def test_damaged_compressed_data_is_refused(unpacker: Unpacker, tmp_path: Path) -> None:
    damaged = bytearray((DATA / "solid.rar").read_bytes())
    damaged[1000] ^= 0xFF
    assert refusal(unpacker, tmp_path, bytes(damaged)) == "archive-corrupt"


@both
@pytest.mark.parametrize("sample", ["solid.rar", None])
def test_cut_archives_are_refused(unpacker: Unpacker, tmp_path: Path, sample: str | None) -> None:
    whole = (DATA / sample).read_bytes() if sample else archive(file_block("a", b"x" * 1000))
    assert refusal(unpacker, tmp_path, whole[:-8]) == "archive-end-missing"
    assert refusal(unpacker, tmp_path, whole[: len(whole) // 2]) == "archive-truncated"


def test_a_missing_tool_costs_only_what_needs_it(tmp_path: Path) -> None:
    unpacker = Unpacker(unrar=str(tmp_path / "unrar"))
    assert refusal(unpacker, tmp_path, archive(file_block("a", b"x"))) == "unpacker-missing"
    (tmp_path / "unrar").write_text("no program")
    assert refusal(unpacker, tmp_path, archive(file_block("a", b"x"))) == "unpacker-missing"
    (tmp_path / "unrar").chmod(0o755)
    assert refusal(unpacker, tmp_path, archive(file_block("a", b"x"))) == "unpacker-missing"


def test_a_tool_that_is_no_unrar_is_told(tmp_path: Path) -> None:
    for number, program in enumerate(["exit 0", "exit 7", "echo '  Name: a'; echo"]):
        tool = tmp_path / f"tool{number}"
        tool.write_text(f"#!/bin/sh\n{program}\n")
        tool.chmod(0o755)
        code = refusal(Unpacker(unrar=str(tool)), tmp_path, archive(file_block("a", b"x")))
        assert code in ("unpacker-failed", "archive-corrupt")


def test_a_tool_that_prints_more_than_it_lists_is_refused(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    listing = "        Name: a\\n        Type: File\\n        Size: 1\\n\\n"
    tool.write_text(f"#!/bin/sh\nif [ $1 = lt ]; then printf '{listing}'; else echo xyz; fi\n")
    tool.chmod(0o755)
    content = archive(file_block("a", b"x"))
    assert refusal(Unpacker(unrar=str(tool)), tmp_path, content) == "size-mismatch"
