"""A man in the middle: a relay that lies, and a wire that is cut, changed, recorded and replayed.

A node of its own, written from the description of the relay's requests and of the peers' protocol
alone, which command_loop.py runs with its own IP address; it imports nothing of this project.

Commands, with their arguments and what they give:

- `relay` upstream: `addr`, at which it passes requests on to a relay, and answers back
- `swap` fingerprint, what: from now on the registration of this peer, whose fingerprint has been
  leaked, is changed on its way to others. What is `address`: a wire of this node in place of its
  addresses; `mirror`: one that says what it hears; `keys`: other keys; `identity`: other keys with
  their own fingerprint; `blob`: noise in place of the registration
- `token` fingerprint: `token`, under which that peer registers
- `wire` upstream: `addr`, at which it passes bytes on to a peer in both directions
- `lead` upstream, addr: from now on the wire to this peer is another program's
- `cut`: ends all connections of wires; `dead` on: whether wires are cut at once
- `mute` on: whether wires stay open and pass nothing on
- `tell-at` counts, cut, dead: event `passed` when so many bytes more have come through, of both
  directions, and then again for the next count; with cut, all wires end at that byte each time, and
  with dead they are dead from the first time on
- `alter` at: changes one byte, at this place of what the side that dials says, in all connections
  from now on (null: no more)
- `recorded`: `sizes` of what was said at each connection, by the one who dialled and by the other
- `passed`: `bytes` in both directions, of all connections
- `replay` addr, connection: says to a peer what its dialler said once; `answered` bytes, `closed`
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

PIECE = 1 << 16
PATIENCE_S = 15.0
NONCE = 12  # bytes before what is sealed

Emit = Callable[..., None]


@dataclass
class Said:
    """What was said at one connection of a wire."""

    by_dialler: bytearray = field(default_factory=bytearray)
    by_listener: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Swap:
    """What to do with the registration of one peer."""

    fingerprint: str
    what: str

    @property
    def token(self) -> str:
        """Return the token under which it registers."""
        return as_text(derived(self.fingerprint, b"keibidrop-relay-lookup-v1"))

    @property
    def key(self) -> bytes:
        """Return the key of its registration."""
        return derived(self.fingerprint, b"keibidrop-relay-encrypt-v1")


def derived(fingerprint: str, info: bytes) -> bytes:
    """Return 32 bytes that HKDF-SHA512 without salt derives from a fingerprint's password."""
    password = from_text(fingerprint)[:32]
    extracted = hmac.digest(bytes(64), password, "sha512")
    return hmac.digest(extracted, info + b"\1", "sha512")[:32]


def as_text(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Program:
    """Carries out commands, at the address ``own_ip``."""

    def __init__(self, emit: Emit, own_ip: str) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self._swaps: list[Swap] = []
        self._wires: dict[str, str] = {}  # by the address that they lead to
        self._said: list[Said] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dead = False
        self._counts: list[int] = []  # bytes until it tells, each time
        self._cuts = self._dies = False
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._alter_at: int | None = None

    async def relay(self, upstream: str) -> dict[str, Any]:
        """Pass requests on."""
        return {"addr": await self._serve(lambda *ends: self._requests(upstream, *ends))}

    async def wire(self, upstream: str) -> dict[str, Any]:
        """Pass bytes on."""
        if upstream not in self._wires:
            self._wires[upstream] = await self._serve(lambda *ends: self._pass(upstream, *ends))
        return {"addr": self._wires[upstream]}

    async def lead(self, upstream: str, addr: str) -> dict[str, Any]:
        """Let somebody else pass bytes on to a peer."""
        self._wires[upstream] = addr
        return {}

    async def swap(self, fingerprint: str, what: str) -> dict[str, Any]:
        """Change a registration on its way."""
        self._swaps = [one for one in self._swaps if one.fingerprint != fingerprint]
        self._swaps.append(Swap(fingerprint, what))
        return {}

    async def token(self, fingerprint: str) -> dict[str, Any]:
        """Tell what the relay knows a peer by."""
        return {"token": Swap(fingerprint, "").token}

    async def cut(self) -> dict[str, Any]:
        """End all connections of wires."""
        while self._open:
            self._open.pop().transport.abort()
        return {}

    async def dead(self, on: bool) -> dict[str, Any]:
        """Cut now and at once, or no more."""
        self._dead = on
        return await self.cut() if on else {}

    async def mute(self, on: bool) -> dict[str, Any]:
        """Pass nothing on, or go on."""
        if on:
            self._speaks.clear()
        else:
            self._speaks.set()
        return {}

    async def tell_at(self, counts: list[int], cut: bool, dead: bool = False) -> dict[str, Any]:
        """Tell later, and cut."""
        self._counts, self._cuts, self._dies = counts, cut, dead
        return {}

    async def alter(self, at: int | None) -> dict[str, Any]:
        """Change a byte of each connection."""
        self._alter_at = at
        return {}

    async def recorded(self) -> dict[str, Any]:
        """Tell how much was said."""
        return {"sizes": [[len(one.by_dialler), len(one.by_listener)] for one in self._said]}

    async def passed(self) -> dict[str, Any]:
        """Tell how much has passed."""
        return {"bytes": sum(len(one.by_dialler) + len(one.by_listener) for one in self._said)}

    async def replay(self, addr: str, connection: int) -> dict[str, Any]:
        """Say what was said before."""
        reader, writer = await asyncio.open_connection(*place(addr))
        writer.write(self._said[connection].by_dialler)
        return await heard(reader, writer)

    async def _serve(self, work: Any) -> str:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(one(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError):  # an end is gone, and so is the other one
                await work(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(accept, self._own_ip, 0)
        return f"{self._own_ip}:{server.sockets[0].getsockname()[1]}"

    async def _pass(
        self, upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._dead:
            return
        said = Said()
        self._said.append(said)
        far_reader, far_writer = await asyncio.open_connection(*place(upstream))
        self._open |= {writer, far_writer}
        self._emit("wired", to=upstream)
        try:
            await first_of(
                self._pump(reader, far_writer, said.by_dialler, self._alter_at),
                self._pump(far_reader, writer, said.by_listener, None),
            )
        finally:
            await self._speaks.wait()  # a mute wire does not tell of an end either
            self._open -= {writer, far_writer}
            far_writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        said: bytearray,
        alter_at: int | None,
    ) -> None:
        while data := await reader.read(PIECE):
            await self._speaks.wait()
            if alter_at is not None and len(said) <= alter_at < len(said) + len(data):
                changed = bytearray(data)
                changed[alter_at - len(said)] ^= 1
                data = bytes(changed)
            there = bool(self._counts) and len(data) >= self._counts[0]
            if there:
                left = self._counts.pop(0)
                data = data[:left] if self._cuts else data
            elif self._counts:
                self._counts[0] -= len(data)
            said += data
            writer.write(data)
            await writer.drain()
            if there:
                self._emit("passed", cut=self._cuts)
                if self._cuts:
                    self._dead = self._dies
                    await self.cut()
                    return

    async def _requests(
        self, upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass the requests of one connection on, each on a connection of its own."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            headers = parsed(head)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            far_reader, far_writer = await asyncio.open_connection(*place(upstream))
            far_writer.write(head + body)
            if "upgrade" in headers:
                await first_of(plain(reader, far_writer), plain(far_reader, writer))
                return
            answered = await far_reader.readuntil(b"\r\n\r\n")
            content = await far_reader.readexactly(int(parsed(answered).get("content-length", 0)))
            far_writer.close()
            request = head.split(b"\r\n")[0].decode()
            self._emit("asked", request=request, status=status(answered))
            swap = self._wanted(head, headers)
            if swap and status(answered) == 200:
                content = await self._swapped(swap, content)
                answered = with_length(answered, len(content))
            writer.write(answered + content)

    def _wanted(self, head: bytes, headers: dict[str, str]) -> Swap | None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        fetches = head.startswith(b"GET /fetch")
        return next((one for one in self._swaps if fetches and one.token == token), None)

    async def _swapped(self, swap: Swap, content: bytes) -> bytes:
        stored = json.loads(content)
        blob = from_text(stored["blob"])
        if swap.what == "blob":
            stored["blob"] = as_text(os.urandom(len(blob)))
        else:
            told = opened(blob, swap.key)
            if told is None:  # a squatter's: it is passed on as it is
                return content
            await self._changed(told, swap.what)
            nonce, text = os.urandom(NONCE), json.dumps(told).encode()
            sealed = ChaCha20Poly1305(swap.key).encrypt(nonce, text, None)
            stored["blob"] = as_text(nonce + sealed)
        self._emit("swapped", what=swap.what)
        return json.dumps(stored).encode()

    async def _changed(self, told: dict[str, Any], what: str) -> None:
        """Change a registration."""
        if what in ("address", "mirror"):
            upstream = f"{told['listen']['ip']}:{told['listen']['port']}"
            mirrors = what == "mirror"
            addr = await self._serve(plain) if mirrors else (await self.wire(upstream))["addr"]
            host, port = place(addr)
            told["listen"], told["addrs"] = {"ip": host, "port": port}, [addr]
            return
        x25519 = os.urandom(32)
        mlkem1024 = MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()
        told["x25519"], told["mlkem1024"] = as_text(x25519), as_text(mlkem1024)
        if what == "identity":
            told["fingerprint"] = as_text(hashlib.sha512(x25519 + mlkem1024).digest())


def opened(blob: bytes, key: bytes) -> dict[str, Any] | None:
    """Return a registration; None if this key does not open it."""
    if len(blob) < NONCE:
        return None
    try:
        text = ChaCha20Poly1305(key).decrypt(blob[:NONCE], blob[NONCE:], None)
    except InvalidTag:
        return None
    return dict(json.loads(text))


def parsed(head: bytes) -> dict[str, str]:
    """Return headers, their names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


def status(head: bytes) -> int:
    """Return the status of an answer."""
    return int(head.split()[1])


def with_length(head: bytes, length: int) -> bytes:
    """Return the head of an answer for a body of another length."""
    lines = head.decode("latin-1").split("\r\n")
    kept = [line for line in lines if not line.lower().startswith("content-length:")]
    kept[1:1] = [f"Content-Length: {length}"]
    return "\r\n".join(kept).encode("latin-1")


def place(addr: str) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = addr.rpartition(":")
    return host.strip("[]"), int(port)


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on in one direction."""
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()


async def first_of(*work: Any) -> None:
    """Return when the first is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any]:
    """Listen until the other side closes, or for a while."""
    answered, closed = 0, False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(OSError):
                while data := await reader.read(PIECE):
                    answered += len(data)
            closed = True
    writer.transport.abort()
    return {"answered": answered, "closed": closed}
