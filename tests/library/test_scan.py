import os
import socket
from pathlib import Path

import pytest

from peer_cli.library.scan import (
    Availability,
    LocalGame,
    ServedFile,
    read_version,
    scan_game,
    scan_library,
    served_files,
    served_folders,
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


def paths(root: Path) -> list[str]:
    return [file.relative_path for file in served_files(root)]


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
    assert read_version(root) is None
    (root / "version.ini").unlink()
    (root / "version.ini").mkdir()
    assert scan_game(root) is None
    (root / "version.ini").rmdir()
    os.mkfifo(root / "version.ini")
    assert scan_game(root) is None
    assert read_version(root) is None


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
        (b"", None),
        (b" \n", None),
        (b"\xff\xfe", None),
        (b"1" * 4097, None),
        (b"1" * 4096, "1" * 4096),
    ],
)
def test_the_version_is_the_whole_text_stripped(
    root: Path, content: bytes, version: str | None
) -> None:
    (root / "version.ini").write_bytes(content)
    game = scan_game(root)
    assert game is not None
    assert game.downloaded
    assert game.version == version


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
    assert list(scan_library(games_dir)) == ["ggoo", "linked"]


def test_a_folder_that_is_not_there_has_no_games(tmp_path: Path) -> None:
    assert scan_library(tmp_path / "missing") == {}
    write(tmp_path / "file")
    assert scan_library(tmp_path / "file") == {}


def test_served_files_are_sorted_with_their_sizes(root: Path) -> None:
    for name in ("b/2", "b/1", "a", "b.x", "version.ini"):
        write(root / name, name)
    assert served_files(root) == [
        ServedFile("a", 1),
        ServedFile("b.x", 3),
        ServedFile("b/1", 3),
        ServedFile("b/2", 3),
        ServedFile("version.ini", 11),
    ]


def test_reserved_names_are_not_served(root: Path) -> None:
    for name in RESERVED_NAMES:
        write(root / name / "x")
        write(root / "sub" / name)
    write(root / "LOCAL" / "x")
    assert paths(root) == sorted(f"sub/{name}" for name in RESERVED_NAMES)


def test_names_that_peers_refuse_are_not_served(root: Path) -> None:
    for name in ("back\\slash", "C:", "new\nline", "good"):
        write(root / name)
    (root / os.fsdecode(b"not-\xff-utf8")).write_bytes(b"x")
    assert paths(root) == ["good"]


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
    assert served_files(root) == [
        ServedFile("inside", 5),
        ServedFile("sub/real", 5),
        ServedFile("sub/up", 5),
    ]


def test_devices_pipes_and_sockets_are_not_served(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        (root / "null").symlink_to("/dev/null")
        assert paths(root) == []


def test_served_folders_are_those_that_can_hold_served_files(root: Path) -> None:
    write(root / "a" / "b" / "file")
    write(root / "local" / "c" / "file")
    (root / "link").symlink_to("a")
    assert sorted(served_folders(root)) == [root, root / "a", root / "a" / "b"]
