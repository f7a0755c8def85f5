"""A container's standard streams over the hijacked connection of the engine's attach call.

The stream's form: "Attach to a container" in the Docker Engine API: frames of an 8-byte header
(stream number, three zeros, big-endian length) and the bytes. The SDK's own reader neither closes
the stdin half alone nor keeps the streams apart (docker-py #1507, #1952).
"""

import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from scenarios.core.backends.base import BackendError, LineSplitter, Sink

if TYPE_CHECKING:
    from docker import DockerClient

HEADER = struct.Struct(">BxxxL")
STREAMS: dict[int, Literal["out", "err"]] = {1: "out", 2: "err"}
BUFFER = 256 * 1024


def attach(client: "DockerClient", container_id: str) -> socket.socket:
    """Attach to a container that has not started, so that no line is lost; raises BackendError."""
    if client.api.base_url.startswith("https://") or "ssh" in client.api.base_url:
        raise BackendError(
            "The Docker engine is reached by TLS or SSH, so it is on another machine and has not "
            "this machine's folders; use a local engine or --backend process."
        )
    # "logs" off: nothing was said yet.
    wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
    hijacked = client.api.attach_socket(container_id, params=wanted)
    # A socket object of our own on the same connection: the SDK's has the timeout of its requests.
    connection = socket.socket(fileno=os.dup(hijacked.fileno()))
    connection.setblocking(True)
    return connection


def frames(connection: socket.socket) -> Iterator[tuple[Literal["out", "err"], bytes]]:
    """Yield the stream and the bytes of each frame until the container's streams end."""
    with connection.makefile("rb", buffering=BUFFER) as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            number, length = HEADER.unpack(header)
            if number not in STREAMS:
                raise BackendError(f"The engine sent a frame of the unknown stream {number}.")
            yield STREAMS[number], file.read(length)


def deliver(connection: socket.socket, sink: Sink) -> None:
    """Give the sink every line until the streams end."""
    splitters = {"out": LineSplitter(), "err": LineSplitter()}
    try:
        for stream, data in frames(connection):
            for line in splitters[stream].feed(data):
                sink.line(stream, line, complete=True)
    except ConnectionError:
        pass  # the engine went away: the same as an end
    for stream in STREAMS.values():
        if rest := splitters[stream].rest():
            sink.line(stream, rest, complete=False)


class Writer:
    """Writes a container's stdin from a thread of its own, so that no caller ever waits."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"write {name}", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        self._queue.put(data)

    def close(self) -> None:
        """Close the stdin half behind everything queued."""
        self._queue.put(None)

    def _run(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                self._connection.sendall(data)
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the container is gone, or the connection was closed behind it
