"""A narrow, long link: forwards connections at a given rate, and delivers late, both ways.

A node of its own, which command_loop.py runs with its own IP address; it imports nothing of this
project. Its command:

- `forward` addr, bytes_per_second, delay_ms (one way): `addr`, where to connect instead

It keeps no more than is under way, and its sockets' buffers are small: whatever the ends have sent
too much of waits at the ends.
"""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

PIECE = 8 << 10
BUFFER = 32 << 10
LATE_S = 0.05  # made up for, when the machine was busy


@dataclass(frozen=True)
class Pace:
    """How fast bytes pass, and how long each is under way."""

    bytes_per_second: float
    delay_s: float

    async def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Forward everything, and the end. Raises OSError."""
        loop = asyncio.get_running_loop()
        room = 2 + int(self.bytes_per_second * self.delay_s / PIECE)
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(room)

        async def take() -> None:
            free, data = loop.time(), b"-"
            while data:
                data = await loop.sock_recv(source, PIECE)
                now = loop.time()
                free = max(free, now - LATE_S) + len(data) / self.bytes_per_second
                await under_way.put((max(free, now) + self.delay_s, data))
                await asyncio.sleep(free - loop.time())  # the rate that is asked for

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(due - loop.time())  # the delay that is asked for
                if not data:
                    break
                await loop.sock_sendall(target, data)
            target.shutdown(socket.SHUT_WR)

        async with asyncio.TaskGroup() as both:
            both.create_task(take())
            both.create_task(deliver())


def narrowed(made: socket.socket) -> socket.socket:
    """Give a socket small buffers."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    made.setblocking(False)
    return made


class Program:
    """Carries out commands, at the address ``own_ip``."""

    def __init__(self, _emit: object, own_ip: str) -> None:
        self._own_ip = own_ip
        self._tasks: set[asyncio.Task[None]] = set()

    async def forward(self, addr: str, bytes_per_second: float, delay_ms: float) -> dict[str, Any]:
        """Take connections for another address."""
        pace = Pace(bytes_per_second, delay_ms / 1000)
        listening = narrowed(socket.create_server((self._own_ip, 0)))
        self._run(self._accept(listening, addr, pace))
        return {"addr": f"{self._own_ip}:{listening.getsockname()[1]}"}

    async def _accept(self, listening: socket.socket, addr: str, pace: Pace) -> None:
        while True:
            taken, _ = await asyncio.get_running_loop().sock_accept(listening)
            self._run(self._one(narrowed(taken), addr, pace))

    async def _one(self, taken: socket.socket, addr: str, pace: Pace) -> None:
        host, _, port = addr.rpartition(":")
        try:
            with taken, narrowed(socket.socket()) as made:
                await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
                async with asyncio.TaskGroup() as both:
                    both.create_task(pace.pass_on(taken, made))
                    both.create_task(pace.pass_on(made, taken))
        except* OSError:
            pass  # an end is gone, and so is the other one

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
