"""A target for measurements: `python -m benchmarks.tunnel_target sink|echo` prints its port.

With `pour PORT` it sends to a sink without end, and prints an empty line when that has begun. A
sink reads as many bytes as the first eight say, and answers one; an echo sends everything back.
"""

import contextlib
import socket
import sys
import threading

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


def echo(connection: socket.socket) -> None:
    """Send everything back."""
    buffer = bytearray(BUFFER)
    view = memoryview(buffer)
    while count := connection.recv_into(buffer):
        connection.sendall(view[:count])


def pour(port: int) -> None:
    """Send without end."""
    piece = bytes(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall((1 << 62).to_bytes(8, "big") + 16 * piece)
        print(flush=True)
        while True:
            connection.sendall(piece)


def main(kind: str) -> None:
    """Serve until it is ended."""
    work = {"sink": sink, "echo": echo}[kind]

    def one(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, contextlib.suppress(OSError):  # its other end is gone
            work(connection)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "pour":
        pour(int(sys.argv[2]))
    else:
        main(sys.argv[1])
