"""The network that live nodes share, without an engine."""

import fcntl
from pathlib import Path
from typing import Any

import pytest

from scenarios.core.backends import shared_network as network


class Engine:
    """Knows one empty network."""

    def close(self) -> None: ...


def test_a_network_is_not_removed_under_a_session_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool | None] = []

    def looked(_: Any) -> list[tuple[str, str, list[str]]]:
        held.append(_is_held(tmp_path / "start-lock"))
        return [("id", "10.0.0.0/24", [])]

    monkeypatch.setattr(network, "LIVE", tmp_path)
    monkeypatch.setattr(network, "open_client", Engine)
    monkeypatch.setattr(network, "_found", looked)
    monkeypatch.setattr(network, "remove_network", lambda *_: held.append(None))
    assert network.remove_unused_network() == [network.NAME]
    assert held == [True, None]


def _is_held(file: Path) -> bool:
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
