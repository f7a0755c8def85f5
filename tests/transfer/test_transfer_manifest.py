from itertools import permutations

import msgspec
import pytest
from blake3 import blake3

from peer_cli.network import wire
from peer_cli.transfer.manifest import (
    CHUNK_SIZE,
    Agreement,
    Chunk,
    Manifest,
    ManifestError,
    agree,
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


def test_version_ini_alone_is_a_game() -> None:
    assert check_manifest(reply(VERSION), "g", "1").files == (VERSION,)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../b", "./a", "a/./b", "a//b", "a/", "a\\b", "C:/x", "c:",
     "a\0b", "a\nb", "local/x", "LOCAL/x", ".lanspread/x", ".local.installing/x",
     ".local.backup/x", ".version.ini.tmp", ".lanspread.json", "local", "x" * 256, "\udc80"],
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


# --- agree ------------------------------------------------------------------------------------

A, B, C = (manifest(file("x", 5, fill), VERSION) for fill in (1, 2, 3))


@pytest.mark.parametrize(
    ("offers", "members"),
    [
        ([A], "0"),
        ([A, A], "01"),
        ([A, A, B], "01"),
        ([B, A, A], "12"),
        ([A, B, A], "02"),
        ([A, A, B, B, A], "014"),
        ([A, B, C, C], "23"),
        ([], None),
        ([A, B], None),
        ([A, A, B, B], None),
        ([A, B, C], None),
        ([A, A, B, B, C], None),
    ],
)
def test_the_strictly_largest_group_wins(offers: list[Manifest], members: str | None) -> None:
    told = [(str(number), offer) for number, offer in enumerate(offers)]
    agreement = agree(told)
    if members is None:
        assert agreement is None
    else:
        assert agreement == Agreement(offers[int(members[0])], tuple(members))


def test_the_order_of_the_sources_does_not_decide() -> None:
    for offers in permutations([("a", A), ("b", A), ("c", B)]):
        agreement = agree(offers)
        assert agreement is not None
        assert sorted(agreement.members) == ["a", "b"]


def test_with_a_digest_in_the_catalog_there_is_no_vote() -> None:
    offers = [("a", A), ("b", A), ("c", B)]
    assert agree(offers, B.digest()) == Agreement(B, ("c",))
    assert agree(offers, A.digest()) == Agreement(A, ("a", "b"))
    assert agree(offers, C.digest()) is None
    assert agree([("a", A), ("c", B)], B.digest()) == Agreement(B, ("c",))
    assert agree([], A.digest()) is None


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
