"""Real tunnel nodes as processes, and small TCP programs at their ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.headless.node_process import TIMEOUT_S, NodeProcess


class Node(NodeProcess):
    """A server or a client."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("tunnel_cli", *arguments)

    def port(self, tunnel: str, since: int = 0) -> int:
        """Return the port of a listener, once it is open."""
        return int(self.wait("listener-opened", since=since, tunnel=tunnel)["port"])


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection in a thread of its own; give the port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                return  # the other side was quicker

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # closed at the end
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def echo(connection: socket.socket) -> None:
    """Send everything back, then the end."""
    while data := connection.recv(1 << 16):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def dial(port: int) -> socket.socket:
    """Connect to a listener."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_all(connection: socket.socket) -> bytes:
    """Return everything until the end."""
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Return so many bytes."""
    return connection.recv(count, socket.MSG_WAITALL)
