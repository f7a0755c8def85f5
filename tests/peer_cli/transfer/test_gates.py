"""The gates that every request to a source has to pass."""

import errno
import os
from pathlib import Path

import pytest

from peer_cli.catalog import CatalogEntry
from peer_cli.library.scan import Availability, LocalGame
from peer_cli.network import wire
from peer_cli.network.session import DeniedError
from peer_cli.transfer.serve import admit, check_ranges
from tests.peer_cli.faults import LOOKS, failing
from tests.peer_cli.transfer.game_files import BLOCK, content, write_files

CATALOG = {"g": CatalogEntry("g", "1")}
FILES = {
    "version.ini": b"1\n",
    "a.eti": content("a", 5 * BLOCK + 3),
    "sub/empty.bin": b"",
    "sub/b.bin": content("b", 100),
}


def game(
    version: str | None = "1", *, downloaded: bool = True, problem: str | None = None
) -> LocalGame:
    ready = downloaded and problem is None
    available = Availability.READY if ready else Availability.LOCAL_ONLY
    return LocalGame("g", version, downloaded, False, available, 5, problem)


@pytest.mark.parametrize(
    ("game_id", "local", "active", "code"),
    [
        ("unknown", game(), False, "not-in-catalog"),
        ("unknown", None, True, "not-in-catalog"),
        ("g", game(), True, "operation-active"),
        ("g", None, False, "not-downloaded"),
        ("g", game(None, downloaded=False), False, "not-downloaded"),
        ("g", game("2"), False, "wrong-version"),
        ("g", game(None), False, "wrong-version"),
        ("g", game(problem="The folder 'data' cannot be read."), False, "unreadable"),
    ],
)
def test_who_is_not_admitted_is_told_why(
    game_id: str, local: LocalGame | None, active: bool, code: str
) -> None:
    with pytest.raises(DeniedError) as caught:
        admit(game_id, CATALOG, local, active=active)
    assert caught.value.code == code
    assert game_id in str(caught.value)


def test_a_game_at_the_catalogs_version_is_admitted() -> None:
    admit("g", CATALOG, game(), active=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "games" / "g"
    write_files(root, {**FILES, "local/save": b"mine"})
    (tmp_path / "outside").write_bytes(b"secret")
    (root / "out.bin").symlink_to(tmp_path / "outside")
    (root / "in.bin").symlink_to("a.eti")
    (root / "to-local.bin").symlink_to("local/save")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    return root


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../h/version.ini", "..", "./a.eti", "a.eti/", "sub//b.bin", "local/save",
     "LOCAL/save", ".lanspread/x", "out.bin", "to-local.bin", "circle", "pipe", "sub", "missing",
     "a.eti/x", "sub\\b.bin", "a.eti\0", "x" * 300],
)  # fmt: skip
def test_bad_paths_are_refused(root: Path, path: str) -> None:
    with pytest.raises(DeniedError) as caught:
        check_ranges(root, [wire.Range("version.ini", 0, 2), wire.Range(path, 0, 0)])
    assert caught.value.code == "bad-path"


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 101), (100, 1), (101, 0), (1 << 62, 1), (0, 1 << 62)]
)
def test_bad_ranges_are_refused(root: Path, offset: int, length: int) -> None:
    with pytest.raises(DeniedError) as caught:
        check_ranges(root, [wire.Range("sub/b.bin", offset, length)])
    assert caught.value.code == "bad-range"


@pytest.mark.parametrize(
    "wanted",
    [
        wire.Range("sub/b.bin", 0, 100),
        wire.Range("sub/b.bin", 99, 1),
        wire.Range("sub/b.bin", 100, 0),
        wire.Range("sub/empty.bin", 0, 0),
        wire.Range("in.bin", 0, 1),
    ],
    ids=str,
)
def test_good_ranges_are_not(root: Path, wanted: wire.Range) -> None:
    check_ranges(root, [wanted])


def test_a_file_of_many_ranges_is_looked_at_once(root: Path) -> None:
    ranges = [wire.Range("sub/b.bin", 0, 1)] * wire.MAX_RANGES
    with failing(root, 0, errno.EIO, calls=LOOKS) as calls:
        check_ranges(root, ranges)
    assert 0 < calls.count < 10
