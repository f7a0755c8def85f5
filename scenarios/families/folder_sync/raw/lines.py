"""How the program refuses a command, and sends bytes to others."""

import asyncio
from collections.abc import Callable

Emit = Callable[..., None]


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A command cannot be carried out."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


async def send(
    writer: asyncio.StreamWriter, data: bytes, *, single: bool = False, gap_s: float = 0.0
) -> None:
    """Send bytes, at once or each in a segment of its own, ``gap_s`` seconds apart."""
    if not single:
        writer.write(data)
        await writer.drain()
        return
    for number in range(len(data)):
        writer.write(data[number : number + 1])
        await writer.drain()
        await asyncio.sleep(gap_s)  # the gap is what is to be sent


def host_and_port(addr: str) -> tuple[str, int]:
    """Return the parts of "IP:port"."""
    host, _, port = addr.rpartition(":")
    return host, int(port)


def text(data: bytes) -> str:
    """Return bytes as JSON can carry them: one character each."""
    return data.decode("latin-1")
