"""A relay in the path between two peers that can tamper with their data connections.

A separate program, which command_loop.py runs with its own IP address as a node beside the peers.
Imports nothing from this project. It forwards every connection unchanged to one
peer. Once told to, it replaces bytes, but only in what that peer sends over data connections (those
that open with `LSD1`, see docs/wire-protocol.md).

| command | arguments | data of the result |
|---|---|---|
| `forward` | `addr` of a peer | `addr`: where to connect instead, with the same port |
| `replace` | `old`, `new` (hex, equally long) | |
| `replaced` | | `count`: how often it replaced the old bytes |
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

DATA_CONNECTION = b"LSD1"
READ_SIZE = 1 << 18


class Program:
    """Executes commands, at the address ``own_ip``."""

    def __init__(self, _emit: object, own_ip: str) -> None:
        self._own_ip = own_ip
        self._old = self._new = b""
        self._count = 0
        self._server: asyncio.Server | None = None
        self._relaying: set[asyncio.Task[None]] = set()

    async def forward(self, addr: str) -> dict[str, Any]:
        """Accept connections on that peer's behalf."""
        host, _, port = addr.rpartition(":")

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A separate task: asyncio logs an error if a handler is still running at exit.
            task = asyncio.create_task(relay(reader, writer))
            self._relaying.add(task)
            task.add_done_callback(self._relaying.discard)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError):
                first = await reader.readexactly(len(DATA_CONNECTION))
                # From its own address: a ticket is bound to the address of its session.
                there, to_there = await asyncio.open_connection(
                    host, int(port), local_addr=(self._own_ip, 0)
                )
                to_there.write(first)
                change = self._changed if first == DATA_CONNECTION else same
                ways = (pass_on(reader, to_there, same), pass_on(there, writer, change))
                await asyncio.gather(*ways)

        self._server = await asyncio.start_server(accept, self._own_ip, int(port))
        return {"addr": f"{self._own_ip}:{port}"}

    async def replace(self, old: str, new: str) -> dict[str, Any]:
        """Replace these bytes in data connections from now on."""
        self._old, self._new = bytes.fromhex(old), bytes.fromhex(new)
        return {}

    async def replaced(self) -> dict[str, Any]:
        """Return how often bytes were replaced."""
        return {"count": self._count}

    def _changed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the part of the data to forward now, and the part that must wait for more data."""
        if not self._old:
            return data, b""
        self._count += data.count(self._old)
        data = data.replace(self._old, self._new)
        start = max(0, len(data) - len(self._old) + 1)
        begun = next(
            (at for at in range(start, len(data)) if self._old.startswith(data[at:])), len(data)
        )
        return data[:begun], data[begun:]


def same(data: bytes) -> tuple[bytes, bytes]:
    """Forward all of it."""
    return data, b""


async def pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[bytes], tuple[bytes, bytes]],
) -> None:
    """Forward data until EOF, then EOF itself."""
    held = b""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_SIZE):
            ready, held = change(held + data)
            writer.write(ready)
            await writer.drain()
        writer.write(held)
    writer.close()
