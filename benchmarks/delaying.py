"""A TCP proxy that passes bytes on later: a longer way, on one machine.

    python -m benchmarks.delaying ADDR:PORT [ADDR:PORT ...]

Prints an address of its own for each of these, one a line. Each line on stdin is the delay from now
on, in seconds, of every piece in both directions. Nothing but the delay holds bytes back: it passes
on as much as comes in, for a connection of any speed.
"""

import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

PIECE = 256 << 10
HELD = 256  # pieces that may be under way: 64 MiB
UnderWay: TypeAlias = "queue.Queue[tuple[float, bytes]]"  # with the time at which each is due


class Delay:
    """How much later pieces come, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0


def main() -> None:
    """Serve until stdin ends."""
    delay = Delay()
    for text in sys.argv[1:]:
        host, _, port = text.rpartition(":")
        listening = socket.create_server(("127.0.0.1", 0))
        print(f"127.0.0.1:{listening.getsockname()[1]}", flush=True)
        start(serve, listening, (host.strip("[]"), int(port)), delay)
    for line in sys.stdin:
        delay.seconds = float(line)
        print("from now on", flush=True)


def serve(listening: socket.socket, target: tuple[str, int], delay: Delay) -> None:
    """Accept connections, and pass on what each end says."""
    while True:
        near, _ = listening.accept()
        try:
            far = socket.create_connection(target)
        except OSError:
            near.close()
            continue
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            under_way: UnderWay = queue.Queue(HELD)
            start(take, one, under_way, delay)
            start(give, other, under_way)


def take(end: socket.socket, under_way: UnderWay, delay: Delay) -> None:
    """Take pieces, and note when each is to arrive."""
    data = b"."
    while data:
        try:
            data = end.recv(PIECE)
        except OSError:
            data = b""
        under_way.put((time.monotonic() + delay.seconds, data))


def give(end: socket.socket, under_way: UnderWay) -> None:
    """Pass pieces on, each at its time; an empty one is the end."""
    while True:
        due, data = under_way.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                end.shutdown(socket.SHUT_WR)
                return
            end.sendall(data)
        except OSError:
            end.close()
            return


def start(work: Callable[..., None], *arguments: object) -> None:
    """Begin to work in a thread that ends with the program."""
    threading.Thread(target=work, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
