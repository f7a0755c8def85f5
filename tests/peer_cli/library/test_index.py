import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3

from peer_cli.library.index import BLOCK_SIZE, ContentIndex, FileChanged

HOUR_NS = 3600 * 10**9


def later_ns() -> int:
    """Tell a time at which every file of the test was written long ago."""
    return time.time_ns() + HOUR_NS


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ContentIndex]:
    index = ContentIndex(tmp_path / "index.db", wall_clock_ns=later_ns)
    yield index
    index.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "games" / "ggoo" / "ggoo.eti"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"content")
    return path


def hashed_bytes(index: ContentIndex, path: Path) -> int:
    """Return how many bytes the index read to answer."""
    progress: list[int] = []
    index.file_blocks(path, on_progress=progress.append)
    return sum(progress)


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE])
def test_every_block_has_its_hash(index: ContentIndex, file: Path, size: int) -> None:
    content = blake3(b"seed").digest(length=size)
    file.write_bytes(content)
    pieces = [content[start : start + BLOCK_SIZE] for start in range(0, size, BLOCK_SIZE)]
    progress: list[int] = []
    blocks = index.file_blocks(file, on_progress=progress.append)
    assert blocks == tuple(blake3(piece).digest() for piece in pieces)
    assert progress == [len(piece) for piece in pieces]
    assert index.file_blocks(file) == blocks


def test_an_unchanged_file_is_read_once_also_after_a_restart(tmp_path: Path, file: Path) -> None:
    for expected in (7, 0):
        index = ContentIndex(tmp_path / "index.db", wall_clock_ns=later_ns)
        assert hashed_bytes(index, file) == expected
        assert hashed_bytes(index, file) == 0
        index.close()


def test_relative_and_absolute_paths_are_one(
    index: ContentIndex, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.file_blocks(file)
    monkeypatch.chdir(file.parent)
    assert hashed_bytes(index, Path(file.name)) == 0


def test_another_content_of_the_same_size_is_noticed(index: ContentIndex, file: Path) -> None:
    before = index.file_blocks(file)
    file.write_bytes(b"CONTENT")
    assert index.file_blocks(file) == (blake3(b"CONTENT").digest(),) != before


def test_a_modification_time_put_back_is_noticed(index: ContentIndex, file: Path) -> None:
    index.file_blocks(file)
    status = file.stat()
    while file.stat().st_ctime_ns == status.st_ctime_ns:  # the clock of the file system ticks
        file.write_bytes(b"CONTENT")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index.file_blocks(file) == (blake3(b"CONTENT").digest(),)


def test_many_are_known_at_once_if_unchanged(index: ContentIndex, file: Path) -> None:
    paths = [file.with_name(name) for name in ("same", "changed", "gone", "linked", "new")]
    blocks = {}
    for path in paths:
        path.write_bytes(path.name.encode())
        if path.name != "new":
            blocks[path.name] = index.file_blocks(path)
    file.with_name("changed").write_bytes(b"CHANGED")
    file.with_name("gone").unlink()
    file.with_name("linked").unlink()
    file.with_name("linked").symlink_to(file.with_name("same"))
    asked = [*map(str, paths), str(file.with_name("same"))]
    assert index.known(asked) == [blocks["same"], None, None, None, None, blocks["same"]]
    assert index.known([]) == []


def test_another_file_in_its_place_is_noticed(index: ContentIndex, file: Path) -> None:
    index.file_blocks(file)
    other = file.with_name("other")
    other.write_bytes(b"CONTENT")
    status = file.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    assert index.file_blocks(file) == (blake3(b"CONTENT").digest(),)


@pytest.mark.parametrize(
    ("age_ns", "reads"), [(0, 7), (10**9, 7), (3 * 10**9, 0), (-(10**9), 7), (-HOUR_NS, 7)]
)
def test_a_file_is_remembered_only_once_its_stamp_has_settled(
    tmp_path: Path, file: Path, age_ns: int, reads: int
) -> None:
    """A second write within the same tick as the first would leave the stamp as it is."""
    now = file.stat().st_ctime_ns + age_ns
    index = ContentIndex(tmp_path / "index.db", wall_clock_ns=lambda: now)
    assert hashed_bytes(index, file) == 7
    assert hashed_bytes(index, file) == reads
    index.close()


def test_a_modification_time_in_the_future_does_not_prevent_remembering(
    index: ContentIndex, file: Path
) -> None:
    os.utime(file, ns=(0, later_ns() + HOUR_NS))
    index.file_blocks(file)
    assert hashed_bytes(index, file) == 0


def test_a_file_that_changes_while_it_is_read_is_read_again(
    index: ContentIndex, file: Path
) -> None:
    def change_once(_: int) -> None:
        if file.read_bytes() == b"content":
            file.write_bytes(b"other size")

    assert index.file_blocks(file, on_progress=change_once) == (blake3(b"other size").digest(),)


def test_a_file_that_never_holds_still_is_given_up(index: ContentIndex, file: Path) -> None:
    sizes = itertools.count(8)

    def change(_: int) -> None:
        file.write_bytes(b"x" * next(sizes))

    with pytest.raises(FileChanged, match="try again later"):
        index.file_blocks(file, on_progress=change)
    assert next(sizes) == 11


def test_a_file_that_shrinks_while_it_is_read_is_read_again(
    index: ContentIndex, file: Path
) -> None:
    file.write_bytes(bytes(2 * BLOCK_SIZE))

    def shrink(block: int) -> None:
        if block == BLOCK_SIZE:
            file.write_bytes(b"small")

    assert index.file_blocks(file, on_progress=shrink) == (blake3(b"small").digest(),)


def test_a_file_replaced_while_it_is_read_is_read_again(index: ContentIndex, file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"CONTENT")

    def replace(_: int) -> None:
        if other.exists():
            other.replace(file)

    assert index.file_blocks(file, on_progress=replace) == (blake3(b"CONTENT").digest(),)


def test_links_and_what_is_no_file_are_refused(index: ContentIndex, file: Path) -> None:
    link, pipe = file.with_name("link"), file.with_name("pipe")
    link.symlink_to(file)
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="symbolic link"):
        index.file_blocks(link)
    for path in (pipe, file.parent):
        with pytest.raises(OSError, match="not a regular file"):
            index.file_blocks(path)
    with pytest.raises(FileNotFoundError):
        index.file_blocks(file.with_name("missing"))


def test_of_several_callers_one_hashes(index: ContentIndex, file: Path) -> None:
    file.write_bytes(bytes(2 * BLOCK_SIZE))
    barrier = threading.Barrier(6)
    progress: list[int] = []
    results: list[tuple[bytes, ...]] = []

    def call() -> None:
        barrier.wait()
        results.append(index.file_blocks(file, on_progress=progress.append))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert len(set(results)) == 1
    assert progress == [BLOCK_SIZE, BLOCK_SIZE]


def test_callers_of_different_files_do_not_wait_for_each_other(
    index: ContentIndex, file: Path
) -> None:
    other = file.with_name("other")
    other.write_bytes(b"other")
    finished: list[tuple[bytes, ...]] = []

    def hash_other(_: int) -> None:
        thread = threading.Thread(
            target=lambda: finished.append(index.file_blocks(other)), daemon=True
        )
        thread.start()
        thread.join(20)

    index.file_blocks(file, on_progress=hash_other)
    assert finished == [(blake3(b"other").digest(),)]


@pytest.mark.parametrize("damage", ["text", "zeros", "cut", "foreign"])
def test_a_broken_database_is_replaced(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    database = tmp_path / "index.db"
    first = ContentIndex(database, wall_clock_ns=later_ns)
    first.file_blocks(file)
    first.close()
    whole = database.read_bytes()
    if damage == "foreign":
        database.unlink()
        with closing(sqlite3.connect(database)) as foreign:
            foreign.execute("CREATE TABLE files(something_else)")
            foreign.execute("PRAGMA user_version = 1")
    else:
        kept = whole[: len(whole) // 2]
        damaged = {"text": b"no database" * 999, "zeros": whole[:100] + bytes(9999), "cut": kept}
        database.write_bytes(damaged[damage])

    second = ContentIndex(database, wall_clock_ns=later_ns)
    assert hashed_bytes(second, file) == 7
    second.file_blocks(file)
    second.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "made a new one" in lines[0]

    third = ContentIndex(database, wall_clock_ns=later_ns)
    assert hashed_bytes(third, file) == 0
    third.close()
    assert capsys.readouterr().err == ""


def test_an_index_of_another_version_is_emptied(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "index.db"
    with closing(sqlite3.connect(database)) as older, older:
        older.execute("CREATE TABLE files(of_old)")
    index = ContentIndex(database, wall_clock_ns=later_ns)
    assert hashed_bytes(index, file) == 7
    assert hashed_bytes(index, file) == 0
    index.close()
    assert capsys.readouterr().err == ""


def test_a_flipped_bit_in_the_database_is_noticed(tmp_path: Path, file: Path) -> None:
    database = tmp_path / "index.db"
    first = ContentIndex(database, wall_clock_ns=later_ns)
    (block,) = first.file_blocks(file)
    first.close()
    content = database.read_bytes()
    assert content.count(block) == 1
    database.write_bytes(content.replace(block, bytes([block[0] ^ 1]) + block[1:]))
    second = ContentIndex(database, wall_clock_ns=later_ns)
    assert second.file_blocks(file) == (block,)
    second.close()


def test_without_a_database_hashes_are_kept_in_memory(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ContentIndex(tmp_path, wall_clock_ns=later_ns)  # a folder
    assert hashed_bytes(index, file) == 7
    assert hashed_bytes(index, file) == 0
    index.close()
    assert "in memory" in capsys.readouterr().err
    assert file.exists()


def test_a_database_that_cannot_be_opened_is_not_deleted(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "index.db"
    database.symlink_to(tmp_path / "unplugged" / "index.db")
    index = ContentIndex(database, wall_clock_ns=later_ns)
    assert hashed_bytes(index, file) == 7
    index.close()
    assert database.is_symlink()
    assert "in memory" in capsys.readouterr().err


def test_after_closing_files_are_still_hashed(index: ContentIndex, file: Path) -> None:
    index.close()
    index.close()
    assert hashed_bytes(index, file) == 7
    assert hashed_bytes(index, file) == 7


def test_missing_files_are_forgotten_and_others_kept(
    tmp_path: Path, index: ContentIndex, file: Path
) -> None:
    gone = file.with_name("gone")
    neighbour = tmp_path / "games2" / "gone"
    neighbour.parent.mkdir()
    for path in (gone, neighbour):
        path.write_bytes(b"x")
        index.file_blocks(path)
        path.unlink()
    index.file_blocks(file)
    games_dir = tmp_path / "games"

    games_dir.rename(tmp_path / "unplugged")
    index.forget_missing(games_dir)
    (tmp_path / "unplugged").rename(games_dir)
    assert hashed_bytes(index, file) == 0

    index.forget_missing(games_dir)
    with closing(sqlite3.connect(tmp_path / "index.db")) as database:
        known = {Path(os.fsdecode(path)) for (path,) in database.execute("SELECT path FROM files")}
    assert known == {file, neighbour}
