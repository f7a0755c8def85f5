"""What a peer starts with."""

from pathlib import Path

import pytest

from headless.envelope import Event
from pair_cli.messages import PairReady
from pair_cli.settings import read_settings
from pair_cli.startup import OpenedPeer, open_program


def start(home: Path, *flags: str) -> str:
    """Open a peer, and return its fingerprint as `pair-ready` has it."""
    events: list[Event] = []
    places = ("--folder", str(home / "folder"), "--state-dir", str(home / "state"))
    listen = ("--listen", "127.0.0.1")
    opened = open_program(read_settings(["peer", *places, *listen, *flags], {}), events.append)
    assert isinstance(opened, OpenedPeer)
    opened.listening.close()
    opened.state_lock.release()
    [ready] = events
    assert isinstance(ready, PairReady)
    assert ready.fingerprint == opened.keys.fingerprint
    return ready.fingerprint


def test_a_peer_keeps_its_keys(tmp_path: Path) -> None:
    assert start(tmp_path) == start(tmp_path)
    assert (tmp_path / "state/pair.key").stat().st_mode & 0o777 == 0o600


def test_incognito_has_new_keys_each_time_and_keeps_none(tmp_path: Path) -> None:
    kept = start(tmp_path)
    before = (tmp_path / "state/pair.key").read_bytes()
    assert len({kept, start(tmp_path, "--incognito"), start(tmp_path, "--incognito")}) == 3
    assert (tmp_path / "state/pair.key").read_bytes() == before
    start(tmp_path / "other", "--incognito")
    assert not (tmp_path / "other/state/pair.key").exists()


@pytest.mark.parametrize("role", ["", "both"])
def test_it_is_a_peer_or_a_relay(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings([role] if role else [], {})
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
