"""A tracker of the legacy wire: honest, silent, or one that answers whatever it is told to."""

import asyncio
import itertools
import json
import time
from typing import Any

from .lines import Emit, send, text


class Tracker:
    """Listens, tells what peers say, and answers."""

    def __init__(self, emit: Emit, own_ip: str) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self._kind = "honest"
        self._answers: list[bytes] = []
        self._single = False
        self._directory: dict[str, dict[str, Any]] = {}
        self._connections: dict[int, asyncio.StreamWriter] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def track(self, port: int = 0) -> dict[str, Any]:
        """Listen for peers."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, self._own_ip, port, limit=1 << 24)
        self._server = server
        return {"addr": f"{self._own_ip}:{server.sockets[0].getsockname()[1]}"}

    async def behave(
        self, kind: str, answers: tuple[str, ...] = (), single: bool = False
    ) -> dict[str, Any]:
        """Behave like this from now on.

        `honest`; `silent`, which says nothing; `gone`, which ends a connection when it is spoken
        to; `scripted`, which answers the messages of a connection with these in turn, the last one
        for ever. ``single`` sends each byte by itself.
        """
        self._kind, self._single = kind, single
        self._answers = [answer.encode("latin-1") for answer in answers]
        return {}

    async def know(self, name: str, addr: str, mtime: object) -> dict[str, Any]:
        """Have a file in the directory, whoever has it."""
        ip, _, port = addr.rpartition(":")
        self._directory[name] = {"ip": ip, "port": int(port), "mtime": mtime}
        return {}

    async def directory(self) -> dict[str, Any]:
        """Return what peers are told."""
        return {"directory": self._directory}

    async def hang_up(self) -> dict[str, Any]:
        """End all connections, and listen no more."""
        self._server.close()
        for writer in self._connections.values():
            writer.close()
        return {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        ip, port = writer.get_extra_info("peername")[:2]
        self._connections[number] = writer
        self._emit("peer-came", connection=number, ip=ip, port=port)
        since = time.monotonic()
        try:
            for turn in itertools.count():
                line = await reader.readline()
                if not line:
                    break
                after = time.monotonic() - since
                self._emit("peer-said", connection=number, text=text(line), after_s=round(after, 3))
                if self._kind == "gone":
                    break
                if self._kind != "silent" and line.strip():
                    await send(writer, self._answer(line, turn, ip), single=self._single)
                since = time.monotonic()
        except (OSError, EOFError, ValueError) as error:
            self._emit("peer-failed", connection=number, reason=repr(error))
        finally:
            del self._connections[number]
            writer.close()
            self._emit("peer-left", connection=number)

    def _answer(self, line: bytes, turn: int, ip: str) -> bytes:
        if self._kind == "scripted":
            return self._answers[min(turn, len(self._answers) - 1)]
        said = json.loads(line)
        for file in said.get("files", ()):
            known = self._directory.get(file["name"])
            if known is None or known["mtime"] < file["mtime"]:
                entry = {"ip": ip, "port": said["port"], "mtime": file["mtime"]}
                self._directory[file["name"]] = entry
        return json.dumps(self._directory).encode() + b"\n"
