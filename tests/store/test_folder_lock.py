"""One peer per folder, for as long as it lives."""

import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from store.folder_lock import FolderInUse, lock_folder
from tests.peer_cli.peer_process import TIMEOUT_S, Place, ask, make_place, run_peer, start_peer


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture
def holder(place: Place) -> Iterator[Popen[bytes]]:
    """A living peer named ada on the games and state of `place`."""
    with start_peer(place.flags({"--name": "ada"})) as peer:
        assert peer.stdout
        assert b"local-peer-ready" in peer.stdout.readline()
        assert b"local-library-changed" in peer.stdout.readline()  # nothing is swept behind it
        yield peer
        peer.kill()


def fail(text: str) -> None:
    raise AssertionError(text)


def test_a_locked_folder_is_refused_until_it_is_released(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path, "ada", fail, shared=False)
    with pytest.raises(FolderInUse, match=rf"^the peer ada \(process {os.getpid()} on "):
        lock_folder(tmp_path, "bob", fail, shared=False)
    assert list(tmp_path.iterdir()) == []
    lock.release()
    lock_folder(tmp_path, "bob", fail, shared=False).release()


def test_a_lock_is_known_by_any_path_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "link").symlink_to("games")
    lock = lock_folder(tmp_path / "games", "ada", fail, shared=False)
    assert lock.is_of(tmp_path / "link")
    assert not lock.is_of(tmp_path)
    lock.release()


@pytest.mark.parametrize("missing", ["setxattr", "getxattr"])
def test_where_names_cannot_be_kept_the_lock_holds_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def unsupported(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, missing, unsupported)
    lock = lock_folder(tmp_path, "ada", fail, shared=False)
    with pytest.raises(FolderInUse, match="another process"):
        lock_folder(tmp_path, "bob", fail, shared=False)
    lock.release()


def test_without_locks_in_the_file_system_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    told: list[str] = []
    lock_folder(tmp_path, "ada", told.append, shared=False).release()
    [line] = told
    assert line.startswith(f"The folder {tmp_path} cannot be locked (No locks available): ")


@pytest.mark.parametrize("flag", ["--games-dir", "--state-dir"])
def test_a_second_peer_on_a_folder_is_refused_and_told_by_whom(
    place: Place, holder: Popen[bytes], tmp_path: Path, flag: str
) -> None:
    own = {"--games-dir": tmp_path / "g2", "--state-dir": tmp_path / "s2"}
    own["--games-dir"].mkdir()
    del own[flag]
    ended = run_peer(place.flags(own))
    assert (ended.returncode, ended.stdout) == (2, b"")
    [line] = ended.stderr.decode().splitlines()
    folder = place.games_dir if flag == "--games-dir" else place.state_dir
    assert f"{folder} is in use by the peer ada (process {holder.pid} on " in line


def test_the_lock_dies_with_its_process(place: Place, holder: Popen[bytes]) -> None:
    holder.kill()
    holder.wait(TIMEOUT_S)
    ended = run_peer(place.flags())
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_one_folder_for_games_and_state_is_locked_once(place: Place) -> None:
    ended = run_peer(place.flags({"--state-dir": place.games_dir}))
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_any_number_may_share_a_folder_that_they_only_read(
    place: Place, holder: Popen[bytes], tmp_path: Path
) -> None:
    (place.games_dir / "ggoo" / ".lanspread").mkdir(parents=True)  # the holder's download
    (place.games_dir / "ggoo" / "local").mkdir()
    (place.games_dir / "ggoo" / "ggoo.eti").touch()
    (place.games_dir / "ggoo" / "version.ini").write_text("1")
    (place.games_dir / "other").mkdir()
    (place.games_dir / "other" / "version.ini").write_text("1")
    flags = place.flags({"--state-dir": tmp_path / "s2", "--read-only": "on"})
    with start_peer(flags) as reader:
        listed = ask(reader, {"cmd": "list-games", "id": 1})["data"]["local"]
        refused = [
            ask(reader, {"cmd": command, "game_id": game_id, "id": 2})
            for command, game_id in (
                ("remove", "other"),
                ("install", "ggoo"),
                ("uninstall", "ggoo"),
            )
        ]
        wrong = ask(reader, {"cmd": "remove", "game_id": "gone", "id": 3})
        assert reader.communicate()[1] == b""
    assert [row["availability"] for row in listed] == ["Ready", "Ready"]
    assert wrong["code"] == "nothing-to-remove"
    assert [reply["code"] for reply in refused] == ["read-only"] * 3
    assert (place.games_dir / "ggoo" / ".lanspread").is_dir()


def test_a_folder_in_use_cannot_be_moved_to(
    place: Place, holder: Popen[bytes], tmp_path: Path
) -> None:
    games, state = tmp_path / "g2", tmp_path / "s2"
    games.mkdir()
    flags = place.flags({"--games-dir": games, "--state-dir": state})
    with start_peer(flags) as mover:
        refused = ask(mover, {"cmd": "set-games-dir", "path": str(place.games_dir), "id": 1})
        stayed = ask(mover, {"cmd": "set-games-dir", "path": str(games), "id": 2})
        mover.communicate()
    assert refused["code"] == "bad-games-dir"
    assert f"in use by the peer ada (process {holder.pid} on " in refused["error"]
    assert stayed["data"] == {"path": str(games)}
