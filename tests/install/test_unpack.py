"""The helper process, end to end: archives in, files out, by the library and by the tool."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rar_bytes import (
    archive,
    archive_4,
    directory_block,
    file_block,
    file_block_4,
    padded,
    patch_headers,
    redirection,
)

from peer_cli.install.errors import InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.unpacker import Unpacker

DATA = Path(__file__).parent / "data"
UNRAR = shutil.which("unrar")
LIBRARY = Unpacker()
# What it is called depends on who notices first: the size, the checksum, the unpacking program.
CAUGHT_LIES = {"size-mismatch", "archive-corrupt", "crc-mismatch"}

both = pytest.mark.parametrize(
    "unpacker",
    [
        pytest.param(LIBRARY, id="library"),
        pytest.param(
            Unpacker(unrar=UNRAR),
            id="tool",
            marks=pytest.mark.skipif(UNRAR is None, reason="no unrar program on this machine"),
        ),
    ],
)


def unpack(unpacker: Unpacker, target: Path, *archives: Path) -> InstallSummary:
    target.mkdir(exist_ok=True)
    with unpacker.start(archives) as helper, Extraction(target) as extraction:
        assert helper.stdout is not None
        descriptor = helper.stdout.fileno()
        try:
            return extract_stream(
                iter(lambda: memoryview(os.read(descriptor, 1 << 20)), b""), extraction
            )
        finally:
            helper.stdout.close()


def refusal(unpacker: Unpacker, tmp_path: Path, content: bytes | Path) -> str:
    path = tmp_path / "game.eti"
    if isinstance(content, Path):
        shutil.copy(content, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InstallError, match=r"\.$") as caught:
        unpack(unpacker, tmp_path / "out", path)
    return caught.value.code


def tree(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def expected_solid(folder: Path) -> dict[str, str | None]:
    for name, numbers in (("bin/numbers.txt", (1, 3000)), ("dätä/more.txt", (2000, 4000))):
        (folder / name).parent.mkdir(parents=True)
        first, last = numbers
        lines = "".join(f"{number}\n" for number in range(first, last + 1))
        (folder / name).write_text(lines)
    (folder / "empty.bin").touch()
    return tree(folder)


@both
def test_a_solid_compressed_archive(unpacker: Unpacker, tmp_path: Path) -> None:
    summary = unpack(unpacker, tmp_path / "out", DATA / "solid.rar")
    assert tree(tmp_path / "out") == expected_solid(tmp_path / "expected")
    assert summary == InstallSummary(1, 3, 2, 13893 + 10005)


def test_times_are_kept(tmp_path: Path) -> None:
    unpack(LIBRARY, tmp_path / "out", DATA / "solid.rar")
    assert (tmp_path / "out/bin/numbers.txt").stat().st_mtime == 1_577_836_800


@both
def test_stored_files_folders_and_names(unpacker: Unpacker, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    first, second = tmp_path / "a.eti", tmp_path / "b [x] *.eti"
    first.write_bytes(
        archive(
            file_block("big.bin", content),
            file_block("深/ünï: x.txt", b"deep"),
            file_block("none"),
            directory_block("深"),
            directory_block("last"),
        )
    )
    second.write_bytes(archive(file_block("second", b"2")))
    # What the name of the second would match, were it a pattern.
    (tmp_path / "b [x] 1.eti").write_bytes(archive(file_block("other", b"3")))
    summary = unpack(unpacker, tmp_path / "out", first, second)
    assert summary == InstallSummary(2, 4, 2, 3_000_005)
    assert (tmp_path / "out/big.bin").read_bytes() == content
    assert (tmp_path / "out/深/ünï: x.txt").read_bytes() == b"deep"
    assert (tmp_path / "out/none").read_bytes() == b""
    assert (tmp_path / "out/last").is_dir()


@both
def test_an_archive_of_the_older_format(unpacker: Unpacker, tmp_path: Path) -> None:
    path = tmp_path / "old.eti"
    path.write_bytes(archive_4(file_block_4("a.txt", b"hello"), file_block_4("b.txt", b"world")))
    assert unpack(unpacker, tmp_path / "out", path).files == 2
    assert (tmp_path / "out/b.txt").read_bytes() == b"world"


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
def test_every_kind_of_link_is_refused(unpacker: Unpacker, tmp_path: Path, kind: int) -> None:
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


def test_the_dictionary_limit_reaches_the_helper(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="dictionary of 1 MiB") as caught:
        unpack(Unpacker(dictionary_limit=1 << 19), tmp_path / "out", DATA / "solid.rar")
    assert caught.value.code == "dictionary-too-large"


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


def test_noise_of_a_library_stays_out_of_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "game.eti"
    path.write_bytes(archive(file_block("a", b"x")))
    script = (
        "import os, sys\n"
        "from peer_cli.install import unpack\n"
        "survey = unpack.survey_archive\n"
        "unpack.survey_archive = lambda *args: os.write(1, b'noise') and survey(*args)\n"
        f"sys.exit(unpack.main([{str(path)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.startswith(b"\x01")
    assert done.stderr == b"noise"


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unrar").mkdir()
    (tmp_path / "unrar/__init__.py").write_text("raise SystemExit('hostile')")
    path = tmp_path / "game.eti"
    path.write_bytes(archive(file_block("a", b"x")))
    monkeypatch.chdir(tmp_path)
    assert unpack(LIBRARY, tmp_path / "out", path).files == 1


def test_the_fixture_mode_copies_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.eti", tmp_path / "b.eti"
    first.write_bytes(b"no archive" * 100_000)
    second.write_bytes(b"at all")
    summary = unpack(Unpacker(fixture=True), tmp_path / "out", first, second)
    assert summary == InstallSummary(1, 1, 0, 1_000_006)
    assert (
        tmp_path / "out/fixture-payload.txt"
    ).read_bytes() == b"no archive" * 100_000 + b"at all"


def test_the_helper_ends_with_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "big.eti"
    path.write_bytes(archive(file_block("big", bytes(8 << 20))))
    for unpacker in (LIBRARY, Unpacker(fixture=True)):
        with unpacker.start([path]) as helper:
            assert helper.stdout is not None
            assert os.read(helper.stdout.fileno(), 10)
            helper.stdout.close()
            assert helper.wait(timeout=20) == 1


def test_the_stream_may_go_to_something_that_is_no_pipe(tmp_path: Path) -> None:
    path = tmp_path / "game.eti"
    content = os.urandom(2_500_000)
    path.write_bytes(archive(file_block("a", content)))
    with (tmp_path / "stream").open("wb+") as stream, Extraction(tmp_path / "out") as extraction:
        (tmp_path / "out").mkdir()
        command = [sys.executable, "-m", "peer_cli.install.unpack", str(path)]
        subprocess.run(command, stdout=stream, check=True)
        stream.seek(0)
        extract_stream([memoryview(stream.read())], extraction)
    assert (tmp_path / "out/a").read_bytes() == content


def test_many_entries_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.eti"
    path.write_bytes(archive(*(file_block(f"d/{number}", b"x") for number in range(3000))))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert unpack(LIBRARY, tmp_path / "out", path).files == 3000
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after <= max(before, 40 << 10)
