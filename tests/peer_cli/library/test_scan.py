import codecs
import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from peer_cli.library.scan import (
    Availability,
    LocalGame,
    Scan,
    ServedFile,
    look_through,
    read_version,
    scan_game,
    scan_library,
)
from peer_cli.names import RESERVED_NAMES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "games" / "ggoo"
    root.mkdir(parents=True)
    return root


def write(path: Path, content: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def sizes(root: Path) -> list[tuple[str, int]]:
    return [(file.relative_path, file.size) for file in look_through(root).files]


def paths(root: Path) -> list[str]:
    return [file.relative_path for file in look_through(root).files]


def test_a_downloaded_game_is_ready(root: Path) -> None:
    write(root / "version.ini", "20200721\n")
    write(root / "ggoo.eti", "12345")
    assert scan_game(root) == LocalGame("ggoo", "20200721", True, False, Availability.READY, 14)


def test_an_installed_game_counts_nothing_of_local(root: Path) -> None:
    write(root / "version.ini", "1")
    write(root / "local" / "big", "x" * 1000)
    assert scan_game(root) == LocalGame("ggoo", "1", True, True, Availability.READY, 1)


def test_an_only_installed_game_is_local_only_and_has_no_size(root: Path) -> None:
    write(root / "local" / "x")
    write(root / "ggoo.eti", "12345")
    assert scan_game(root) == LocalGame("ggoo", None, False, True, Availability.LOCAL_ONLY, 0)


def test_archives_alone_are_no_game(root: Path) -> None:
    write(root / "ggoo.eti")
    assert scan_game(root) is None


def test_only_a_regular_version_file_counts(root: Path) -> None:
    write(root / "real", "1")
    (root / "version.ini").symlink_to("real")
    assert scan_game(root) is None
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        read_version(root)
    (root / "version.ini").unlink()
    (root / "version.ini").mkdir()
    assert scan_game(root) is None
    (root / "version.ini").rmdir()
    os.mkfifo(root / "version.ini")
    assert scan_game(root) is None
    with pytest.raises(ValueError, match="not a regular file"):
        read_version(root)


def test_only_a_real_local_folder_counts(root: Path, tmp_path: Path) -> None:
    (root / "local").symlink_to(tmp_path)
    assert scan_game(root) is None
    (root / "local").unlink()
    write(root / "local")
    assert scan_game(root) is None


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (b" 1.0 \r\n", "1.0"),
        (b"\xef\xbb\xbf1.0", "1.0"),
        (b"a\nb\n", "a\nb"),
        ("1.ö\r\n".encode("utf-16"), "1.ö"),
        (codecs.BOM_UTF16_BE + "1.0".encode("utf-16-be"), "1.0"),
        (b"1" * 4096, "1" * 4096),
    ],
)
def test_the_version_is_the_whole_text_stripped(root: Path, content: bytes, version: str) -> None:
    (root / "version.ini").write_bytes(content)
    game = scan_game(root)
    size = len(content)
    assert game == LocalGame("ggoo", version, True, False, Availability.READY, size)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "version.ini is empty; it must hold the game's version."),
        (b" \n", "version.ini is empty; it must hold the game's version."),
        (codecs.BOM_UTF16_LE, "version.ini is empty; it must hold the game's version."),
        (b"1.\xf6", "version.ini is not text in UTF-8; save it as UTF-8."),
        (codecs.BOM_UTF16_LE + b"1", "version.ini is not text in UTF-8; save it as UTF-8."),
        ("1.0".encode("utf-16-le"), "version.ini has a NUL character; save it as UTF-8."),
        (b"1" * 4097, "version.ini is longer than 4096 bytes."),
    ],
)
def test_a_game_without_a_version_to_be_read_is_not_ready(
    root: Path, content: bytes, problem: str
) -> None:
    (root / "version.ini").write_bytes(content)
    local_only = Availability.LOCAL_ONLY
    assert scan_game(root) == LocalGame(
        "ggoo", None, True, False, local_only, len(content), problem
    )


def test_the_library_lists_games_by_id_and_nothing_else(root: Path, tmp_path: Path) -> None:
    games_dir = root.parent
    write(root / "version.ini", "1")
    write(games_dir / ".hidden" / "version.ini", "1")
    write(games_dir / "local" / "version.ini", "1")
    write(games_dir / "back\\slash" / "version.ini", "1")
    write(games_dir / "version.ini", "1")
    write(games_dir / "nothing" / "x")
    write(tmp_path / "other drive" / "version.ini", "1")
    (games_dir / "linked").symlink_to(tmp_path / "other drive")
    (games_dir / "dangling").symlink_to(tmp_path / "gone")
    scan = scan_library(games_dir)
    assert list(scan.games) == ["ggoo", "linked"]
    assert len(scan.problems) == 2
    assert "'back\\\\slash' has a backslash" in scan.problems[0]
    assert "'local' is a reserved name" in scan.problems[1]


def test_a_folder_that_is_not_there_has_no_games(tmp_path: Path) -> None:
    assert scan_library(tmp_path / "missing") == Scan({}, [])
    write(tmp_path / "file")
    assert scan_library(tmp_path / "file") == Scan({}, [])


def test_a_games_folder_that_cannot_be_listed_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    scan = scan_library(tmp_path / "circle")
    assert scan.games == {}
    assert scan.problems == [
        f"The games folder {tmp_path / 'circle'} cannot be read: {os.strerror(errno.ELOOP)}."
    ]


def test_a_root_that_cannot_be_looked_into_is_listed_with_the_problem(root: Path) -> None:
    write(root / "version.ini", "1")
    (root.parent / "circle").symlink_to("circle")
    scan = scan_library(root.parent)
    assert list(scan.games) == ["circle", "ggoo"]
    problem = f"The folder cannot be read: {os.strerror(errno.ELOOP)}."
    assert scan.games["circle"] == LocalGame(
        "circle", None, False, False, Availability.LOCAL_ONLY, 0, problem
    )
    assert scan.games["ggoo"].problem is None


@pytest.fixture
def denied(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of folders and files that cannot be read; root may read all, so it is made up."""
    names: set[str] = set()
    scandir, access, opened = os.scandir, os.access, os.open

    def refuse(path: str | Path) -> None:
        if os.path.basename(path) in names:  # noqa: PTH119 - either kind of path
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def refusing_scandir(path: str | Path) -> Any:
        refuse(path)
        return scandir(path)

    def refusing_open(path: str | Path, flags: int, mode: int = 0o777) -> int:
        refuse(path)
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "scandir", refusing_scandir)
    monkeypatch.setattr(os, "open", refusing_open)
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: os.path.basename(path) not in names and access(path, mode),  # noqa: PTH119
    )
    return names


def test_a_game_with_a_folder_that_cannot_be_read_is_not_ready(
    root: Path, denied: set[str]
) -> None:
    for name in ("version.ini", "a", "data/pak", "data/deep/x"):
        write(root / name)
    denied.add("data")
    game = scan_game(root)
    assert game is not None
    assert (game.downloaded, game.availability) == (True, Availability.LOCAL_ONLY)
    assert game.problem == "The folder 'data' cannot be read: Permission denied."
    denied.clear()
    game = scan_game(root)
    assert game is not None
    assert (game.availability, game.problem) == (Availability.READY, None)


def test_a_game_with_files_that_cannot_be_read_is_not_ready(root: Path, denied: set[str]) -> None:
    for name in ("version.ini", "a", "b", "c"):
        write(root / name)
    denied.update(("a", "b"))
    game = scan_game(root)
    assert game is not None
    assert game.availability == Availability.LOCAL_ONLY
    assert game.problem == "The file 'a' cannot be read: Permission denied. (1 more)"
    denied.clear()
    denied.add("version.ini")
    game = scan_game(root)
    assert game is not None
    assert game.availability == Availability.LOCAL_ONLY
    assert game.problem == "The file 'version.ini' cannot be read: Permission denied."


def test_served_files_are_sorted_with_their_sizes(root: Path) -> None:
    for name in ("b/2", "b/1", "a", "b.x", "version.ini"):
        write(root / name, name)
    assert sizes(root) == [("a", 1), ("b.x", 3), ("b/1", 3), ("b/2", 3), ("version.ini", 11)]


def test_the_owners_executable_bit_and_the_time_are_of_the_file_itself(root: Path) -> None:
    write(root / "run.sh")
    write(root / "old")
    (root / "run.sh").chmod(0o744)
    (root / "old").chmod(0o655)  # others may run it, its owner may not
    os.utime(root / "run.sh", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "old", (-5, -5))
    (root / "link").symlink_to("run.sh")
    assert look_through(root).files == [
        ServedFile("link", 1, executable=True, mtime_ns=1_234_567_890_123_456_789),
        ServedFile("old", 1, executable=False, mtime_ns=0),
        ServedFile("run.sh", 1, executable=True, mtime_ns=1_234_567_890_123_456_789),
    ]


def test_reserved_names_are_not_served(root: Path) -> None:
    for name in RESERVED_NAMES:
        write(root / name / "x")
        write(root / "sub" / name)
    write(root / "LOCAL" / "x")
    assert paths(root) == sorted(f"sub/{name}" for name in RESERVED_NAMES)


@pytest.mark.parametrize("name", ["back\\slash", "C:", "new\nline", "a/b\tc", "not-\udcff-utf8"])
def test_a_game_with_a_name_that_peers_refuse_is_not_ready(root: Path, name: str) -> None:
    write(root / "version.ini", "1")
    write(root / name)
    assert paths(root) == ["version.ini"]
    game = scan_game(root)
    assert game is not None
    assert game.availability == Availability.LOCAL_ONLY
    assert game.problem is not None
    assert game.problem.startswith("The name ")
    assert game.problem.endswith("; it is not accepted. Rename it.")
    assert game.problem.isascii()


def test_links_are_served_only_when_they_end_inside(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret")
    write(root / "local" / "installed")
    write(root / "sub" / "real", "12345")
    links = {
        "inside": "sub/real",
        "sub/up": "../sub/real",
        "outside": "../../secret",
        "absolute": str(tmp_path / "secret"),
        "reserved": "local/installed",
        "dangling": "gone",
        "circle": "circle",
        "folder": "sub",
        "everything": ".",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert sizes(root) == [("inside", 5), ("sub/real", 5), ("sub/up", 5)]


def test_devices_pipes_and_sockets_are_not_served(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        (root / "null").symlink_to("/dev/null")
        assert paths(root) == []


def test_folders_are_those_that_can_hold_served_files(root: Path, denied: set[str]) -> None:
    write(root / "a" / "b" / "file")
    write(root / "local" / "c" / "file")
    (root / "link").symlink_to("a")
    assert sorted(look_through(root).folders) == [root, root / "a", root / "a" / "b"]
    denied.add("b")
    assert sorted(look_through(root).folders) == [root, root / "a"]
