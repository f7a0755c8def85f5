"""Listeners of tunnels."""

import asyncio
import socket

import pytest

from tests.network.exhausted import exhaust
from tunnel_cli.ports import Listener


def test_without_descriptors_a_listener_pauses_says_so_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exhaust(monkeypatch)

    async def scenario() -> None:
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        listener = Listener("web", "127.0.0.1", 0, lambda _, one: accepted.put_nowait(one))
        listener.open()
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", listener.port)):
                (await accepted.get()).close()
        listener.close()

    asyncio.run(scenario())
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("tunnel-cli: the tunnel web: no connection can be accepted for now: ")
    assert told[1] == "tunnel-cli: the tunnel web: connections are accepted again"
