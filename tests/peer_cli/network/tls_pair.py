"""Two ends of a real connection on loopback, and a peer that breaks the handshake's rules."""

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from network.certificate import client_tls, self_signed, server_tls
from network.handshake import LocalParty, RemoteParty
from network.identity import load_or_create
from peer_cli.network import wire
from peer_cli.peer import PROTOCOL

TIMEOUT_S = 10.0

_T = TypeVar("_T")


def run(scenario: Callable[[], Awaitable[_T]]) -> _T:
    """Run a scenario on a loop of its own; one that hangs fails."""

    async def limited() -> _T:
        async with asyncio.timeout(TIMEOUT_S):
            return await scenario()

    return asyncio.run(limited())


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, message: wire.Message) -> None:
        self.writer.write(wire.encode_frame(message))

    async def receive(self) -> wire.HandshakeMessage:
        return (await wire.read_handshake_message(self.reader))[0]

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        with contextlib.suppress(OSError):
            return await self.reader.read()
        return b""


@contextlib.asynccontextmanager
async def connected(
    server: ssl.SSLContext | None, client: ssl.SSLContext | None
) -> AsyncIterator[tuple[End, End]]:
    """Yield (connecting, accepting) of a connection on loopback, with or without TLS."""
    accepted: asyncio.Future[End] = asyncio.get_running_loop().create_future()
    listening = await asyncio.start_server(
        lambda reader, writer: accepted.set_result(End(reader, writer)),
        "127.0.0.1",
        0,
        ssl=server,
    )
    port = listening.sockets[0].getsockname()[1]
    connecting = End(*await asyncio.open_connection("127.0.0.1", port, ssl=client))
    ends = connecting, await accepted
    try:
        yield ends
    finally:
        for end in ends:
            end.writer.transport.abort()
        listening.close()


@contextlib.asynccontextmanager
async def tls_pair(accepting: LocalParty) -> AsyncIterator[tuple[End, End]]:
    async with connected(tls_of(accepting), client_tls()) as ends:
        yield ends


def make_party(folder: Path, name: str, port: int = 4000, swarm_key: bytes = b"") -> LocalParty:
    state_dir = folder / name
    state_dir.mkdir(exist_ok=True)
    identity = load_or_create(state_dir)
    return LocalParty(PROTOCOL, identity, name, port, swarm_key, self_signed(identity.private_key))


def tls_of(party: LocalParty) -> ssl.SSLContext:
    """The context with which a party accepts."""
    return server_tls(party.certificate)


def hello_of(party: LocalParty) -> wire.Hello:
    return wire.Hello(
        protocol=2,
        public_key=party.identity.public_key,
        nonce=bytes(32),
        name=party.name,
        port=party.port,
    )


def frame_of_hello(hello: wire.Hello) -> bytes:
    """The frame as docs/wire-protocol.md words it, without the peer's own encoder."""
    payload = msgspec.msgpack.encode(
        {
            "type": "hello",
            "protocol": hello.protocol,
            "public_key": hello.public_key,
            "nonce": hello.nonce,
            "name": hello.name,
            "port": hello.port,
        }
    )
    return len(payload).to_bytes(4, "big") + payload


def proof_of(
    party: LocalParty,
    connecting: wire.Hello,
    accepting: wire.Hello,
    certificate: bytes,
    role: str,
) -> wire.Proof:
    """The proof as docs/wire-protocol.md words it, without the peer's own code."""

    def sha(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    transcript = sha(
        b"lan-spread handshake 2 "
        + role.encode()
        + b"\0"
        + sha(frame_of_hello(connecting))
        + sha(frame_of_hello(accepting))
        + sha(sha(certificate))
    )
    return wire.Proof(
        signature=party.identity.sign(transcript),
        swarm=hmac.new(party.swarm_key, transcript, "sha256").digest(),
    )


async def admit_all(_: RemoteParty) -> None:
    """Let everybody in who has proven himself."""


def certificate_seen_by(end: End) -> bytes:
    """The certificate (DER) that the accepting side showed to this connecting end."""
    certificate: bytes = end.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return certificate


def claiming(thief: LocalParty, owner: LocalParty) -> LocalParty:
    """A party that shows the owner's public key, but can only sign with its own."""
    stolen = thief.identity._replace(public_key=owner.identity.public_key)
    return replace(thief, identity=stolen)
