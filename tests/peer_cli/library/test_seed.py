from pathlib import Path

import pytest

from peer_cli.library.scan import look_through, scan_game
from peer_cli.library.seed import seed_fixture_game
from store.names import UnsafeName


def test_a_seeded_game_is_ready_and_the_same_everywhere(tmp_path: Path) -> None:
    for games_dir in (tmp_path / "1", tmp_path / "2"):
        games_dir.mkdir()
        seed_fixture_game(games_dir, "ggoo", "20200721")
    game = scan_game(tmp_path / "1" / "ggoo")
    assert game is not None
    assert (game.version, game.availability) == ("20200721", "Ready")
    files = [file.relative_path for file in look_through(tmp_path / "1" / "ggoo").files]
    assert files == ["ggoo.eti", "version.ini"]
    for name in files:
        one, two = (tmp_path / folder / "ggoo" / name for folder in "12")
        assert one.read_bytes() == two.read_bytes()


def test_the_archive_is_a_rar_that_differs_from_game_to_game(tmp_path: Path) -> None:
    for game_id in ("aa", "bb"):
        seed_fixture_game(tmp_path, game_id, "1")
    one, two = ((tmp_path / name / f"{name}.eti").read_bytes() for name in ("aa", "bb"))
    assert one.startswith(b"Rar!\x1a\x07\x01\x00")
    assert one != two


@pytest.mark.parametrize("existing", ["version.ini", "local/x"])
def test_an_existing_game_is_left_alone(tmp_path: Path, existing: str) -> None:
    path = tmp_path / "ggoo" / existing
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    seed_fixture_game(tmp_path, "ggoo", "1")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    assert path.read_text() == "mine"


def test_an_interrupted_seeding_is_completed(tmp_path: Path) -> None:
    seed_fixture_game(tmp_path, "whole", "1")
    root = tmp_path / "ggoo"
    root.mkdir()
    (root / ".seed.tmp").write_bytes(b"half an arch")
    seed_fixture_game(tmp_path, "ggoo", "1")
    assert sorted(file.name for file in root.iterdir()) == ["ggoo.eti", "version.ini"]


def test_an_archive_that_is_there_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "ggoo"
    root.mkdir()
    (root / "ggoo.eti").write_text("mine")
    seed_fixture_game(tmp_path, "ggoo", "1")
    assert (root / "ggoo.eti").read_text() == "mine"


def test_a_hostile_id_makes_nothing(tmp_path: Path) -> None:
    games_dir = tmp_path / "games"
    games_dir.mkdir()
    with pytest.raises(UnsafeName):
        seed_fixture_game(games_dir, "../up", "1")
    assert list(tmp_path.rglob("*")) == [games_dir]
