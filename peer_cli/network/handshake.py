"""The mutual handshake of a control session, inside TLS 1.3.

TLS encrypts; who is who is proven by signatures over a transcript that holds both hellos (keys
and fresh nonces) and the fingerprint of the certificate TLS was opened with. The last one binds
the proof to this very session: a man in the middle would have to present the accepting side's
certificate, for which he lacks the key. (Channel binding "tls-server-end-point", RFC 5929.)
The certificate itself is self-signed and otherwise not trusted.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from peer_cli.identity import Identity, peer_id_of, verify
from peer_cli.network import wire
from peer_cli.network.certificate import Certificate
from peer_cli.network.port import PROTOCOL_VERSION

HANDSHAKE_TIMEOUT_S = 5.0


class HandshakeError(Exception):
    """The other side is not one to talk to. `code` is kebab-case; the text says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class LocalParty:
    """What this side says of itself. `swarm_key` is empty when the swarm is open to all."""

    identity: Identity
    name: str
    port: int
    swarm_key: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class RemoteParty:
    """Who the other side has proven to be. `port` is where it says that it listens."""

    peer_id: str
    name: str
    port: int


async def connect_handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, party: LocalParty
) -> RemoteParty:
    """Carry out the connecting side. Raises HandshakeError, wire.WireError, EOFError, OSError."""
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    fingerprint = hashlib.sha256(certificate).digest()
    ours = _hello(party)
    writer.write(wire.encode_frame(ours))
    theirs = await _expect_hello(reader, party)
    await _check_proof(reader, ours, theirs, fingerprint, "accepting", party.swarm_key)
    writer.write(wire.encode_frame(_proof(party, ours, theirs, fingerprint, "connecting")))
    message = await wire.read_handshake_message(reader)
    if isinstance(message, wire.Refused):
        raise HandshakeError(message.code, message.reason)
    if not isinstance(message, wire.Welcome):
        raise wire.WireError("Expected a welcome.")
    return RemoteParty(peer_id_of(theirs.public_key), theirs.name, theirs.port)


async def accept_handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, party: LocalParty
) -> RemoteParty:
    """Carry out the accepting side. A refusal is told to the other side.

    Raises HandshakeError, wire.WireError, EOFError, OSError.
    """
    fingerprint = party.certificate.fingerprint
    try:
        theirs = await _expect_hello(reader, party)
        ours = _hello(party)
        writer.write(wire.encode_frame(ours))
        writer.write(wire.encode_frame(_proof(party, theirs, ours, fingerprint, "accepting")))
        await _check_proof(reader, theirs, ours, fingerprint, "connecting", party.swarm_key)
    except HandshakeError as error:
        writer.write(wire.encode_frame(wire.Refused(code=error.code, reason=str(error))))
        await writer.drain()
        raise
    writer.write(wire.encode_frame(wire.Welcome()))
    return RemoteParty(peer_id_of(theirs.public_key), theirs.name, theirs.port)


def _hello(party: LocalParty) -> wire.Hello:
    return wire.Hello(
        protocol=PROTOCOL_VERSION,
        public_key=party.identity.public_key,
        nonce=secrets.token_bytes(32),
        name=party.name,
        port=party.port,
    )


async def _expect_hello(reader: asyncio.StreamReader, party: LocalParty) -> wire.Hello:
    message = await wire.read_handshake_message(reader)
    if isinstance(message, wire.Refused):
        raise HandshakeError(message.code, message.reason)
    if not isinstance(message, wire.Hello):
        raise wire.WireError("Expected a hello.")
    if message.protocol != PROTOCOL_VERSION:
        raise HandshakeError(
            "protocol-version",
            f"The peer speaks protocol {message.protocol}, this one {PROTOCOL_VERSION}.",
        )
    if message.public_key == party.identity.public_key:
        # Either our own address, or someone who shows our key: nobody else can have our id.
        raise HandshakeError("self-connect", "cannot connect peer to itself")
    return message


def _transcript(
    connecting: wire.Hello, accepting: wire.Hello, fingerprint: bytes, role: str
) -> bytes:
    digest = hashlib.sha256(b"lan-spread handshake 1 " + role.encode() + b"\0")
    for part in (wire.encode_frame(connecting), wire.encode_frame(accepting), fingerprint):
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def _proof(
    party: LocalParty,
    connecting: wire.Hello,
    accepting: wire.Hello,
    fingerprint: bytes,
    role: Literal["connecting", "accepting"],
) -> wire.Proof:
    transcript = _transcript(connecting, accepting, fingerprint, role)
    return wire.Proof(
        signature=party.identity.sign(transcript),
        swarm=hmac.digest(party.swarm_key, transcript, "sha256"),
    )


async def _check_proof(
    reader: asyncio.StreamReader,
    connecting: wire.Hello,
    accepting: wire.Hello,
    fingerprint: bytes,
    role: Literal["connecting", "accepting"],
    swarm_key: bytes,
) -> None:
    message = await wire.read_handshake_message(reader)
    if isinstance(message, wire.Refused):
        raise HandshakeError(message.code, message.reason)
    if not isinstance(message, wire.Proof):
        raise wire.WireError("Expected a proof.")
    transcript = _transcript(connecting, accepting, fingerprint, role)
    public_key = accepting.public_key if role == "accepting" else connecting.public_key
    if not verify(public_key, message.signature, transcript):
        raise HandshakeError("bad-proof", "The peer does not hold the key that it presents.")
    expected = hmac.digest(swarm_key, transcript, "sha256")
    if not hmac.compare_digest(message.swarm, expected):
        raise HandshakeError("wrong-swarm", "The peer does not know this swarm's key.")
