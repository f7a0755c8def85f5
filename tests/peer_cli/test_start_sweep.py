"""Start-up, recovery and scan on a disk that fails at any one call."""

import errno
from pathlib import Path

import pytest

from headless.envelope import Event
from headless.program import StartupError
from peer_cli import messages
from peer_cli.games_folder import GamesFolder
from peer_cli.library.index import ContentIndex
from peer_cli.library.library import Library
from peer_cli.library.scan import scan_library
from peer_cli.settings import read_settings
from peer_cli.startup import Opened, open_peer
from tests.peer_cli.faults import Calls, failing, sweep
from tests.peer_cli.peer_process import Place, make_place

CODES = (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EMFILE)


def add_game(games_dir: Path, game_id: str) -> Path:
    root = games_dir / game_id
    (root / "data").mkdir(parents=True)
    (root / "version.ini").write_text("1")
    (root / "data" / "pak").write_text("pak")
    return root


@pytest.mark.parametrize("code", CODES)
def test_a_scan_says_what_it_could_not_see(tmp_path: Path, code: int) -> None:
    bad = add_game(tmp_path, "bad")
    add_game(tmp_path, "good")
    whole = scan_library(tmp_path)

    def attempt(nth: int) -> Calls:
        with failing(bad, nth, code) as calls:
            found = scan_library(tmp_path)
        assert found.games["good"] == whole.games["good"]
        if calls.hit:
            assert found.games["bad"].problem
            assert found.games["bad"].availability == "LocalOnly"
        return calls

    assert sweep(attempt) > 5


def opened(place: Place, told: list[Event]) -> Opened:
    return open_peer(read_settings(place.flags(), {}), told.append)


def close(peer: Opened) -> None:
    peer.listening.close()
    peer.games_lock.release()
    peer.state_lock.release()


@pytest.mark.parametrize("code", CODES)
def test_a_start_is_ready_or_says_why_not(tmp_path: Path, code: int) -> None:
    def attempt(nth: int) -> Calls:
        # Anew each time: in this process the locks of a start that failed are not dead.
        (tmp_path / str(nth)).mkdir()
        place = make_place(tmp_path / str(nth))
        told: list[Event] = []
        reason = ""
        with failing(place.folder, nth, code) as calls:
            try:
                close(opened(place, told))
            except StartupError as error:
                reason = str(error)
        assert "\n" not in reason
        assert [type(event) for event in told] == [messages.LocalPeerReady][: not reason]
        return calls

    assert sweep(attempt) > 5


@pytest.mark.parametrize("code", CODES)
def test_recovery_gets_by_and_the_next_one_finishes(
    tmp_path: Path, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "place").mkdir()
    place = make_place(tmp_path / "place")
    peer = opened(place, [])
    index = ContentIndex(tmp_path / "index.db")
    library = Library(place.games_dir, index, print)
    folder = GamesFolder(peer.settings, library, index, peer.games_lock, peer.state_lock)

    def crash() -> None:
        for game_id in ("one", "two"):
            root = place.games_dir / game_id
            for name in (".local.backup", ".local.installing/half", ".lanspread/new"):
                (root / name).mkdir(parents=True, exist_ok=True)
            (root / "version.ini").write_text("1")

    def at_rest(game_id: str) -> bool:
        root = place.games_dir / game_id
        return sorted(path.name for path in root.iterdir()) == ["local", "version.ini"]

    def attempt(nth: int) -> Calls:
        crash()
        with failing(place.games_dir / "one", nth, code) as calls:
            folder.recover(place.games_dir)
        assert at_rest("two")
        folder.recover(place.games_dir)
        assert at_rest("one")
        for game_id in ("one", "two"):
            (place.games_dir / game_id / "local").rmdir()
        return calls

    assert sweep(attempt) > 5
    folder.close()
    peer.listening.close()
    index.close()
    assert "Traceback" not in capsys.readouterr().err
