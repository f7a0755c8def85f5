"""A peer of the legacy wire towards its tracker: line by line, or all of it by itself."""

import asyncio
import contextlib
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

from .holder import Holder
from .lines import Emit, Refused, host_and_port, send, text

FIRST_AFTER_S, AGAIN_AFTER_S = 2.0, 5.0
ANSWER_S = 15.0
CODE = (".py", ".so", ".dll")


class Asker:
    """Connections to trackers."""

    def __init__(self, emit: Emit, own_ip: str, folder: Path | None) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self._folder = folder
        self._open: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, addr: str) -> dict[str, Any]:
        """Connect to a tracker."""
        number = next(self._numbers)
        self._open[number] = await asyncio.open_connection(
            *host_and_port(addr), local_addr=(self._own_ip, 0)
        )
        return {"connection": number}

    async def say(
        self, connection: int, text: str, single: bool = False, times: int = 1
    ) -> dict[str, Any]:
        """Send this so many times, at once or a segment per byte."""
        with contextlib.suppress(ConnectionError):  # `hear` tells of it
            for _ in range(times):
                await send(self._open[connection][1], text.encode("latin-1"), single=single)
        return {}

    async def hear(self, connection: int) -> dict[str, Any]:
        """Return the next line with its newline; empty if the tracker has ended the connection."""
        try:
            line = await asyncio.wait_for(self._open[connection][0].readline(), ANSWER_S)
        except TimeoutError:
            raise Refused("silence", f"Nothing came for {ANSWER_S:g} s.") from None
        except OSError:
            line = b""
        return {"text": text(line)}

    async def leave(self, connection: int) -> dict[str, Any]:
        """End a connection."""
        self._open.pop(connection)[1].close()
        return {}

    async def take_part(self, tracker: str, port: int = 0) -> dict[str, Any]:
        """Be an honest peer with the files of the folder, until the end."""
        holder = Holder(self._emit, self._own_ip)
        for path in self._files():
            await holder.hold(path.name, path.read_bytes().decode("latin-1"))
        own = await holder.serve(port)
        task = asyncio.create_task(self._rounds(tracker, host_and_port(own["addr"])[1], holder))
        self._tasks.add(task)
        return own

    async def _rounds(self, tracker: str, port: int, holder: Holder) -> None:
        connection = (await self.join(tracker))["connection"]
        await asyncio.sleep(FIRST_AFTER_S)  # as the wire says
        files = [{"name": path.name, "mtime": int(path.stat().st_mtime)} for path in self._files()]
        message: dict[str, Any] = {"port": port, "files": files}
        while True:
            await self.say(connection, json.dumps(message) + "\n")
            answer = (await self.hear(connection))["text"]
            if not answer:
                self._emit("tracker-gone")
                return
            for name, entry in json.loads(answer).items():
                await self._fetch(name, entry, holder)
            self._emit("round-finished", files=sorted(path.name for path in self._files()))
            message = {"port": port}
            await asyncio.sleep(AGAIN_AFTER_S)  # as the wire says

    async def _fetch(self, name: str, entry: dict[str, Any], holder: Holder) -> None:
        assert self._folder is not None
        path = self._folder / name
        if path.exists() and int(path.stat().st_mtime) >= entry["mtime"]:
            return
        reader, writer = await asyncio.open_connection(entry["ip"], entry["port"])
        writer.write(name.encode() + b"\n")
        header = await reader.readline()
        data = await reader.read(-1)
        writer.close()
        if header != f"Content-Length: {len(data)}\n".encode():
            self._emit("not-fetched", name=name, header=text(header), count=len(data))
            return
        path.write_bytes(data)
        os.utime(path, (time.time(), entry["mtime"]))
        await holder.hold(name, data.decode("latin-1"))

    def _files(self) -> list[Path]:
        assert self._folder is not None
        paths = sorted(self._folder.iterdir())
        return [path for path in paths if path.is_file() and path.suffix not in CODE]
