"""A stranger that floods a peer with connections that send nothing, or garbage.

A separate program, which command_loop.py runs with its own IP address; it imports nothing from this
project. All it knows of the protocol: control sessions begin with TLS.

| command | arguments | data of the result |
|---|---|---|
| `say` | `addr`, `openings` [`tls`, `data` (hex)] | `heard` [answer (hex), whether closed] |
| `crowd` | `addr`, `tls`, `data` (hex), `count` | `opened`: the count |
| `disperse` | | `opened`: all connections that there were |

A crowd holds `count` connections, says `data` on each and never closes one; where the other side
does, there is a new one half a second later.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

PATIENCE_S = 8.0
AGAIN_S = 0.5
READ_SIZE = 1 << 16

Message = Mapping[str, Any]


class Program:
    """Executes commands, from the address ``own_ip``."""

    def __init__(self, _emit: object, own_ip: str) -> None:
        self._own_ip = own_ip
        self._crowd: list[asyncio.Task[None]] = []
        self._opened = 0

    async def say(self, addr: str, openings: list[tuple[bool, str]]) -> Message:
        """Open a connection for each opening, all at once, and take what is answered."""
        heard = [self._say(addr, tls, bytes.fromhex(data)) for tls, data in openings]
        return {"heard": await asyncio.gather(*heard)}

    async def crowd(self, addr: str, tls: bool, data: str, count: int) -> Message:
        """Hold many connections from now on; returns when each was opened once."""
        stands: list[asyncio.Future[None]] = []
        for _ in range(count):
            stands.append(asyncio.get_running_loop().create_future())
            stand = self._stand(addr, tls, bytes.fromhex(data), stands[-1])
            self._crowd.append(asyncio.create_task(stand))
        await asyncio.gather(*stands)
        return {"opened": count}

    async def disperse(self) -> Message:
        """Let go of all crowds."""
        crowd, self._crowd = self._crowd, []
        for stand in crowd:
            stand.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return {"opened": self._opened}

    async def end(self) -> None:
        """Let go of all crowds."""
        await self.disperse()

    async def _say(self, addr: str, tls: bool, data: bytes) -> tuple[str, bool]:
        answer = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await self._open(addr, tls)
                writer.write(data)
                while part := await reader.read(READ_SIZE):
                    answer += part
        except OSError as error:  # TimeoutError is one
            return answer.hex(), not isinstance(error, TimeoutError)
        writer.close()
        return answer.hex(), True

    async def _stand(
        self, addr: str, tls: bool, data: bytes, opened: "asyncio.Future[None]"
    ) -> None:
        while True:
            try:
                reader, writer = await self._open(addr, tls)
                self._opened += 1
                writer.write(data)
                if not opened.done():
                    opened.set_result(None)
                while await reader.read(READ_SIZE):
                    pass
                # It stays open on this side: an orderly end is not answered.
            except OSError:
                if not opened.done():
                    opened.set_result(None)
            await asyncio.sleep(AGAIN_S)  # the pace of the flood

    async def _open(
        self, addr: str, tls: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = addr.rpartition(":")
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await asyncio.open_connection(
            host, int(port), ssl=context, local_addr=(self._own_ip, 0)
        )
