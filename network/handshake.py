"""The mutual handshake of a control session, inside TLS 1.3.

TLS encrypts. Signatures over a transcript prove who is who. The transcript holds both hellos (keys
and fresh nonces) and the fingerprint of the TLS certificate. The fingerprint binds the proof to
this session: a man in the middle would have to present the accepting side's certificate, but lacks
its key. (Channel binding "tls-server-end-point", RFC 5929.) The certificate itself is self-signed
and not trusted otherwise.

The connecting side proves itself first, so a stranger who connects gets nothing made with the
swarm key. A stranger who is connected to does get a MAC, but cannot guess the key from it, because
swarm keys are too long for that (see swarm_key).
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from headless.errors import CodedError
from network.certificate import Certificate
from network.frames import (
    Bytes32,
    Bytes64,
    Message,
    Name,
    Sentence,
    WireError,
    clean,
    decode,
    encode_frame,
    read_frame,
)
from network.identity import Identity, peer_id_of, verify

HANDSHAKE_TIMEOUT_S = 5.0

Role: TypeAlias = Literal["connecting", "accepting"]


class Hello(Message, frozen=True, tag="hello"):
    """The first message of each side. `port` is where the sender listens (TCP)."""

    protocol: int
    public_key: Bytes32
    nonce: Bytes32
    name: Name
    port: Annotated[int, Meta(ge=1, le=65535)]

    def __post_init__(self) -> None:
        """Clean texts that are shown to people."""
        clean(self, "name")


class Proof(Message, frozen=True, tag="proof"):
    """Proves possession of the hello's key and of the swarm key, for this session only."""

    signature: Bytes64
    swarm: Bytes32


class Refused(Message, frozen=True, tag="refused"):
    """The handshake or session ends here. `code` is kebab-case."""

    code: Annotated[str, Meta(max_length=100)]
    reason: Sentence

    def __post_init__(self) -> None:
        """Clean texts that are shown to people."""
        clean(self, "code", "reason")


HandshakeMessage: TypeAlias = Hello | Proof | Refused
_DECODER: msgspec.msgpack.Decoder[HandshakeMessage] = msgspec.msgpack.Decoder(HandshakeMessage)


async def read_handshake_message(reader: asyncio.StreamReader) -> tuple[HandshakeMessage, bytes]:
    """Read one message of the handshake; return it and its frame.

    Raises WireError, or EOFError at the end.
    """
    payload = await read_frame(reader)
    return decode(_DECODER, payload), len(payload).to_bytes(4, "big") + payload


class HandshakeError(CodedError):
    """The other side failed the handshake; the text says why."""


class Protocol(NamedTuple):
    """What is spoken after the handshake; `label` keeps the proofs of different programs apart."""

    label: bytes
    version: int


@dataclass(frozen=True, slots=True)
class LocalParty:
    """This side's identity. `swarm_key` is empty when the swarm is open to all."""

    protocol: Protocol

    identity: Identity
    name: str
    port: int
    swarm_key: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class RemoteParty:
    """The other side's proven identity. `port` is where it claims to listen."""

    peer_id: str
    name: str
    port: int


class _Hellos(NamedTuple):
    """Both hello frames as they went over the wire, and the certificate's fingerprint."""

    connecting: bytes
    accepting: bytes
    fingerprint: bytes

    def transcript(self, protocol: Protocol, role: Role) -> bytes:
        """Return the transcript that `role` signs."""
        digest = hashlib.sha256(protocol.label + b" " + role.encode() + b"\0")
        for part in self:
            digest.update(hashlib.sha256(part).digest())
        return digest.digest()


async def connect_handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, party: LocalParty
) -> RemoteParty:
    """Run the connecting side. Raises HandshakeError, WireError, EOFError, OSError."""
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    ours = encode_frame(_hello(party))
    writer.write(ours)
    theirs, frame = await _expect_hello(reader, party)
    hellos = _Hellos(ours, frame, hashlib.sha256(certificate).digest())
    writer.write(encode_frame(_proof(party, hellos, "connecting")))
    _check_proof(await _expect_proof(reader), theirs, hellos, "accepting", party)
    return RemoteParty(peer_id_of(theirs.public_key), theirs.name, theirs.port)


async def accept_handshake(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    party: LocalParty,
    admit: Callable[[RemoteParty], Awaitable[None]],
) -> RemoteParty:
    """Run the accepting side. A refusal is sent to the other side.

    `admit` gets the proven peer and may still raise HandshakeError. The session counts from its
    return, without an await in between. Raises HandshakeError, WireError, EOFError, OSError.
    """
    try:
        theirs, frame = await _expect_hello(reader, party)
        ours = encode_frame(_hello(party))
        writer.write(ours)
        hellos = _Hellos(frame, ours, party.certificate.fingerprint)
        _check_proof(await _expect_proof(reader), theirs, hellos, "connecting", party)
        remote = RemoteParty(peer_id_of(theirs.public_key), theirs.name, theirs.port)
        await admit(remote)
    except HandshakeError as error:
        writer.write(encode_frame(Refused(code=error.code, reason=str(error))))
        await writer.drain()
        raise
    writer.write(encode_frame(_proof(party, hellos, "accepting")))
    return remote


def _hello(party: LocalParty) -> Hello:
    return Hello(
        protocol=party.protocol.version,
        public_key=party.identity.public_key,
        nonce=secrets.token_bytes(32),
        name=party.name,
        port=party.port,
    )


async def _expect_hello(reader: asyncio.StreamReader, party: LocalParty) -> tuple[Hello, bytes]:
    """Return the other side's hello and its frame."""
    message, frame = await read_handshake_message(reader)
    if isinstance(message, Refused):
        raise HandshakeError(message.code, message.reason)
    if not isinstance(message, Hello):
        raise WireError("Expected a hello.")
    if message.protocol != party.protocol.version:
        raise HandshakeError(
            "protocol-version",
            f"The peer speaks protocol {message.protocol}, this one {party.protocol.version}.",
        )
    if message.public_key == party.identity.public_key:
        # Either our own address, or someone who presents our key. Nobody else can have our id.
        raise HandshakeError("self-connect", "cannot connect peer to itself")
    return message, frame


async def _expect_proof(reader: asyncio.StreamReader) -> Proof:
    message, _ = await read_handshake_message(reader)
    if isinstance(message, Refused):
        raise HandshakeError(message.code, message.reason)
    if not isinstance(message, Proof):
        raise WireError("Expected a proof.")
    return message


def _proof(party: LocalParty, hellos: _Hellos, role: Role) -> Proof:
    transcript = hellos.transcript(party.protocol, role)
    return Proof(
        signature=party.identity.sign(transcript),
        swarm=hmac.digest(party.swarm_key, transcript, "sha256"),
    )


def _check_proof(
    proof: Proof, hello: Hello, hellos: _Hellos, role: Role, party: LocalParty
) -> None:
    """Check the proof of whoever sent `hello` in this role. Raises HandshakeError."""
    transcript = hellos.transcript(party.protocol, role)
    if not verify(hello.public_key, proof.signature, transcript):
        raise HandshakeError("bad-proof", "The peer does not hold the key that it presents.")
    if not hmac.compare_digest(proof.swarm, hmac.digest(party.swarm_key, transcript, "sha256")):
        raise HandshakeError(
            "wrong-swarm",
            "The two peers do not have the same swarm key, or only one of them has any.",
        )
