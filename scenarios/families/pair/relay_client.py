"""A client of the relay that is not a peer: honest, guessing, or out of its mind.

A node of its own, written from the description of the relay's requests alone, which command_loop.py
runs with its own IP address; it imports nothing of this project.

Commands, with their arguments and what they give:

- `ask` addr, method, path, token (null: none), scheme, body, headers: `status`, `headers`, `body`
- `giant` addr, token, size: registers a blob of so many characters; `status`
- `guess` addr, count, seed: fetches with so many random tokens; `statuses` with their numbers, and
  the `headers` of the last answer
- `fill` addr, count, seed: registers so many entries; `statuses` with their numbers
- `stays` addr, token, seconds: fetches an entry again and again for so long: the last `status`

All its connections come from its own address.
"""

import asyncio
import base64
import json
import random
import time
from collections import Counter
from typing import Any, ClassVar

FETCHES_EVERY_S = 0.1


class Program:
    """Carries out commands, from the address ``own_ip``."""

    REFUSALS: ClassVar = {OSError: "failed", EOFError: "failed"}

    def __init__(self, _emit: object, own_ip: str) -> None:
        self._own_ip = own_ip

    async def ask(
        self,
        addr: str,
        method: str,
        path: str,
        token: str | None = None,
        scheme: str = "Bearer",
        body: str = "",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make one request on a connection of its own."""
        reader, writer = await self._connect(addr)
        given = dict(headers or {})
        if token is not None:
            given["Authorization"] = f"{scheme} {token}"
        writer.write(request(addr, method, path, given, body.encode()))
        status, answered, content = await answer(reader)
        writer.close()
        return {"status": status, "headers": answered, "body": content.decode(errors="replace")}

    async def giant(self, addr: str, token: str, size: int) -> dict[str, Any]:
        """Register a blob of some size."""
        body = json.dumps({"blob": "A" * size})
        told = await self.ask(addr, "POST", "/register", token, body=body)
        return {"status": told["status"]}

    async def guess(self, addr: str, count: int, seed: int) -> dict[str, Any]:
        """Fetch what nobody registered, as fast as it goes."""
        return await self._many(addr, "GET", "/fetch", "", count, seed)

    async def fill(self, addr: str, count: int, seed: int) -> dict[str, Any]:
        """Register, as fast as it goes."""
        return await self._many(addr, "POST", "/register", '{"blob": "AAAA"}', count, seed)

    async def stays(self, addr: str, token: str, seconds: float) -> dict[str, Any]:
        """Fetch for a while, or until it is gone."""
        until = time.monotonic() + seconds
        while True:
            status = (await self.ask(addr, "GET", "/fetch", token))["status"]
            if status != 200 or time.monotonic() > until:
                return {"status": status}
            await asyncio.sleep(FETCHES_EVERY_S)

    async def _many(
        self, addr: str, method: str, path: str, body: str, count: int, seed: int
    ) -> dict[str, Any]:
        reader, writer = await self._connect(addr)
        statuses: Counter[int] = Counter()
        headers: dict[str, str] = {}
        chance = random.Random(seed)  # noqa: S311 - guesses
        for _ in range(count):
            token = base64.urlsafe_b64encode(chance.randbytes(32)).rstrip(b"=").decode()
            given = {"Authorization": f"Bearer {token}"}
            writer.write(request(addr, method, path, given, body.encode(), keep=True))
            status, headers, _ = await answer(reader)
            statuses[status] += 1
            if headers.get("connection") == "close":
                writer.close()
                reader, writer = await self._connect(addr)
        writer.close()
        return {"statuses": {str(one): n for one, n in statuses.items()}, "headers": headers}

    async def _connect(self, addr: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = addr.rpartition(":")
        return await asyncio.open_connection(
            host.strip("[]"), int(port), local_addr=(self._own_ip, 0)
        )


def request(
    addr: str, method: str, path: str, headers: dict[str, str], body: bytes, *, keep: bool = False
) -> bytes:
    """Return the bytes of a request of HTTP/1.1."""
    given = {"Host": addr, "Connection": "keep-alive" if keep else "close", **headers}
    if body:
        given["Content-Type"] = "application/json"
    given["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read an answer: status, headers in lower case, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = int(head[0].split()[1])
    size = int(headers.get("content-length", 0))
    return status, headers, await reader.readexactly(size)
