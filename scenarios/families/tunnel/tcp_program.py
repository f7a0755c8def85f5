"""TCP programs at the ends of tunnels: servers that are dialled, and askers that dial.

A node of its own, which command_loop.py runs with its own IP address; it imports nothing of this
project. Commands, with their arguments and what they give:

- `serve` name, kind, count: `addr`. An `echo`; a `source`, which sends `count` bytes and closes at
  once; an `answer`, which sends them when it has read the end; a `flood`, which sends without end;
  a `sink`, which says a byte when it has read more than `count`; one that is `stopped` and reads
  nothing until `go-on`; and `none`, which is not there.
- `go-on` name; `idle` name: replies when a server has served, and none of its connections is open
- `served` name: `connections`, `open`, and `bytes_in` and `sha256` of what it has read of them all
- `exchange` addr, count, seed, all_first: sends bytes to an echo, and the end, and reads to the
  end. `sent` and `received` (SHA-256), `count`, `ended`
- `dial` addr: `connection`, or the error `refused`
- `send` connection, count, seed: `sha256`, when the system has taken all of it
- `pour` connection: sends what a flood does until it cannot any more: `count`
- `read` connection, count (null: to the end): `sha256`, `count`, `ended`
- `pings` connection, count, size, gap_ms: `whole` (came in one read), `right`, `median_ms`
- `finish` (half-close), `close` connection
- `probe` addr: `open`
- `race` addr, count, size, after: connects, writes and closes at once; when `after` is open

`ended` is `eof`, `reset`, or `open`. Who reads a connection's end causes `connection-ended` with
`how`. When one that a server took is over, `served-ended` has its `name` and what `served` gives.
"""

import asyncio
import contextlib
import hashlib
import random
import socket
import statistics
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

PIECE = 1 << 16
PROBED_EVERY_S = 0.01
CONNECT_S = 5.0  # a machine that is gone does not even refuse
RESET = struct.pack("@ii", 1, 0)

Emit = Callable[..., None]


class RefusedError(Exception):
    """Nobody listens there."""


@dataclass
class Served:
    """What a server has seen."""

    connections: int = 0
    open: int = 0
    bytes_in: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)  # nothing is open

    def so_far(self) -> dict[str, Any]:
        """Return it."""
        read = {"bytes_in": self.bytes_in, "sha256": self.digest.hexdigest()}
        return {"connections": self.connections, "open": self.open, **read}

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read what has come, and count it."""
        data = await reader.read(PIECE)
        self.bytes_in += len(data)
        self.digest.update(data)
        return data

    async def read_all(self, reader: asyncio.StreamReader) -> None:
        """Read to the end."""
        while await self.read(reader):
            pass


class Program:
    """Carries out commands, at the address ``own_ip``."""

    AT_ONCE = True
    REFUSALS: ClassVar = {RefusedError: "refused", OSError: "reset"}

    def __init__(self, emit: Emit, own_ip: str) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self._served: dict[str, Served] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._sockets: dict[int, socket.socket] = {}
        self._reset: set[int] = set()  # connections on which a reset was met
        self._stopping = False  # then nothing more is taken

    async def serve(self, name: str, kind: str, count: int = 0) -> dict[str, Any]:
        """Start a server."""
        seen = self._served[name] = Served()
        if kind == "none":
            with socket.create_server((self._own_ip, 0)) as freed:
                return {"addr": f"{self._own_ip}:{freed.getsockname()[1]}"}

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._stopping:
                writer.transport.abort()
                return
            task = asyncio.create_task(one(reader, writer))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.connections += 1
            seen.open += 1
            seen.idle.clear()
            try:
                with contextlib.suppress(OSError):
                    await WORK[kind](reader, writer, count, seen)
            except asyncio.CancelledError:  # the program ends, whether its asker takes all or not
                writer.transport.abort()
                raise
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                seen.open -= 1
                self._emit("served-ended", name=name, **seen.so_far())
                if seen.open == 0:
                    seen.idle.set()

        server = await asyncio.start_server(accept, self._own_ip.strip("[]"), 0)
        return {"addr": f"{self._own_ip}:{server.sockets[0].getsockname()[1]}"}

    async def end(self) -> None:
        """Take nothing any more."""
        self._stopping = True

    async def go_on(self, name: str) -> dict[str, Any]:
        """Let a stopped server read."""
        self._served[name].go_on.set()
        return {}

    async def idle(self, name: str) -> dict[str, Any]:
        """Return when nothing is open."""
        await self._served[name].idle.wait()
        return {}

    async def served(self, name: str) -> dict[str, Any]:
        """Tell what a server has seen."""
        return self._served[name].so_far()

    async def exchange(
        self, addr: str, count: int, seed: int, all_first: bool = False
    ) -> dict[str, Any]:
        """Send to an echo, and read what comes back."""
        with await connected(addr) as connection:
            digest = hashlib.sha256()

            async def send() -> dict[str, Any]:
                try:
                    await send_all(connection, count, seed, digest)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:  # then reading does not say it again
                    return {"ended": "reset"}
                return {}

            sending = asyncio.create_task(send())
            if all_first:
                await sending
            got = await read_from(connection, None)
            got |= await sending
        return {"sent": digest.hexdigest(), "received": got["sha256"], **got}

    async def dial(self, addr: str) -> dict[str, Any]:
        """Connect."""
        number = len(self._sockets) + 1
        self._sockets[number] = await connected(addr)
        return {"connection": number}

    async def send(self, connection: int, count: int, seed: int) -> dict[str, Any]:
        """Send bytes."""
        digest = hashlib.sha256()
        await send_all(self._sockets[connection], count, seed, digest)
        return {"sha256": digest.hexdigest()}

    async def pour(self, connection: int) -> dict[str, Any]:
        """Send until there is a reset."""
        loop, at, count = asyncio.get_running_loop(), self._sockets[connection], 0
        piece = content(PIECE, 0)
        with contextlib.suppress(OSError):
            while True:
                await loop.sock_sendall(at, piece)
                count += len(piece)
        self._emit("connection-ended", connection=connection, how="reset")
        return {"count": count}

    async def read(self, connection: int, count: int | None = None) -> dict[str, Any]:
        """Read bytes."""
        got = await read_from(self._sockets[connection], count)
        got |= {"ended": "reset"} if connection in self._reset else {}
        if got["ended"] != "open":
            self._emit("connection-ended", connection=connection, how=got["ended"])
        return got

    async def pings(
        self, connection: int, count: int, size: int, gap_ms: float = 0.0
    ) -> dict[str, Any]:
        """Send messages to an echo one after the other; each comes back before the next goes."""
        at = self._sockets[connection]
        whole, right, times = 0, 0, [0.0]
        for number in range(count):
            message = content(size, number)
            began = time.monotonic()
            try:
                first, answer = await answered(at, message)
            except OSError:
                self._reset.add(connection)
                break
            if len(answer) < size:
                break
            times.append(time.monotonic() - began)
            whole += first == message
            right += answer == message
            await asyncio.sleep(gap_ms / 1000)  # the pace that is asked for
        median_ms = round(statistics.median(times[1:] or times) * 1000, 3)
        return {"whole": whole, "right": right, "median_ms": median_ms}

    async def finish(self, connection: int) -> dict[str, Any]:
        """Half-close."""
        with contextlib.suppress(OSError):  # the other side has reset it: reading will say so
            self._sockets[connection].shutdown(socket.SHUT_WR)
        return {}

    async def close(self, connection: int) -> dict[str, Any]:
        """Close."""
        self._sockets[connection].close()
        return {}

    async def race(self, addr: str, count: int, size: int = 0, after: str = "") -> dict[str, Any]:
        """Connect, write and close at once, so many times; every other time by a reset.

        Ends with the first one that is not taken, and tells how many were.
        """
        while after and not (await self.probe(after))["open"]:  # noqa: ASYNC110 - a prober only probes
            await asyncio.sleep(PROBED_EVERY_S)
        taken = 0
        with contextlib.suppress(RefusedError, OSError):
            for number in range(count):
                with await connected(addr) as made:
                    await asyncio.get_running_loop().sock_sendall(made, content(size, number))
                    if number % 2:
                        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                taken += 1
        return {"taken": taken}

    async def probe(self, addr: str) -> dict[str, Any]:
        """Tell whether anybody listens there."""
        with contextlib.suppress(RefusedError), await connected(addr):
            return {"open": True}
        return {"open": False}


async def echo(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _count: int, seen: Served
) -> None:
    """Send everything back, then the end."""
    while data := await seen.read(reader):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def source(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int, _seen: Served
) -> None:
    """Send, and close at once."""
    writer.write(content(count, 0))
    await writer.drain()


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int, seen: Served
) -> None:
    """Answer when the asker has said all."""
    await seen.read_all(reader)
    await source(reader, writer, count, seen)


async def flood(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _count: int, _seen: Served
) -> None:
    """Send the same piece without end."""
    piece = content(PIECE, 0)
    while True:
        writer.write(piece)
        await writer.drain()


async def sink(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int, seen: Served
) -> None:
    """Read to the end."""
    while await seen.read(reader) and seen.bytes_in <= count:
        pass
    writer.write(b".")
    await seen.read_all(reader)


async def stopped(
    reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _count: int, seen: Served
) -> None:
    """Read nothing until it may."""
    await seen.go_on.wait()
    await seen.read_all(reader)


WORK = {one.__name__: one for one in (echo, source, answer, flood, sink, stopped)}


async def answered(at: socket.socket, message: bytes) -> tuple[bytes, bytes]:
    """Send a message; return what comes in one read, and in all before it ends. Raises OSError."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(at, message)
    answer = first = await loop.sock_recv(at, PIECE)
    while len(answer) < len(message) and (more := await loop.sock_recv(at, PIECE)):
        answer += more
    return first, answer


async def send_all(
    connection: socket.socket, count: int, seed: int, digest: "hashlib._Hash"
) -> None:
    """Send bytes that never repeat, made and hashed as they go: all at once would hold up others.

    Raises OSError.
    """
    loop, made = asyncio.get_running_loop(), random.Random(seed)  # noqa: S311 - test data
    for start in range(0, count, PIECE):
        piece = made.randbytes(min(PIECE, count - start))
        digest.update(piece)
        await loop.sock_sendall(connection, piece)


def content(count: int, seed: int) -> bytes:
    """Return bytes that never repeat."""
    return random.Random(seed).randbytes(count)  # noqa: S311 - test data, no secret


async def connected(addr: str) -> socket.socket:
    """Return a socket that is connected. Raises RefusedError."""
    host, _, port = addr.replace("[", "").replace("]", "").rpartition(":")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    except ConnectionResetError:  # taken, and reset at once: so is one whose end left it unread
        made.close()
        made, other = socket.socketpair()
        made.setblocking(False)
        made.send(b"x")
        other.close()
    except OSError as error:
        made.close()
        raise RefusedError(f"{addr}: {error.strerror or 'no answer'}") from error
    return made


async def read_from(connection: socket.socket, count: int | None) -> dict[str, Any]:
    """Read so many bytes, or to the end."""
    loop, digest, got, ended = asyncio.get_running_loop(), hashlib.sha256(), 0, "open"
    while count is None or got < count:
        wanted = PIECE if count is None else min(PIECE, count - got)
        try:
            data = await loop.sock_recv(connection, wanted)
        except OSError:
            ended = "reset"
            break
        if not data:
            ended = "eof"
            break
        digest.update(data)
        got += len(data)
    return {"sha256": digest.hexdigest(), "count": got, "ended": ended}
