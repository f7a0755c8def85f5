"""A live server and its client, on pipes."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.headless.node_process import NodeProcess


def end(session: NodeProcess) -> None:
    """End it as a user would."""
    session.end()
    assert session.process.returncode == 0


@pytest.fixture
def sessions() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_names_say_what_they_are_and_clients_find_the_server(sessions: ExitStack) -> None:
    def start(name: str) -> NodeProcess:
        session = NodeProcess("scenarios", "live", name, "--backend", "process")
        sessions.callback(end, session)
        return session

    server = start("tunnel-server")
    assert server.wait("tunnel-ready")["role"] == "server"
    for number in (1, 2):
        client = start(f"tunnel-client-{number}")
        assert client.wait("tunnel-ready")["client_id"] == number
        client.wait("listener-opened")
    assert server.ask("activate", client_id=2) == {"active_client": 2, "previous": 1}
    status = server.ask("status")
    assert status["active_client"] == 2
    assert [row["client_id"] for row in status["clients"]] == [1, 2]
    assert set(status["bytes"]) == {"to-client", "to-server"}
