"""The helper process, end to end: archives in, files out, by the library and by the tool."""

import hashlib
import os
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from peer_cli.install.errors import InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.unpacker import Unpacker, stop
from tests.peer_cli.install.rar_bytes import (
    FILE_COPY,
    HARD_LINK,
    archive,
    archive_4,
    directory_block,
    end_block,
    file_block,
    file_block_4,
    redirection,
    umask,
    unix_time,
    version,
    windows_time,
)
from tests.peer_cli.install.unpacking import DATA, LIBRARY, both, packed, unpack

COMPRESSED = "bin/numbers.txt"  # in solid.rar
PRECISE = ("unix", "windows", "folder", "old", "precise")


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


@both
def test_times_are_kept(unpacker: Unpacker, tmp_path: Path) -> None:
    unpack(unpacker, tmp_path / "out", DATA / "solid.rar")
    assert (tmp_path / "out/bin/numbers.txt").stat().st_mtime == 1_577_836_800


@both
def test_precise_times_are_kept(unpacker: Unpacker, tmp_path: Path) -> None:
    noon = 134_774 * 86_400 * 10_000_000 + 5 * 10_000_000 + 1_234_567  # of 1970, 5.1234567 s later
    # The older format has the time of the machine it is unpacked on: 2020-02-03 04:05:06.
    dos = (40 << 9 | 2 << 5 | 3) << 16 | (4 << 11 | 5 << 5 | 6 // 2)
    one_more_second = struct.pack("<H", 0xF << 12) + (2_345_678).to_bytes(3, "little")
    paths = packed(
        tmp_path,
        archive(
            file_block("unix", extra=unix_time(1_600_000_000, 123_456_789)),
            file_block("windows", extra=windows_time(noon)),
            file_block("folder/x", b"x"),
            file_block("folder", file_flags=1, extra=unix_time(1_500_000_000, 5)),
            file_block("never", extra=windows_time((1 << 64) - 1)),
        ),
        archive_4(
            file_block_4("old", b"x", dos_time=dos),
            file_block_4("precise", b"x", dos_time=dos, flags=0x1000, more=one_more_second),
        ),
    )
    unpack(unpacker, tmp_path / "out", *paths)
    local = int(time.mktime((2020, 2, 3, 4, 5, 6, 0, 0, -1))) * 10**9
    got = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in PRECISE}
    assert got == {
        "unix": 1_600_000_000_123_456_789,
        "windows": 5_123_456_700,
        "folder": 1_500_000_000_000_000_005,
        "old": local,
        "precise": local + 10**9 + 234_567_800,
    }


@both
def test_only_the_executable_bit_of_a_mode_is_kept(unpacker: Unpacker, tmp_path: Path) -> None:
    modes = {"plain": 0o100644, "run": 0o100755, "mine": 0o100700, "root": 0o107777}
    paths = packed(
        tmp_path,
        archive(
            *(file_block(name, b"x", mode=mode) for name, mode in modes.items()),
            file_block("dos", b"x", mode=0o755, system=0),
            file_block("copy", size=1, mode=0o100755, extra=redirection(FILE_COPY, "plain")),
        ),
        archive_4(file_block_4("old", b"x", attributes=0o100755)),
    )
    unpack(unpacker, tmp_path / "out", *paths)
    got = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out").iterdir()}
    plain, run = 0o666 & ~umask(), 0o777 & ~umask()
    assert got == {"plain": plain, "dos": plain} | dict.fromkeys(
        ("run", "mine", "root", "copy", "old"), run
    )


@both
def test_copies_within_an_archive_become_files(unpacker: Unpacker, tmp_path: Path) -> None:
    solid = (DATA / "solid.rar").read_bytes()
    reference = file_block("again.txt", size=13_893, extra=redirection(FILE_COPY, COMPRESSED))
    first, second = packed(
        tmp_path,
        archive(
            file_block("d/a", b"hello"),
            file_block("d/hard", extra=redirection(HARD_LINK, "d/a")),
            file_block("sized", size=5, extra=redirection(HARD_LINK, "d/a")),
            file_block("ref", size=5, extra=redirection(FILE_COPY, "d/a")),
            file_block("none", b""),
            file_block("none again", extra=redirection(FILE_COPY, "none")),
            file_block("z", b"zz"),
        ),
        solid[: -len(end_block())] + reference + end_block(),
    )
    summary = unpack(unpacker, tmp_path / "out", first, second)
    got = {name: (tmp_path / "out" / name).read_bytes() for name in ("d/hard", "sized", "ref")}
    assert got == dict.fromkeys(("d/hard", "sized", "ref"), b"hello")
    assert (tmp_path / "out/again.txt").read_bytes() == (tmp_path / "out" / COMPRESSED).read_bytes()
    assert (tmp_path / "out/none again").read_bytes() == b""
    # Files of their own: to write into one does not change the other.
    assert {path.stat().st_nlink for path in (tmp_path / "out/d").iterdir()} == {1}
    assert summary.files == 11
    assert summary.total_bytes == 4 * 5 + 2 + 2 * 13_893 + 10_005


@both
def test_only_the_newest_version_of_a_file_is_unpacked(unpacker: Unpacker, tmp_path: Path) -> None:
    paths = packed(
        tmp_path,
        archive(
            file_block("a", b"one", extra=version(1)),
            file_block("a", b"second", extra=version(2)),
            file_block("a", b"the third"),
            file_block("gone", b"x", extra=version(1)),
            file_block("copy", size=9, extra=redirection(FILE_COPY, "a")),
        ),
        archive_4(file_block_4("b;1", b"older", flags=0x800), file_block_4("b", b"newer")),
    )
    summary = unpack(unpacker, tmp_path / "out", *paths)
    got = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert got == {"a": b"the third", "b": b"newer", "copy": b"the third"}
    assert summary == InstallSummary(2, 3, 0, 9 + 9 + 5)


@both
def test_a_later_archive_replaces_files_of_an_earlier_one(
    unpacker: Unpacker, tmp_path: Path
) -> None:
    paths = packed(
        tmp_path,
        archive(file_block("d/a", b"one", mode=0o100755), file_block("b", b"stays")),
        archive(file_block("d/a", b"patched"), directory_block("d")),
        archive(file_block("d/a", b"again"), file_block("c", size=5, extra=redirection(5, "d/a"))),
    )
    unpack(unpacker, tmp_path / "out", *paths)
    got = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert got == {"a": b"again", "b": b"stays", "c": b"again"}
    assert not (tmp_path / "out/d/a").stat().st_mode & 0o111


@both
@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (file_block("a", b"x"), directory_block("a")),
        (directory_block("a"), file_block("a", b"x")),
        (file_block("a", b"x"), file_block("a/b", b"x")),
        (b"", file_block("a", b"x") + file_block("a", b"y")),
    ],
)
def test_what_is_no_patch_stays_a_duplicate(
    unpacker: Unpacker, tmp_path: Path, earlier: bytes, later: bytes
) -> None:
    with pytest.raises(InstallError) as caught:
        unpack(unpacker, tmp_path / "out", *packed(tmp_path, archive(earlier), archive(later)))
    assert caught.value.code == "duplicate-name"


@both
def test_an_archive_of_folders_alone(unpacker: Unpacker, tmp_path: Path) -> None:
    paths = packed(tmp_path, archive(directory_block("a"), directory_block("a/b")), archive())
    assert unpack(unpacker, tmp_path / "out", *paths) == InstallSummary(2, 0, 2, 0)
    assert (tmp_path / "out/a/b").is_dir()


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


def test_the_dictionary_limit_reaches_the_helper(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="dictionary of 1 MiB") as caught:
        unpack(Unpacker(dictionary_limit=1 << 19), tmp_path / "out", DATA / "solid.rar")
    assert caught.value.code == "dictionary-too-large"


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


@pytest.mark.parametrize("for_others", [False, True])
def test_what_is_done_for_others_gives_way(tmp_path: Path, for_others: bool) -> None:
    # More than fits into the pipe, so that the helper is still there when it is looked at.
    [path] = packed(tmp_path, archive(file_block("a", bytes(8 << 20))))
    with LIBRARY.start([path], for_others=for_others) as helper:
        assert helper.stdout is not None
        assert helper.stdout.read(1)
        niceness = os.getpriority(os.PRIO_PROCESS, helper.pid)
        stop(helper)
    assert niceness == os.nice(0) + (10 if for_others else 0)
