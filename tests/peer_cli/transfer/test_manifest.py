import threading

import msgspec
import pytest
from blake3 import blake3

from peer_cli.network import wire
from peer_cli.transfer.manifest import (
    CHUNK_SIZE,
    Chunk,
    Manifest,
    ManifestError,
    check_manifest,
    chunks_of,
)

MIB = 1 << 20
BLOCK = 4 * MIB


def file(path: str, size: int = 5, fill: int = 0) -> wire.File:
    return wire.File(path, size, [bytes([fill]) * 32] * -(-size // BLOCK))


VERSION = file("version.ini", 1)


def reply(*files: wire.File, game_id: str = "g", version: str = "1") -> wire.ManifestReply:
    return wire.ManifestReply(request=1, game_id=game_id, version=version, files=list(files))


def manifest(*files: wire.File) -> Manifest:
    return Manifest("g", "1", files)


# --- check_manifest ---------------------------------------------------------------------------


def test_a_right_manifest_passes_as_it_is() -> None:
    files = (file("a/b.eti", 9 * MIB), file("a.txt"), file("ä/ö", 0), VERSION)
    ordered = tuple(sorted(files, key=lambda f: f.path))
    checked = check_manifest(reply(*ordered), "g", "1")
    assert checked == Manifest("g", "1", ordered)
    assert checked.total_bytes == 9 * MIB + 5 + 0 + 1


def test_a_check_can_be_cut_short() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(InterruptedError):
        check_manifest(reply(VERSION), "g", "1", cancelled)


@pytest.mark.parametrize(("depth", "good"), [(64, True), (65, False)])
def test_folders_are_not_too_deep(depth: int, good: bool) -> None:
    deep = reply(file("a/" * depth + "b"), VERSION)
    if good:
        check_manifest(deep, "g", "1")
    else:
        with pytest.raises(ManifestError, match="more than 64 folders"):
            check_manifest(deep, "g", "1")


def test_version_ini_alone_is_a_game() -> None:
    assert check_manifest(reply(VERSION), "g", "1").files == (VERSION,)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "./a", "a/./b", "a//b", "a/", "a\\b", "C:/x", "c:",
     "a\0b", "a\nb", "local/x", "LOCAL/x", ".lanspread/x", ".local.installing/x",
     ".local.backup/x", ".version.ini.tmp", ".lanspread.json", "local", "x" * 256, "\udc80",
     "d/" * 65 + "x", "d/" * 1500 + "x"],
)  # fmt: skip
def test_dangerous_paths_are_refused(path: str) -> None:
    files = sorted([VERSION, file(path)], key=lambda f: f.path)
    with pytest.raises(ManifestError):
        check_manifest(reply(*files), "g", "1")


@pytest.mark.parametrize("path", ["sub/local/x", "locals", "a/.lanspread", "a b", "version.ini.x"])
def test_harmless_paths_are_not(path: str) -> None:
    files = sorted([VERSION, file(path)], key=lambda f: f.path)
    assert len(check_manifest(reply(*files), "g", "1").files) == 2


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply(VERSION, game_id="h"), "it is of h 1"),
        (reply(VERSION, version="2"), "it is of g 2"),
        (reply(), "it lacks version.ini"),
        (reply(file("a"), file("b")), "it lacks version.ini"),
        (reply(file("a"), file("sub/version.ini")), "it lacks version.ini"),
        (reply(VERSION, file("a")), "'a' is out of order"),
        (reply(file("a"), file("a"), VERSION), "'a' is out of order"),
        (reply(VERSION, VERSION), "out of order"),
        (reply(file("a"), file("a/b"), VERSION), "'a/b' lies below a file"),
        (reply(file("a"), file("a.x"), file("a/b/c"), VERSION), "'a/b/c' lies below a file"),
        (reply(wire.File("a", 0, [bytes(32)]), VERSION), "'a' has 1 hashes for 0 bytes"),
        (reply(wire.File("a", 1, []), VERSION), "'a' has 0 hashes for 1 bytes"),
        (reply(wire.File("a", BLOCK, [bytes(32)] * 2), VERSION), "has 2 hashes"),
        (reply(wire.File("a", BLOCK + 1, [bytes(32)]), VERSION), "has 1 hashes"),
    ],
)
def test_impossible_manifests_are_refused(answer: wire.ManifestReply, text: str) -> None:
    with pytest.raises(ManifestError, match=text):
        check_manifest(answer, "g", "1")


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK])
def test_a_hash_for_each_block(size: int) -> None:
    check_manifest(reply(file("a", size), VERSION), "g", "1")


# --- digest -----------------------------------------------------------------------------------


def test_the_digest_is_that_of_the_documented_array() -> None:
    made = manifest(file("a", 5, 7), VERSION)
    rows = [["a", 5, [b"\x07" * 32]], ["version.ini", 1, [bytes(32)]]]
    assert made.digest() == blake3(msgspec.msgpack.encode(rows)).digest()


def test_the_digest_tells_any_difference() -> None:
    base = file("a", 5, 1)
    others = [file("b", 5, 1), file("a", 6, 1), file("a", 5, 2), file("a", 0)]
    digests = {manifest(each, VERSION).digest() for each in [base, *others]}
    assert len(digests) == 5
    assert manifest(base, VERSION).digest() == manifest(file("a", 5, 1), VERSION).digest()


# --- attributes -------------------------------------------------------------------------------


def told(*, executable: bool, mtime_ns: int) -> Manifest:
    return manifest(
        msgspec.structs.replace(file("x", 5, 1), executable=executable, mtime_ns=mtime_ns), VERSION
    )


def test_bits_and_times_take_no_part_in_the_vote() -> None:
    same = [told(executable=True, mtime_ns=1), told(executable=False, mtime_ns=2)]
    assert same[0].digest() == same[1].digest()
    assert same[0].attributes() != same[1].attributes()
    assert same[0].attributes() == told(executable=True, mtime_ns=1).attributes()


# --- chunks_of --------------------------------------------------------------------------------


def cut(*sizes: int) -> list[tuple[int, int, int]]:
    files = [file(f"{number:03}", size) for number, size in enumerate(sizes)]
    chunks = chunks_of(manifest(*files))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.path for chunk in chunks] == [files[chunk.file].path for chunk in chunks]
    return [(chunk.file, chunk.offset, chunk.length) for chunk in chunks]


def test_the_size_of_a_chunk_is_that_of_the_contract() -> None:
    assert CHUNK_SIZE == 128 * MIB


@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        (0, [0]),
        (1, [1]),
        (CHUNK_SIZE - 1, [CHUNK_SIZE - 1]),
        (CHUNK_SIZE, [CHUNK_SIZE]),
        (CHUNK_SIZE + 1, [CHUNK_SIZE, 1]),
        (2 * CHUNK_SIZE, [CHUNK_SIZE] * 2),
        (4 * CHUNK_SIZE - 5, [CHUNK_SIZE] * 3 + [CHUNK_SIZE - 5]),
    ],
)
def test_a_file_is_cut_into_chunks(size: int, lengths: list[int]) -> None:
    assert cut(size) == [(0, number * CHUNK_SIZE, n) for number, n in enumerate(lengths)]


def test_no_chunk_spans_two_files() -> None:
    assert cut(5, 0, CHUNK_SIZE + 1, 7) == [
        (0, 0, 5),
        (1, 0, 0),
        (2, 0, CHUNK_SIZE),
        (2, CHUNK_SIZE, 1),
        (3, 0, 7),
    ]


def test_twenty_small_files_and_version_ini_are_21_chunks() -> None:
    files = [file(f"{number:02}.bin", 1000 + number) for number in range(20)]
    assert len(chunks_of(manifest(*files, VERSION))) == 21


def test_chunks_are_values() -> None:
    assert chunks_of(manifest(file("a", 3)))[0] == Chunk(0, 0, "a", 0, 3)
