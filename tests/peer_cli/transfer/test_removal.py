from pathlib import Path

import pytest

from peer_cli.transfer.removal import remove_downloaded
from tests.peer_cli.transfer.game_files import read_files, write_files

GAME = {"version.ini": b"1\n", "a.eti": b"a", "sub/b.bin": b"b", "sub/er/c.bin": b"c"}


def test_a_game_goes_with_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "g"
    write_files(root, GAME)
    remove_downloaded(root)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_the_games_stays(tmp_path: Path) -> None:
    root = tmp_path / "g"
    kept = {"local/save": b"s", ".lanspread.json": b"{}"}
    write_files(root, {**GAME, **kept})
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"mine")
    (root / "link.eti").symlink_to(outside)
    remove_downloaded(root)
    assert outside.read_bytes() == b"mine"
    assert {**read_files(root)} == {**kept, "link.eti": b"mine"}


def test_version_ini_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "g"
    write_files(root, GAME)
    unlink = Path.unlink

    def fail(path: Path, missing_ok: bool = False) -> None:
        if path.name != "version.ini":
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(PermissionError):
        remove_downloaded(root)
    assert read_files(root).keys() == GAME.keys() - {"version.ini"}


def test_what_an_interrupted_removal_left_goes_too(tmp_path: Path) -> None:
    root = tmp_path / "g"
    write_files(root, {path: data for path, data in GAME.items() if path != "version.ini"})
    remove_downloaded(root)
    assert list(tmp_path.iterdir()) == []
