"""A stranger that floods a peer from one address until its stdin ends (see benchmarks.floods).

python -m benchmarks.flooder KIND OWN-IP ADDR GAME VERSION PATH SIZE
"""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from scenarios.families.lan_spread.raw.client import Client
from scenarios.families.lan_spread.raw.frames import Refused

IDENTITIES = 8
AT_ONCE = 16  # pending requests per session
BURST = 300
RANGES = 1024


class Flooder:
    """Floods in one of several ways."""

    def __init__(self, own_ip: str, addr: str, game: str, version: str, whole: Any) -> None:
        self._own_ip, self._addr = own_ip, addr
        self._game, self._version, self._whole = game, version, whole

    async def slow_readers(self, client: Client) -> None:
        """Hold every transfer that it gets, by reading a byte per second."""
        while True:
            if not await self._read(client, 1.0):
                await asyncio.sleep(0.2)

    async def redeems(self, client: Client) -> None:
        """Redeem as many tickets at once as it gets, without reading."""
        await asyncio.gather(*(self._read(client, None) for _ in range(BURST // IDENTITIES)))
        await asyncio.Event().wait()

    async def ranges(self, client: Client) -> None:
        """Keep requesting a thousand ranges."""
        few = [{**self._whole, "length": 1}] * RANGES
        await self._again_and_again(client, few)

    async def tickets(self, client: Client) -> None:
        """Request tickets and redeem none."""
        await self._again_and_again(client, [self._whole])

    async def _again_and_again(self, client: Client, ranges: list[Any]) -> None:
        async def ask() -> None:
            while True:
                with contextlib.suppress(Refused):
                    await client.open_transfer(0, self._game, self._version, ranges)

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    async def _read(self, client: Client, every_s: float | None) -> bool:
        """Redeem a ticket and read a byte at intervals, or none; tell whether it got one."""
        try:
            answer = await client.open_transfer(0, self._game, self._version, [self._whole])
        except Refused:
            return False
        host, _, port = self._addr.rpartition(":")
        reader, writer = await asyncio.open_connection(
            host, int(port), limit=1, local_addr=(self._own_ip, 0)
        )
        writer.write(b"LSD1" + bytes.fromhex(answer["ticket"]))
        if every_s is None:
            await asyncio.Event().wait()
        with contextlib.suppress(OSError):
            while every_s is not None and await sip(reader, every_s):
                pass
        writer.close()
        return True


async def sip(reader: asyncio.StreamReader, after_s: float) -> bytes:
    """Read a byte after a delay, which is the attack; returns nothing at the end."""
    await asyncio.sleep(after_s)
    return await reader.read(1)


async def main(kind: str, own_ip: str, addr: str, game: str, version: str, *file: str) -> None:
    """Flood until stdin ends; print a line once the flood runs."""
    whole = {"path": file[0], "offset": 0, "length": int(file[1])}
    flooder = Flooder(own_ip, addr, game, version, whole)
    ways: dict[str, Callable[[Client], Awaitable[None]]] = {
        "slow-readers": flooder.slow_readers,
        "redeems": flooder.redeems,
        "ranges": flooder.ranges,
        "tickets": flooder.tickets,
    }
    clients = [Client(own_ip) for _ in range(IDENTITIES)]  # each with its own session
    for client in clients:
        await client.dial(addr)
    flooding = [asyncio.ensure_future(ways[kind](client)) for client in clients]
    print("flooding", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for each in flooding:
        each.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
