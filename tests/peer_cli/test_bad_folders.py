"""What is wrong with one folder or file costs a line and that item, never the peer."""

import resource
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from network.identity import load_or_create
from tests.peer_cli.peer_process import (
    Place,
    ask,
    make_place,
    replies_of,
    run_peer,
    start_peer,
)

LIST_GAMES = b'{"cmd":"list-games","id":1}\n'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = make_place(tmp_path)
    add_game(place.games_dir, "good")
    place.state_dir.mkdir()
    return place


def add_game(games_dir: Path, game_id: str) -> Path:
    root = games_dir / game_id
    (root / "data").mkdir(parents=True)
    (root / "version.ini").write_text("1")
    (root / "data" / "pak").write_text("pak")
    return root


def games_of(ended: CompletedProcess[bytes]) -> dict[str, dict[str, Any]]:
    """The rows of the one `list-games` that a peer was asked for; it has to have ended well."""
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    [reply] = replies_of(ended.stdout)
    return {row["id"]: row for row in reply["data"]["local"]}


def test_a_link_to_what_is_behind_a_closed_folder_is_listed_with_its_problem(
    place: Place, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    add_game(closed, "far")
    (place.games_dir / "g2").symlink_to(closed / "far")
    (place.games_dir / "circle").symlink_to("circle")
    closed.chmod(0)
    ended = run_peer(place.flags(), LIST_GAMES)
    closed.chmod(0o700)
    games = games_of(ended)
    assert games["g2"]["problem"] == "The folder cannot be read: Permission denied."
    assert "Too many levels" in games["circle"]["problem"]
    assert games["good"]["availability"] == "Ready"
    told = ended.stderr.decode().splitlines()
    assert [line.split(":")[0:2] for line in told] == [
        ["peer-cli", " The game circle is not shared"],
        ["peer-cli", " The game g2 is not shared"],
    ]


def test_a_subfolder_without_rights_is_a_problem_of_its_game(place: Place) -> None:
    data = add_game(place.games_dir, "half") / "data"
    data.chmod(0)
    ended = run_peer(place.flags(), LIST_GAMES)
    data.chmod(0o700)
    half = games_of(ended)["half"]
    assert half["problem"] == "The folder 'data' cannot be read: Permission denied."
    assert (half["downloaded"], half["availability"]) == (True, "LocalOnly")
    assert ended.stderr.decode() == f"peer-cli: The game half is not shared: {half['problem']}\n"


def test_staging_that_cannot_be_removed_is_told_of(place: Place) -> None:
    root = add_game(place.games_dir, "stuck")
    for name in (".lanspread", ".local.installing"):
        (root / name / "x").mkdir(parents=True)
        (root / name).chmod(0o500)
    ended = run_peer(place.flags(), LIST_GAMES)
    for name in (".lanspread", ".local.installing"):
        (root / name).chmod(0o700)
    assert games_of(ended)["stuck"]["availability"] == "Ready"
    told = ended.stderr.decode().splitlines()
    assert len(told) == 2
    assert "stuck cannot be deleted" in told[0]
    assert told[1].startswith("peer-cli: stuck: Cannot clean up stuck: Permission denied.")


@pytest.mark.parametrize("name", ["downloads", "downloads/g.journal"])
def test_journals_without_rights_are_told_of(place: Place, name: str) -> None:
    path = place.state_dir / name
    (place.state_dir / "downloads").mkdir()
    if name != "downloads":
        path.write_bytes(b"x")
    path.chmod(0)
    ended = run_peer(place.flags(), LIST_GAMES)
    path.chmod(0o700)
    assert games_of(ended)["good"]["availability"] == "Ready"
    [line] = ended.stderr.decode().splitlines()
    assert "Permission denied" in line


def read_only_index(place: Place) -> None:
    with closing(sqlite3.connect(place.state_dir / "index.db")) as database:
        database.execute("CREATE TABLE files(x)")
    (place.state_dir / "index.db").chmod(0o400)


def index_of_garbage(place: Place) -> None:
    (place.state_dir / "index.db").write_bytes(b"no database\n" * 1000)


def index_is_a_folder(place: Place) -> None:
    (place.state_dir / "index.db").mkdir()


@pytest.mark.parametrize("arrange", [read_only_index, index_of_garbage, index_is_a_folder])
def test_an_index_that_cannot_be_used_costs_a_line(place: Place, arrange: Any) -> None:
    arrange(place)
    ended = run_peer(place.flags(), LIST_GAMES)
    assert games_of(ended)["good"]["availability"] == "Ready"
    [line] = ended.stderr.decode().splitlines()
    assert "The content index" in line


def test_a_full_state_folder_stops_no_restart(place: Place) -> None:
    load_or_create(place.state_dir)
    with start_peer(place.flags()) as peer:
        # Not one byte more can be written into any file; pipes are no files.
        resource.prlimit(peer.pid, resource.RLIMIT_FSIZE, (0, 0))
        out, err = peer.communicate(LIST_GAMES)
    assert games_of(CompletedProcess([], peer.returncode, out, err))["good"]["version"] == "1"


def test_a_games_folder_is_recovered_before_it_is_moved_to(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    root = add_game(other, "crashed")
    (root / ".local.backup").mkdir()
    (root / ".local.backup" / "save").touch()
    (root / ".local.installing" / "half").mkdir(parents=True)
    (root / ".lanspread").mkdir()
    with start_peer(place.flags()) as peer:
        reply = ask(peer, {"cmd": "set-games-dir", "path": str(other), "id": 1})
        left = sorted(path.name for path in root.iterdir())
        listed = ask(peer, {"cmd": "list-games", "id": 2})["data"]["local"]
        assert peer.communicate()[1] == b""
    assert reply["data"] == {"path": str(other)}
    assert left == ["data", "local", "version.ini"]
    assert (root / "local" / "save").exists()
    assert [(row["id"], row["installed"]) for row in listed] == [("crashed", True)]


def test_an_impossible_games_folder_is_an_error_reply(place: Place) -> None:
    with start_peer(place.flags()) as peer:
        for path in ("", "\0", "x" * 5000, "/dev/null", "/gone"):
            reply = ask(peer, {"cmd": "set-games-dir", "path": path, "id": 1})
            assert reply["code"] == "bad-games-dir", path
        assert peer.communicate()[1] == b""
