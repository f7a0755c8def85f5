"""A target for measurements: `python -m benchmarks.tunnel_target sink|echo` prints its port.

With `pour PORT` it sends to a sink without end, and prints an empty line when that has begun. A
sink reads as many bytes as the first eight say, and answers one; an echo sends everything back.
With `relay ENTRY PORT` it copies between connections to the one port and the other, no more: what
any relay costs.
"""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

HOST = "127.0.0.1"
BUFFER = 1 << 18


def sink(connection: socket.socket) -> None:
    """Read, then answer."""
    left, buffer = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big"), bytearray(BUFFER)
    while left:
        count = connection.recv_into(buffer, min(left, BUFFER))
        if not count:
            return
        left -= count
    connection.sendall(b".")


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy from one connection to another."""
    buffer = bytearray(BUFFER)
    view = memoryview(buffer)
    while count := source.recv_into(buffer):
        target.sendall(view[:count])


def echo(connection: socket.socket) -> None:
    """Send everything back."""
    copy(connection, connection)


def relay(connection: socket.socket, port: int) -> None:
    """Copy both ways until both sides have sent everything."""
    with socket.create_connection((HOST, port)) as onward:
        onward.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=pass_on, args=(onward, connection))
        back.start()
        pass_on(connection, onward)
        back.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy, and then end what the target gets."""
    with contextlib.suppress(OSError):  # one of them is gone
        copy(source, target)
        target.shutdown(socket.SHUT_WR)


def pour(port: int) -> None:
    """Send without end."""
    piece = bytes(1 << 20)
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall((1 << 62).to_bytes(8, "big") + 16 * piece)
        print(flush=True)
        while True:
            connection.sendall(piece)


def serve(work: Callable[[socket.socket], None], entry: int = 0) -> None:
    """Serve at a port, any by default, until it is ended."""

    def one(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, contextlib.suppress(OSError):  # its other end is gone
            work(connection)

    with socket.create_server((HOST, entry), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()


def main(kind: str, *ports: str) -> None:
    """Do what the arguments say."""
    numbers = [int(port) for port in ports]
    if kind == "pour":
        pour(*numbers)
    elif kind == "relay":
        entry, port = numbers
        serve(partial(relay, port=port), entry)
    else:
        serve({"sink": sink, "echo": echo}[kind])


if __name__ == "__main__":
    main(*sys.argv[1:])
