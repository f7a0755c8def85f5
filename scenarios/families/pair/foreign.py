"""A peer that is not ours, written from docs/pair-protocol.md alone; mostly hostile.

A node of its own, which command_loop.py runs with its own IP address; it imports nothing of this
project.

Its keys are made at the start; `ready` has its `fingerprint`. Commands, with their arguments and
what they give:

- `register` relay: registers, with an address at which nobody listens
- `meet` relay, fingerprint: dials a peer that has joined this one, and shakes hands; gives
  `connection`, and whether it is `higher`. Error `refused` if the other hangs up
- `frame` connection, kind, hexed: sends one frame as the protocol has it
- `announce` connection, paths, size: agrees on a journal, and announces files with these names
- `flood` connection, count: says of so many files that they are gone; `upto`: its last number
- `raw` connection, hexed: sends bytes as they are
- `block` connection, number, size, seed: sends a block

What comes are events: `frame` with `connection`, `kind` and `hex` (the first bytes), `block` with
`bytes`, `acknowledged` with `upto`, and `closed`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

PROTOCOL = 1
HELLO = struct.Struct(">4sBBH32s1568s")
DIALLING, ACCEPTING = 1, 2
CONFIRM, PING, PONG, GOODBYE, BLOCK, MESSAGE = 1, 2, 3, 4, 5, 6
BULK = 1 << 31
TAG = 16
LABEL = b"pair-cli handshake 1"
REKEY = b"pair-cli rekey 1"
BULK_PIECE = (1 << 20) - TAG
FRAMES, BYTES = 1 << 20, 1 << 30  # under one key
SHOWN = 64
AT_ONCE = 1000  # changes in an announcement of a flood

Emit = Callable[..., None]


def as_text(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def expanded(secret: bytes, info: bytes, size: int) -> bytes:
    """Return HKDF-Expand-SHA512."""
    made, last = b"", b""
    for counter in range(1, -(-size // 64) + 1):
        last = hmac.digest(secret, last + info + bytes([counter]), "sha512")
        made += last
    return made[:size]


def derived(material: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """Return HKDF-SHA512; without salt it is 64 zeros."""
    return expanded(hmac.digest(salt or bytes(64), material, "sha512"), info, size)


class Keys:
    """The lasting keys of a peer."""

    def __init__(self) -> None:
        self.x25519 = X25519PrivateKey.generate()
        self.mlkem = MLKEM1024PrivateKey.generate()
        self.x25519_public = self.x25519.public_key().public_bytes_raw()
        self.mlkem_public = self.mlkem.public_key().public_bytes_raw()
        hashed = hashlib.sha512(self.x25519_public + self.mlkem_public).digest()
        self.fingerprint = as_text(hashed)

    def registration(self, listen: str) -> str:
        """Return the blob that others find."""
        host, _, port = listen.rpartition(":")
        told = {
            "fingerprint": self.fingerprint,
            "protocol": PROTOCOL,
            "x25519": as_text(self.x25519_public),
            "mlkem1024": as_text(self.mlkem_public),
            "listen": {"ip": host, "port": int(port)},
            "addrs": [listen],
        }
        nonce = os.urandom(12)
        sealed = ChaCha20Poly1305(blob_key(self.fingerprint)).encrypt(
            nonce, json.dumps(told).encode(), None
        )
        return as_text(nonce + sealed)


def password(fingerprint: str) -> bytes:
    """Return what registrations are found and opened with."""
    return from_text(fingerprint)[:32]


def blob_key(fingerprint: str) -> bytes:
    """Return the key of a registration."""
    return derived(password(fingerprint), b"", b"keibidrop-relay-encrypt-v1", 32)


def token(fingerprint: str) -> str:
    """Return what the relay knows a peer by."""
    return as_text(derived(password(fingerprint), b"", b"keibidrop-relay-lookup-v1", 32))


class Direction:
    """The keys of one direction: each frame has its own number under a key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._renew()

    def seal(self, plain: bytes, *, bulk: bool = False) -> bytes:
        """Return a frame."""
        head = struct.pack(">I", (BULK if bulk else 0) | len(plain) + TAG)
        frame = head + self._cipher.encrypt(self._nonce(), plain, head)
        self._count(len(plain) + TAG)
        return frame

    def open(self, head: bytes, body: bytes) -> bytes:
        """Return what is in a frame. Raises InvalidTag."""
        plain = self._cipher.decrypt(self._nonce(), body, head)
        self._count(len(body))
        return plain

    def _nonce(self) -> bytes:
        return bytes(4) + struct.pack(">Q", self._frames)

    def _count(self, size: int) -> None:
        self._frames += 1
        self._bytes += size
        if self._frames >= FRAMES or self._bytes >= BYTES:
            self._renew()

    def _renew(self) -> None:
        made = expanded(self._secret, REKEY, 96)
        self._cipher, self._secret = AESGCM(made[:32]), made[32:]
        self._frames = self._bytes = 0


@dataclass
class Connection:
    """A connection after the handshake."""

    emit: Emit
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mine: Direction
    theirs: Direction

    async def next(self) -> tuple[bool, bytes]:
        """Return the next frame that comes: whether it is bulk, and its plain body."""
        head = await self.reader.readexactly(4)
        [word] = struct.unpack(">I", head)
        body = await self.reader.readexactly(word & ~BULK)
        return bool(word & BULK), self.theirs.open(head, body)

    def send(self, kind: int, payload: bytes = b"") -> None:
        """Send a frame that is not bulk."""
        self.writer.write(self.mine.seal(bytes([kind]) + payload))

    async def listen(self) -> None:
        """Tell of all that comes, and answer pings, until the end."""
        try:
            while True:
                bulk, plain = await self.next()
                if bulk:
                    self.emit("block", connection=self.number, bytes=len(plain))
                elif plain[0] == PING:
                    self.send(PONG, plain[1:])
                elif plain[0] != PONG:
                    told = {"kind": plain[0], "hex": plain[1 : 1 + SHOWN].hex()}
                    self.emit("frame", connection=self.number, **told)
                if plain[0] == MESSAGE and not bulk:
                    name, *fields = msgspec.msgpack.decode(plain[1:])
                    if name == "acknowledge":
                        self.emit("acknowledged", connection=self.number, upto=fields[0])
        except (EOFError, OSError, InvalidTag):
            self.emit("closed", connection=self.number)
            self.writer.transport.abort()


class Program:
    """Carries out commands."""

    REFUSALS: ClassVar = {OSError: "refused", EOFError: "refused", InvalidTag: "refused"}

    def __init__(self, emit: Emit, own_ip: str) -> None:
        self._emit = emit
        self._own_ip = own_ip
        self.keys = Keys()
        self.ready = {"fingerprint": self.keys.fingerprint}
        self._connections: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._announced = 0

    async def register(self, relay: str) -> dict[str, Any]:
        """Register."""
        blob = self.keys.registration(f"{self._own_ip}:9")
        body = json.dumps({"blob": blob}).encode()
        await asked(relay, "POST", "/register", token(self.keys.fingerprint), body)
        return {}

    async def meet(self, relay: str, fingerprint: str) -> dict[str, Any]:
        """Dial a peer and shake hands."""
        stored = json.loads(await asked(relay, "GET", "/fetch", token(fingerprint)))
        blob = from_text(stored["blob"])
        told = json.loads(
            ChaCha20Poly1305(blob_key(fingerprint)).decrypt(blob[:12], blob[12:], None)
        )
        host, port = told["listen"]["ip"], told["listen"]["port"]
        reader, writer = await asyncio.open_connection(host, port)
        theirs = from_text(told["x25519"]), from_text(told["mlkem1024"])
        mine, other = await self._shaken(reader, writer, *theirs)
        connection = Connection(self._emit, len(self._connections), reader, writer, mine, other)
        higher = self.keys.fingerprint > fingerprint
        if higher:
            connection.send(CONFIRM, os.urandom(16))
            answer = (await connection.next())[1]
            taken = answer == bytes([CONFIRM, 1])
        else:
            await connection.next()
            connection.send(CONFIRM, b"\1")
            taken = True
        if not taken:
            raise EOFError("another connection stays")
        self._connections.append(connection)
        task = asyncio.create_task(connection.listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {"connection": connection.number, "higher": higher}

    async def frame(self, connection: int, kind: int, hexed: str) -> dict[str, Any]:
        """Send a frame."""
        self._connections[connection].send(kind, bytes.fromhex(hexed))
        return {}

    async def announce(self, connection: int, paths: list[str], size: int) -> dict[str, Any]:
        """Announce files that are not there."""
        one = self._connections[connection]
        self._message(one, "agree", os.urandom(16), len(paths), b"", 0)
        changes = [_change(path, size, clock) for clock, path in enumerate(paths, 1)]
        self._message(one, "announce", 0, len(paths), changes)
        self._announced = len(paths)
        return {}

    async def flood(self, connection: int, count: int) -> dict[str, Any]:
        """Announce many changes."""
        one = self._connections[connection]
        for begin in range(0, count, AT_ONCE):
            changes = [
                _change(f"flood/{n}", 1, n + 1, live=False) for n in range(begin, begin + AT_ONCE)
            ]
            upto = self._announced + AT_ONCE
            self._message(one, "announce", self._announced, upto, changes)
            self._announced = upto
            await one.writer.drain()
        return {"upto": self._announced}

    def _message(self, connection: Connection, *fields: Any) -> None:
        connection.send(MESSAGE, msgspec.msgpack.encode(fields))

    async def raw(self, connection: int, hexed: str) -> dict[str, Any]:
        """Send bytes."""
        self._connections[connection].writer.write(bytes.fromhex(hexed))
        return {}

    async def block(self, connection: int, number: int, size: int, seed: int) -> dict[str, Any]:
        """Send a block of noise."""
        one = self._connections[connection]
        one.send(BLOCK, struct.pack(">II", number, size))
        content = random.Random(seed).randbytes(size)  # noqa: S311 - not for secrets
        for begin in range(0, size, BULK_PIECE):
            one.writer.write(one.mine.seal(content[begin : begin + BULK_PIECE], bulk=True))
            await one.writer.drain()
        return {}

    async def _shaken(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        x25519: bytes,
        mlkem1024: bytes,
    ) -> tuple[Direction, Direction]:
        """Return the keys of both directions."""
        fresh = X25519PrivateKey.generate()
        to_them, sent = MLKEM1024PublicKey.from_public_bytes(mlkem1024).encapsulate()
        hello = HELLO.pack(
            b"PAIR", PROTOCOL, DIALLING, 0, fresh.public_key().public_bytes_raw(), sent
        )
        writer.write(hello)
        answer = await reader.readexactly(HELLO.size)
        magic, version, role, _, their_fresh, ciphertext = HELLO.unpack(answer)
        assert (magic, version, role) == (b"PAIR", PROTOCOL, ACCEPTING), answer[:8]
        to_me = self.keys.mlkem.decapsulate(ciphertext)
        lasting, their_fresh_key = (
            X25519PublicKey.from_public_bytes(key) for key in (x25519, their_fresh)
        )
        mine = self.keys.x25519_public + self.keys.mlkem_public
        transcript = hashlib.sha512(LABEL + mine + hello + x25519 + mlkem1024 + answer).digest()
        secrets = derived(
            to_them
            + fresh.exchange(lasting)
            + to_me
            + self.keys.x25519.exchange(their_fresh_key)
            + fresh.exchange(their_fresh_key),
            transcript, LABEL, 128,
        )  # fmt: skip
        return Direction(secrets[:64]), Direction(secrets[64:])


def _change(path: str, size: int, clock: int, *, live: bool = True) -> list[Any]:
    """Return a change: path, live, folder, yours, size, mtime, mode, root, clock, moved."""
    root = os.urandom(32) if live else b""
    return [path, live, False, False, size if live else 0, 0, 0o644 if live else 0, root, clock, ""]


async def asked(addr: str, method: str, path: str, bearer: str, body: bytes = b"") -> bytes:
    """Ask a relay and return the body of its answer."""
    host, _, port = addr.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {bearer}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode() + body
    )  # fmt: skip
    head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    if int(head.split()[1]) >= 400:
        raise EOFError(f"the relay answered {head.split()[1].decode()}")
    return content
