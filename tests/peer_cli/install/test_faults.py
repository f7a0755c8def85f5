"""Installs and uninstalls on a disk that fails, swept through every call that they make."""

import errno
import threading
import zlib
from pathlib import Path

import pytest

from peer_cli.install import transaction
from peer_cli.install.entries import (
    ArchiveBegin,
    EntryBegin,
    EntryEnd,
    Event,
    StreamBegin,
    StreamEnd,
    encode,
)
from peer_cli.install.errors import InstallError
from peer_cli.install.extract import Extraction, InstallSummary, extract_stream
from peer_cli.install.transaction import BACKUP, LOCAL, STAGING, install, recover, uninstall
from peer_cli.install.unpacker import Unpacker
from tests.peer_cli.faults import Calls, failing, sweep

OLD = {"bin/old": b"old", "more/deep/er": b"old too"}
NEW = {"bin/new": b"new", "bin/copy": b"new", "patched": b"2", "empty/": b""}
ENTRIES: list[Event] = [
    StreamBegin(2, 5, 8),
    ArchiveBegin("a.eti"),
    EntryBegin("empty", is_directory=True, size=0, mtime_ns=5),
    EntryEnd(0, 0),
    EntryBegin("bin/new", is_directory=False, size=3, mtime_ns=5, is_executable=True),
    memoryview(b"new"),
    EntryEnd(3, zlib.crc32(b"new")),
    EntryBegin("bin/copy", is_directory=False, size=3, mtime_ns=5, copy_of="bin/new"),
    EntryEnd(3, 0),
    EntryBegin("patched", is_directory=False, size=1, mtime_ns=0),
    memoryview(b"1"),
    EntryEnd(1, zlib.crc32(b"1")),
    ArchiveBegin("b.eti"),
    EntryBegin("patched", is_directory=False, size=1, mtime_ns=0),
    memoryview(b"2"),
    EntryEnd(1, zlib.crc32(b"2")),
    StreamEnd(),
]

one_fault = pytest.mark.parametrize(
    ("code", "for_good"), [(errno.EIO, False), (errno.ENOSPC, True), (errno.EACCES, True)]
)


class Game:
    """A game with an archive, installed or not; unpacked without a helper, which is slow."""

    def __init__(self, folder: Path, *, installed: bool) -> None:
        self.games = folder
        self.root = folder / "ggoo"
        self.state = folder / "state"
        self.root.mkdir(parents=True)
        (self.root / "a.eti").write_bytes(b"not looked into here")
        for name, content in OLD.items() if installed else ():
            path = self.root / LOCAL / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def install(self) -> None:
        install(self.root, self.state, Unpacker(), threading.Event())

    def local(self) -> dict[str, bytes] | None:
        return tree_of(self.root / LOCAL)

    def is_at_rest(self) -> bool:
        return not any((self.root / name).exists() for name in (STAGING, BACKUP))


def tree_of(local: Path) -> dict[str, bytes] | None:
    """What is installed: files, empty folders with a slash; None for nothing."""
    if not local.is_dir():
        return None
    return {
        str(path.relative_to(local)) + "/" * path.is_dir(): b""
        if path.is_dir()
        else path.read_bytes()
        for path in local.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


@pytest.fixture(autouse=True)
def without_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    data = memoryview(b"".join(encode(event) for event in ENTRIES))

    def unpack(_: object, __: object, extraction: Extraction, ___: object) -> InstallSummary:
        return extract_stream([data], extraction)

    monkeypatch.setattr(transaction, "unpack_archives", unpack)


def outcome(work: object) -> str:
    assert callable(work)
    try:
        work()
    except InstallError as error:
        return error.code
    return "done"


@one_fault
@pytest.mark.parametrize("installed", [True, False])
def test_an_install_is_whole_or_not_there(
    tmp_path: Path, installed: bool, code: int, for_good: bool
) -> None:
    def attempt(nth: int) -> Calls:
        game = Game(tmp_path / str(nth), installed=installed)
        before = OLD if installed else None
        with failing(game.games, nth, code, for_good=for_good) as calls:
            told = outcome(game.install)
        assert told in ("done", "write-failed"), (calls.hit, told)
        want = NEW if told == "done" else before
        # What could not be tidied up while the disk failed is tidied up at the next start.
        if told == "done" or not for_good:
            assert game.local() == want, (calls.hit, told)
        assert recover(game.games) == []
        assert (game.local(), game.is_at_rest()) == (want, True), (calls.hit, told)
        game.install()
        assert (game.local(), game.is_at_rest()) == (NEW, True), calls.hit
        return calls

    assert sweep(attempt) > 20


@one_fault
def test_an_uninstall_is_whole_or_not_done(tmp_path: Path, code: int, for_good: bool) -> None:
    def attempt(nth: int) -> Calls:
        game = Game(tmp_path / str(nth), installed=True)
        with failing(game.games, nth, code, for_good=for_good) as calls:
            told = outcome(lambda: uninstall(game.root))
        want = None if told == "done" else OLD
        if told == "done" or not for_good:
            assert game.local() == want, (calls.hit, told)
        assert recover(game.games) == []
        assert (game.local(), game.is_at_rest()) == (want, True), (calls.hit, told)
        if told != "done":
            assert told == "write-failed", calls.hit
            uninstall(game.root)
        assert (game.local(), game.is_at_rest()) == (None, True), calls.hit
        return calls

    assert sweep(attempt) > 3
