"""What the library says of games that cannot be read whole."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peer_cli.library.index import ContentIndex, UnreadableBlock
from peer_cli.library.library import FILE_WORK, Library

BAD = os.fsdecode(b"\xff")


class Told:
    """A library of its own with what it reported."""

    def __init__(self, folder: Path) -> None:
        self.reported: list[str] = []
        self.index = ContentIndex(folder / "index.db")
        self.games_dir = folder / "games"
        self.library = Library(self.games_dir, self.index, self.reported.append)

    def rescan(self, *game_ids: str) -> bool:
        return asyncio.run(self.library.rescan(frozenset(game_ids)))

    def row(self, game_id: str) -> dict[str, Any]:
        [row] = [row for row in self.library.rows() if row.id == game_id]
        built: dict[str, Any] = msgspec.to_builtins(row)
        return built

    def advertised(self) -> list[str]:
        return [game.id for game in self.library.advertised(set())]

    def files(self, game_id: str) -> list[str]:
        stop = threading.Event()
        return [file.path for file in self.library.files(game_id, stop, lambda done, total: None)]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    for game_id in ("bad", "good"):
        root = told.games_dir / game_id
        root.mkdir(parents=True)
        (root / "version.ini").write_text("1")
        (root / "data").write_bytes(b"x" * 10)
    yield told
    told.index.close()


def test_a_game_with_a_problem_is_listed_but_not_advertised(told: Told) -> None:
    (told.games_dir / "bad" / BAD).touch()
    assert told.rescan()
    bad = told.row("bad")
    assert (bad["downloaded"], bad["availability"]) == (True, "LocalOnly")
    assert (
        bad["problem"] == r"The name '\udcff' is not valid Unicode; it is not accepted. Rename it."
    )
    assert "problem" not in told.row("good")
    assert told.advertised() == ["good"]


def test_a_game_with_a_problem_has_no_manifest(told: Told) -> None:
    (told.games_dir / "bad" / BAD).touch()
    with pytest.raises(OSError, match="is not valid Unicode"):
        told.files("bad")
    assert told.files("good") == ["data", "version.ini"]


def test_tiny_files_are_work_that_goes_on(told: Told) -> None:
    for number in range(100):
        (told.games_dir / "good" / f"{number}").touch()
    news: list[tuple[int, int]] = []
    told.library.files("good", threading.Event(), lambda *work: news.append(work))
    done = [work[0] for work in news]
    assert done == sorted(set(done))
    # Whoever waits wants to see 256 KiB more now and then (network.session.HASHING_STEP).
    assert len(done) >= 102
    assert done[-1] == news[0][1] == 102 * FILE_WORK + 11


def test_a_problem_is_reported_once_and_again_when_it_comes_back(told: Told) -> None:
    bad = told.games_dir / "bad" / BAD
    bad.touch()
    for game_ids in ((), ("bad",), ("good",), ()):
        told.rescan(*game_ids)
    assert len(told.reported) == 1
    assert told.reported[0].startswith("The game bad is not shared: The name ")
    bad.unlink()
    assert told.rescan("bad")
    assert told.advertised() == ["bad", "good"]
    assert len(told.reported) == 1
    bad.touch()
    told.rescan("bad")
    assert len(told.reported) == 2


def test_a_problem_of_the_games_folder_is_reported_once(told: Told) -> None:
    unnamed = told.games_dir / BAD
    unnamed.mkdir()
    (unnamed / "version.ini").touch()
    for game_ids in ((), ("good",), ()):
        told.rescan(*game_ids)
    assert len(told.reported) == 1
    assert "cannot be shared: The name " in told.reported[0]
    assert [row.id for row in told.library.rows()] == ["bad", "good"]


def test_a_block_that_the_disk_does_not_give_is_a_problem_until_it_does(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    readv, pread = os.readv, os.pread
    broken = [True]
    bad_file = (told.games_dir / "bad" / "data").stat().st_ino

    def fail_on_bad(descriptor: int) -> None:
        if broken[0] and os.fstat(descriptor).st_ino == bad_file:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def failing_readv(descriptor: int, buffers: Sequence[memoryview]) -> int:
        fail_on_bad(descriptor)
        return readv(descriptor, buffers)

    def failing_pread(descriptor: int, length: int, offset: int) -> bytes:
        fail_on_bad(descriptor)
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "readv", failing_readv)
    monkeypatch.setattr(os, "pread", failing_pread)
    told.rescan()
    assert told.advertised() == ["bad", "good"]  # nobody has tried to read it
    with pytest.raises(UnreadableBlock):
        told.files("bad")
    for game_ids in (("bad",), ()):
        told.rescan(*game_ids)
        assert told.row("bad")["problem"] == "The file 'data' cannot be read: Input/output error."
        assert told.advertised() == ["good"]
    assert len(told.reported) == 1
    broken[0] = False
    assert told.rescan()
    assert told.advertised() == ["bad", "good"]
    assert told.files("bad") == ["data", "version.ini"]


def test_moving_shows_the_new_folder_at_once_or_not_at_all(told: Told, tmp_path: Path) -> None:
    told.rescan()
    other = tmp_path / "other"
    (other / "third").mkdir(parents=True)
    (other / "third" / "version.ini").write_text("1")

    def refuse() -> None:
        assert told.advertised() == ["bad", "good"]
        raise PermissionError

    with pytest.raises(PermissionError):
        asyncio.run(told.library.move(other, refuse))
    assert (told.advertised(), told.library.games_dir) == (["bad", "good"], told.games_dir)
    assert asyncio.run(told.library.move(other, lambda: None))
    assert (told.advertised(), told.library.games_dir) == (["third"], other)
