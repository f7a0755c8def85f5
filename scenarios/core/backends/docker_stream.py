"""A container's standard streams over the hijacked connection of the engine's attach call.

The format is that of "Attach to a container" in the Docker Engine API: frames of an 8-byte header
(stream number, three zeros, big-endian length) and the bytes. The SDK's own reader can neither
close only stdin nor separate the streams (docker-py #1507, #1952).
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
    """Attach to a container before it starts, so that no line is lost. Raises BackendError."""
    if client.api.base_url.startswith("https://") or "ssh" in client.api.base_url:
        raise BackendError(
            "The Docker engine is reached by TLS or SSH, so it is on another machine and has not "
            "this machine's folders; use a local engine or --backend process."
        )
    # No "logs": there is no output yet.
    wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
    hijacked = client.api.attach_socket(container_id, params=wanted)
    # A new socket object for the same connection: the SDK's has a timeout for its requests.
    connection = socket.socket(fileno=os.dup(hijacked.fileno()))
    connection.setblocking(True)
    return connection


def frames(connection: socket.socket) -> Iterator[tuple[Literal["out", "err"], bytes]]:
    """Yield the stream and the bytes of each frame until EOF."""
    with connection.makefile("rb", buffering=BUFFER) as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            number, length = HEADER.unpack(header)
            if number not in STREAMS:
                raise BackendError(f"The engine sent a frame of the unknown stream {number}.")
            yield STREAMS[number], file.read(length)


def deliver(connection: socket.socket, sink: Sink) -> None:
    """Deliver every line to the sink until EOF."""
    splitters = {"out": LineSplitter(), "err": LineSplitter()}
    try:
        for stream, data in frames(connection):
            for line in splitters[stream].feed(data):
                sink.line(stream, line, complete=True)
    except ConnectionError:
        pass  # the engine went away, which counts as EOF
    for stream in STREAMS.values():
        if rest := splitters[stream].rest():
            sink.line(stream, rest, complete=False)


class Writer:
    """Writes a container's stdin from its own thread, so that no caller blocks."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"write {name}", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        self._queue.put(data)

    def close(self) -> None:
        """Close the stdin half after everything queued."""
        self._queue.put(None)

    def _run(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                self._connection.sendall(data)
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the container is gone, or the connection is closed
