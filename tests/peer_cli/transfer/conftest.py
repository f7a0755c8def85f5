"""Fixtures for transfers: sockets, threads and files."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from peer_cli.transfer import dataplane
from tests.peer_cli.transfer.dataplane_ends import DATA


@pytest.fixture(params=["splice", "copy"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receive both ways: by splice, and by copying as on systems that have none."""
    if request.param == "copy":
        monkeypatch.setattr(dataplane, "sys", SimpleNamespace(platform="other"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected pair of TCP sockets."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as one,
    ):
        other, _ = listening.accept()
        with other:
            yield one, other


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    file = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    yield file
    os.close(file)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "source").write_bytes(DATA)
    file = os.open(tmp_path / "source", os.O_RDONLY)
    yield file
    os.close(file)
