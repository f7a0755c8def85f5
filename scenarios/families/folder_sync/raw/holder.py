"""A peer of the legacy wire as a server of files: honest, or short, slow and lying."""

import asyncio
import hashlib
import random
from dataclasses import dataclass
from typing import Any

from .lines import Emit, Refused, host_and_port, send, text

READ_SIZE = 1 << 16


@dataclass(frozen=True)
class Held:
    """A file and how it is sent."""

    content: bytes
    header: bytes  # empty: none, only an end
    sends: int  # bytes of the content
    single: bool
    gap_s: float


class Holder:
    """Serves files, and asks for them."""

    def __init__(self, emit: Emit, own_ip: str) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self._files: dict[bytes, Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lingering: list[asyncio.StreamWriter] = []

    async def serve(self, port: int = 0) -> dict[str, Any]:
        """Listen for those who want files."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._answer(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._server = await asyncio.start_server(accept, self._own_ip, port)
        return {"addr": f"{self._own_ip}:{self._server.sockets[0].getsockname()[1]}"}

    async def hold(
        self,
        name: str,
        content: str = "",
        size: int | None = None,
        seed: str = "",
        announce: int | None = None,
        sends: int | None = None,
        header: str | None = None,
        single: bool = False,
        gap_s: float = 0.0,
    ) -> dict[str, Any]:
        """Have a file: ``content``, or ``size`` bytes of ``seed``.

        ``announce`` is another length than its own, ``sends`` how many bytes are sent before the
        end, ``header`` what is said instead of a header. Header and body are one segment, or each
        of their bytes is one (``single``), ``gap_s`` seconds apart.
        """
        data = content.encode("latin-1") if size is None else made(size, seed)
        length = len(data) if announce is None else announce
        said = f"Content-Length: {length}\n" if header is None else header
        sent = len(data) if sends is None else sends
        self._files[name.encode()] = Held(data, said.encode("latin-1"), sent, single, gap_s)
        return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    async def ask(self, addr: str, request: str, single: bool = False) -> dict[str, Any]:
        """Send a request, and read to the end: `header`, `count`, `sha256`, `begins`.

        `header` is what stands before the first newline, with it; the rest is counted.
        """
        try:
            reader, writer = await asyncio.open_connection(
                *host_and_port(addr), local_addr=(self._own_ip, 0)
            )
        except OSError as error:
            raise Refused("refused", str(error)) from None
        header, count, digest, begins, ended = b"", 0, hashlib.sha256(), b"", "eof"
        try:
            await send(writer, request.encode("latin-1"), single=single)
            header = await reader.readline()
            while piece := await reader.read(READ_SIZE):
                count += len(piece)
                digest.update(piece)
                begins = (begins + piece)[:64]
        except OSError:
            ended = "reset"
        writer.close()
        told = {"count": count, "sha256": digest.hexdigest(), "begins": text(begins)}
        return {"header": text(header), "ended": ended, **told}

    async def linger(self, addr: str, text: str, count: int = 1) -> dict[str, Any]:
        """Open connections that say this, and then nothing, for ever."""
        for _ in range(count):
            _, writer = await asyncio.open_connection(
                *host_and_port(addr), local_addr=(self._own_ip, 0)
            )
            writer.write(text.encode("latin-1"))
            self._lingering.append(writer)
        return {}

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readline()
            self._emit("asked", text=text(request), ip=writer.get_extra_info("peername")[0])
            held = self._files.get(request.removesuffix(b"\n"))
            if held is not None:
                data = held.header + held.content[: held.sends]
                await send(writer, data, single=held.single, gap_s=held.gap_s)
        except OSError as error:
            self._emit("asker-failed", reason=repr(error))
        finally:
            writer.close()


def made(size: int, seed: str) -> bytes:
    """Return bytes that the seed determines."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - content, not a secret
