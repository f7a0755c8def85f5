"""A bare pair: a file over one TCP connection, with the least that a system call can do.

    python bare_pair.py serve IP PORT FILE
    python bare_pair.py fetch IP PORT FILE [--check] [--sync]

The source sends the file's length (u64, big-endian) and then its bytes, by `sendfile`. The receiver
splices them into a file. With `--check`, a second thread reads every 4 MiB back and hashes it with
BLAKE3, and nothing waits for the result but the end: the least that any verifying receiver must do.
With `--sync`, the file is durable before the time ends. That is the floor of the comparison.
"""

import fcntl
import json
import os
import queue
import resource
import socket
import sys
import threading
import time
from pathlib import Path

from blake3 import blake3

PIPE_BYTES = 1 << 20
BLOCK_BYTES = 4 << 20
PIECE_BYTES = 512 << 10


def serve(ip: str, port: int, path: str) -> None:
    """Send the file to everyone who connects, one after the other."""
    with socket.create_server((ip, port)) as listening, Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while True:
            connection, _ = listening.accept()
            with connection:
                try:
                    connection.sendall(size.to_bytes(8, "big"))
                    at = 0
                    while at < size:
                        at += os.sendfile(connection.fileno(), file.fileno(), at, size - at)
                except OSError:  # somebody only looked whether it listens
                    continue


def fetch(ip: str, port: int, path: str, *, check: bool, sync: bool) -> None:
    """Receive the file; print the figures."""
    began, used = time.monotonic(), time.process_time()
    arrived: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    with socket.create_connection((ip, port)) as connection, Path(path).open("w+b") as file:
        checking = threading.Thread(target=hash_blocks, args=(file.fileno(), arrived))
        checking.start()
        size = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), "big")
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        at = told = 0
        while at < size:
            count = os.splice(connection.fileno(), writing, min(PIPE_BYTES, size - at))
            while count:
                moved = os.splice(reading, file.fileno(), count, offset_dst=at)
                at, count = at + moved, count - moved
            if check and (at - told >= BLOCK_BYTES or at == size):
                arrived.put((told, at - told))
                told = at
        arrived.put(None)
        checking.join()
        if sync:
            os.fsync(file.fileno())
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu_s": time.process_time() - used,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
            }
        )
    )


def hash_blocks(file: int, arrived: "queue.SimpleQueue[tuple[int, int] | None]") -> None:
    """Read back and hash what has arrived, up to None."""
    memory = memoryview(bytearray(PIECE_BYTES))
    while (block := arrived.get()) is not None:
        offset, length = block
        hasher, end = blake3(), offset + length
        while offset < end:
            count = os.preadv(file, [memory[: min(PIECE_BYTES, end - offset)]], offset)
            hasher.update(memory[:count])
            offset += count
        hasher.digest()


if __name__ == "__main__":
    what, ip, port, path, *flags = sys.argv[1:]
    if what == "serve":
        serve(ip, int(port), path)
    else:
        fetch(ip, int(port), path, check="--check" in flags, sync="--sync" in flags)
