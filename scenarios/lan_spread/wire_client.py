"""A raw client of the wire protocol (docs/wire-protocol.md): asks what no honest peer would ask.

A program of its own that speaks CONTRACT section 1 on stdin and stdout, so that it runs as a node
beside the peers. It imports nothing of this project: it is a second, independent reading of the
protocol, and runs wherever Python, msgspec and cryptography are.

    python wire_client.py OWN-IP

| command | arguments | data of the result |
|---|---|---|
| `dial` | `addr`, `public_key` (hex; default: the own one) | `session`, `peer_id`, `public_key` |
| `library` | `session` | `games`: what was advertised last |
| `get-manifest` | `session`, `game_id` | `version`, `files` |
| `open-transfer` | `session`, `game_id`, `version`, `ranges` | `ticket` (hex) |
| `redeem` | `addr`, `ticket` (hex) | `received` bytes, their `sha256` (hex) |
| `shutdown` | | |

What the peer denies becomes an error reply with the peer's own code; `other-protocol` is the code
for whoever is there but does not answer with a hello. Presenting another one's public key, the
client signs with its own private key, since it has no other.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import secrets
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PROTOCOL = 1
LARGEST_FRAME = 32 << 20
PING_EVERY_S = 1.0
ANSWER_S = 10.0
HELLO_S = 3.0  # for TLS and again for the hello: both together before the scenario gives up
READ_SIZE = 1 << 20
# It does not listen; a peer that called back would be refused.
PORT = 1

Message = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - reads as an answer, which it is
    """The command has an error reply. `code` is kebab-case; the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Session:
    """A control session whose handshake is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.games: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._reader, self._writer = reader, writer
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}

    async def run(self) -> None:
        """Read until the session ends; whoever still waits for an answer is told."""
        pinging = asyncio.create_task(self._ping())
        try:
            while True:
                self._take(decode(await read_frame(self._reader)))
        except (OSError, EOFError, Refused):
            pass
        finally:
            pinging.cancel()
            self._writer.close()
            unanswered: list[asyncio.Future[Any]] = [self.games, *self._answers.values()]
            for waiting in unanswered:
                if not waiting.done():
                    waiting.set_exception(Refused("session-lost", "The peer ended the session."))
                    waiting.exception()  # nobody needs to have waited

    async def ask(self, kind: str, **fields: Any) -> Message:
        """Send a request and return its answer. Raises Refused."""
        request = next(self._requests)
        self._answers[request] = asyncio.get_running_loop().create_future()
        self._writer.write(frame({"type": kind, "request": request, **fields}))
        try:
            answer = await asyncio.wait_for(self._answers[request], ANSWER_S)
        except TimeoutError:
            raise Refused("no-answer", f"No answer to {kind} within {ANSWER_S:g} s.") from None
        if answer["type"] == "denied":
            raise Refused(str(answer["code"]), str(answer["reason"]))
        return answer

    def say_goodbye(self) -> None:
        """Leave on purpose."""
        self._writer.write(frame({"type": "goodbye"}))
        self._writer.close()

    def _take(self, message: Message) -> None:
        if message["type"] == "library":
            if self.games.done():
                self.games = asyncio.get_running_loop().create_future()
            self.games.set_result(message["games"])
        elif message["type"] in ("manifest", "ticket", "denied"):
            waiting = self._answers.get(message["request"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def _ping(self) -> None:
        while True:
            self._writer.write(frame({"type": "ping"}))
            await asyncio.sleep(PING_EVERY_S)  # the protocol's pace


class Client:
    """Carries out commands, from the address ``own_ip``."""

    def __init__(self, own_ip: str) -> None:
        self._own_ip = own_ip
        self._key = Ed25519PrivateKey.generate()
        self._sessions: list[Session] = []
        self._running: list[asyncio.Task[None]] = []

    async def dial(self, addr: str, public_key: str = "") -> Message:
        """Shake hands, honestly or with another one's public key. Raises Refused."""
        key = bytes.fromhex(public_key) or self._key.public_key().public_bytes_raw()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            reader, writer = await self._connect(addr, context)
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
            raise other_protocol(f"it does not begin TLS: {error!r}") from error
        except OSError as error:
            raise Refused("unreachable", f"{addr}: {error}") from error
        try:
            theirs = await shake_hands(reader, writer, self._key, key)
        except (EOFError, OSError) as error:
            writer.close()
            raise Refused("closed", f"{addr} ended the handshake: {error}") from error
        except Refused:
            writer.close()
            raise
        session = Session(reader, writer)
        self._sessions.append(session)
        self._running.append(asyncio.create_task(session.run()))
        return {
            "session": len(self._sessions) - 1,
            "peer_id": peer_id_of(theirs),
            "public_key": theirs.hex(),
        }

    async def library(self, session: int) -> Message:
        """Return the games that the peer advertised last, waiting for the first time."""
        async with asyncio.timeout(ANSWER_S):
            return {"games": await asyncio.shield(self._sessions[session].games)}

    async def get_manifest(self, session: int, game_id: str) -> Message:
        """Ask what files a game has. Raises Refused."""
        answer = await self._sessions[session].ask("get-manifest", game_id=game_id)
        files = [
            {**file, "blocks": [block.hex() for block in file["blocks"]]}
            for file in answer["files"]
        ]
        return {"version": answer["version"], "files": files}

    async def open_transfer(
        self, session: int, game_id: str, version: str, ranges: list[Message]
    ) -> Message:
        """Ask for a ticket to `ranges` [{path, offset, length}]. Raises Refused."""
        answer = await self._sessions[session].ask(
            "open-transfer", game_id=game_id, version=version, ranges=ranges
        )
        return {"ticket": answer["ticket"].hex()}

    async def redeem(self, addr: str, ticket: str) -> Message:
        """Show a ticket and read until the other side closes. Raises Refused."""
        received, digest = 0, hashlib.sha256()
        try:
            reader, writer = await self._connect(addr, None)
        except OSError as error:
            raise Refused("unreachable", f"{addr}: {error}") from error
        try:
            writer.write(b"LSD1" + bytes.fromhex(ticket))
            while data := await asyncio.wait_for(reader.read(READ_SIZE), ANSWER_S):
                received += len(data)
                digest.update(data)
        except TimeoutError:
            raise Refused("no-end", f"{received} bytes came, and then nothing.") from None
        except ConnectionResetError:
            pass  # closed is closed
        finally:
            writer.close()
        return {"received": received, "sha256": digest.hexdigest()}

    async def leave(self) -> None:
        """Say goodbye to all and wait until they are gone."""
        for session, running in zip(self._sessions, self._running, strict=True):
            if not running.done():
                session.say_goodbye()
        if self._running:
            await asyncio.wait(self._running, timeout=ANSWER_S)

    async def _connect(
        self, addr: str, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = addr.rpartition(":")
        # Tickets are bound to the address of the session that they were issued over.
        return await asyncio.open_connection(
            host,
            int(port),
            ssl=context,
            ssl_handshake_timeout=HELLO_S if context else None,
            local_addr=(self._own_ip, 0),
        )


async def shake_hands(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    signing_key: Ed25519PrivateKey,
    public_key: bytes,
) -> bytes:
    """Carry out the connecting side; return the other's proven public key.

    Raises Refused, EOFError and OSError.
    """
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    ours = frame(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "public_key": public_key,
            "nonce": secrets.token_bytes(32),
            "name": "raw client",
            "port": PORT,
        }
    )
    writer.write(ours)
    try:
        theirs = await asyncio.wait_for(read_frame(reader), HELLO_S)
        decode(theirs)
    except (EOFError, OSError, TimeoutError, Refused, msgspec.DecodeError) as error:
        raise other_protocol(f"no hello came: {error!r}") from error
    hello = expect("hello", theirs)
    seen = (ours, len(theirs).to_bytes(4, "big") + theirs, hashlib.sha256(certificate).digest())
    proof = expect("proof", await read_frame(reader))
    accepting = transcript("accepting", *seen)
    try:
        Ed25519PublicKey.from_public_bytes(hello["public_key"]).verify(
            proof["signature"], accepting
        )
    except InvalidSignature:
        raise Refused("bad-proof", "The peer does not hold the key that it presents.") from None
    if proof["swarm"] != hmac.digest(b"", accepting, "sha256"):
        raise Refused("wrong-swarm", "The peer is in a swarm with a key.")
    connecting = transcript("connecting", *seen)
    signature = signing_key.sign(connecting)
    swarm = hmac.digest(b"", connecting, "sha256")
    writer.write(frame({"type": "proof", "signature": signature, "swarm": swarm}))
    expect("welcome", await read_frame(reader))
    return bytes(hello["public_key"])


def transcript(role: str, connecting: bytes, accepting: bytes, certificate: bytes) -> bytes:
    """Return what `role` signs: over both hellos' frames and the certificate's SHA-256."""
    digest = hashlib.sha256(f"lan-spread handshake 1 {role}\0".encode())
    for part in (connecting, accepting, certificate):
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def peer_id_of(public_key: bytes) -> str:
    """Return the id of the owner of a public key."""
    return base64.b32encode(hashlib.sha256(public_key).digest()[:20]).decode().lower()


def frame(message: Message) -> bytes:
    """Return a message as it is sent."""
    payload = msgspec.msgpack.encode(message)
    return len(payload).to_bytes(4, "big") + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of the next frame. Raises EOFError, OSError and Refused."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > LARGEST_FRAME:
        raise Refused("bad-frame", f"The peer sent a frame of {length} bytes.")
    return await reader.readexactly(length)


def other_protocol(why: str) -> Refused:
    """Return what is said of somebody who is there, but shakes no hands."""
    return Refused("other-protocol", f"It does not speak docs/wire-protocol.md: {why}")


def decode(payload: bytes) -> Message:
    """Return the message of a frame. Raises Refused."""
    message = msgspec.msgpack.decode(payload)
    if not isinstance(message, dict) or "type" not in message:
        raise Refused("bad-frame", f"The peer sent what is no message: {message!r}")
    return message


def expect(kind: str, payload: bytes) -> Message:
    """Return the message of a frame if it is of that kind. Raises Refused."""
    message = decode(payload)
    if message["type"] == "refused":
        raise Refused(str(message["code"]), str(message["reason"]))
    if message["type"] != kind:
        raise Refused("bad-frame", f"The peer sent {message['type']} where {kind} was due.")
    return message


async def main(own_ip: str) -> None:
    """Take commands from stdin until `shutdown` or its end."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    client = Client(own_ip)
    commands: Mapping[str, Callable[..., Awaitable[Message]]] = {
        "dial": client.dial,
        "library": client.library,
        "get-manifest": client.get_manifest,
        "open-transfer": client.open_transfer,
        "redeem": client.redeem,
    }
    say({"type": "event", "event": "ready", "seq": 0, "ts": time.time(), "data": {}})
    while line := await lines.readline():
        request = json.loads(line)
        name, request_id = request.pop("cmd"), request.pop("id", None)
        if name == "shutdown":
            say({"type": "result", "id": request_id, "data": {}})
            break
        try:
            if name not in commands:
                raise Refused("unknown-command", f"There is no command {name!r}.")
            data = await commands[name](**request)
        except Refused as error:
            text = {"error": str(error), "code": error.code}
            say({"type": "error", "id": request_id, **text})
        else:
            say({"type": "result", "id": request_id, "data": data})
    await client.leave()


def say(message: Message) -> None:
    """Write one line."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
