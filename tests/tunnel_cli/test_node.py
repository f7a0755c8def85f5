"""Whole nodes on loopback: what the parts come to together."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.tunnel_cli.nodes import Node, dial, echo, read_all, read_exactly, tcp_server


class Tunnel:
    """A server and its clients, with an echo behind both kinds of tunnel."""

    def __init__(self, stack: ExitStack, *more: str, target: int | None = None) -> None:
        self.target = target or stack.enter_context(tcp_server(echo))
        self._stack, self._more = stack, more
        self.server = self.start(
            "--server", "--url", "http://127.0.0.1:0", "--listen", "s2c=127.0.0.1:0",
            "--connect", f"c2s=127.0.0.1:{self.target}",
        )  # fmt: skip
        self.addr = self.server.wait("tunnel-ready")["addr"]

    def client(self, number: int) -> Node:
        """Start a client and wait until it is online."""
        node = self.start(
            "--client-id", str(number), "--url", f"http://{self.addr}",
            "--listen", "c2s=127.0.0.1:0", "--connect", f"s2c=127.0.0.1:{self.target}",
        )  # fmt: skip
        self.server.wait("client-online", client_id=number)
        node.wait("listener-opened")
        return node

    def start(self, *arguments: str, token: str | None = None) -> Node:
        """Start a node that ends with the test."""
        more = self._more if token is None else ("--token", token)
        node = Node(*arguments, "--reopen-after", "0.3", *more)
        self._stack.callback(self._end, node)
        return node

    def _end(self, node: Node) -> None:
        was_killed = node.process.poll() is not None
        said = node.end()
        assert "Traceback" not in said, said
        assert was_killed or node.process.returncode == 0


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    with ExitStack() as stack:
        yield Tunnel(stack)


def test_both_kinds_of_tunnel_carry_bytes_and_half_closes(tunnel: Tunnel) -> None:
    client = tunnel.client(1)
    sent = random.Random(1).randbytes(3 << 20)
    for port in (tunnel.server.port("s2c"), client.port("c2s")):
        with dial(port) as connection:
            connection.sendall(sent)  # all of it before a byte is read
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == sent
    status = client.ask("status")
    assert status["bytes"]["c2s"] == {"bytes_in": len(sent), "bytes_out": len(sent)}


def test_first_data_on_a_standby_fails_over_and_that_stream_lives(tunnel: Tunnel) -> None:
    one, two = tunnel.client(1), tunnel.client(2)
    tunnel.server.wait("active-changed", client_id=1)
    with (
        dial(tunnel.server.port("s2c")) as old,
        dial(one.port("c2s")) as also_old,
        dial(two.port("c2s")) as new,
    ):
        old.sendall(b"old")
        assert read_exactly(old, 3) == b"old"
        new.sendall(b"new")
        assert read_exactly(new, 3) == b"new"
        assert read_all(old) == b""
        assert read_all(also_old) == b""
        tunnel.server.wait("active-changed", client_id=2, reason="data")
        one.wait("listener-closed")
        tunnel.server.wait("failover-finished")
        new.sendall(b"still")
        assert read_exactly(new, 5) == b"still"


def test_a_probe_of_a_standby_s_port_changes_nothing(tunnel: Tunnel) -> None:
    tunnel.client(1)
    two = tunnel.client(2)
    with dial(two.port("c2s")):
        two.wait("stream-opened")
    tunnel.server.wait("stream-closed", client_id=2)
    assert tunnel.server.ask("status")["active_client"] == 1


def test_a_killed_active_client_is_replaced(tunnel: Tunnel) -> None:
    one = tunnel.client(1)
    tunnel.client(2)
    tunnel.server.wait("listener-opened")
    one.process.kill()
    tunnel.server.wait("active-changed", client_id=2, reason="lost")
    since = tunnel.server.mark()
    with dial(tunnel.server.port("s2c", since)) as connection:
        connection.sendall(b"again")
        assert read_exactly(connection, 5) == b"again"


def test_a_refused_target_is_a_reset(tunnel: Tunnel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with ExitStack() as stack:
        refusing = Tunnel(stack, target=free)
        client = refusing.client(1)
        with dial(client.port("c2s")) as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_twin_of_a_client_that_answers_is_refused(tunnel: Tunnel) -> None:
    tunnel.client(1)
    twin = tunnel.start("--client-id", "1", "--url", f"http://{tunnel.addr}")
    assert "duplicate-client" in twin.wait("link-lost")["reason"]


def test_the_wrong_token_is_refused() -> None:
    with ExitStack() as stack:
        guarded = Tunnel(stack, "--token", "right")
        guarded.client(1)
        for token in ("wrong", ""):
            other = guarded.start(
                "--client-id", "2", "--url", f"http://{guarded.addr}", token=token
            )
            assert "wrong-token" in other.wait("link-lost")["reason"]


def test_draining_lets_streams_end_and_then_exits(tunnel: Tunnel) -> None:
    one = tunnel.client(1)
    tunnel.client(2)
    with dial(one.port("c2s")) as connection:
        connection.sendall(b"x")
        assert read_exactly(connection, 1) == b"x"
        assert one.ask("drain") == {"streams": 1}
        tunnel.server.wait("active-changed", client_id=2, reason="command")
        connection.sendall(b"y")
        assert read_exactly(connection, 1) == b"y"
    assert one.process.wait(30) == 0


def test_only_the_server_activates_and_only_clients_drain(tunnel: Tunnel) -> None:
    client = tunnel.client(1)
    assert client.request("activate", client_id=1)["code"] == "not-the-server"
    assert tunnel.server.request("drain")["code"] == "not-a-client"
    assert tunnel.server.request("activate", client_id=9)["code"] == "client-offline"


def test_a_server_that_ends_the_connection_at_once_is_told_of_and_asked_again() -> None:
    """As one does that speaks TLS only, or refuses the client's certificate."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = Node("--client-id", "1", "--url", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        try:
            for _ in range(2):
                connection, _ = deaf.accept()
                with connection:
                    connection.recv(1)
            assert "before it answered" in client.wait("link-lost")["reason"]
        finally:
            client.end()
