"""The handshake, from the connecting side."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .frames import Message, Refused, decode, expect, frame, other_protocol, read_frame

PROTOCOL = 2
HELLO_S = 3.0  # for TLS, and again for the hello; together less than the scenario's timeout


class Hands(NamedTuple):
    """The frames of both hellos, the certificate's SHA-256, the peer's key and the swarm key."""

    connecting: bytes
    accepting: bytes
    certificate: bytes
    theirs: bytes
    swarm_key: bytes


async def exchange_hellos(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    public_key: bytes,
    swarm_key: bytes,
    name: str,
    port: int,
) -> Hands:
    """Send the connecting side's hello and receive the other one. Raises Refused."""
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    ours = frame(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "public_key": public_key,
            "nonce": secrets.token_bytes(32),
            "name": name,
            "port": port,
        }
    )
    writer.write(ours)
    try:
        payload = await asyncio.wait_for(read_frame(reader), HELLO_S)
        decode(payload)
    except (EOFError, OSError, TimeoutError, Refused, msgspec.DecodeError) as error:
        raise other_protocol(f"no hello came: {error!r}") from error
    theirs = bytes(expect("hello", payload)["public_key"])
    whole = len(payload).to_bytes(4, "big") + payload
    return Hands(ours, whole, hashlib.sha256(certificate).digest(), theirs, swarm_key)


def check_proof(proof: Message, hands: Hands) -> bytes:
    """Return the public key whose possession the accepting side proved. Raises Refused."""
    said = transcript("accepting", hands)
    try:
        Ed25519PublicKey.from_public_bytes(hands.theirs).verify(proof["signature"], said)
    except InvalidSignature:
        raise Refused("bad-proof", "The peer does not hold the key that it presents.") from None
    if proof["swarm"] != swarm_mac(hands, said):
        raise Refused("wrong-swarm", "The peer does not know the swarm's key.")
    return hands.theirs


def swarm_mac(hands: Hands, said: bytes) -> bytes:
    """Return the proof of knowing the swarm key; empty if there is no swarm key."""
    return hmac.digest(hands.swarm_key, said, "sha256")


def transcript(role: str, hands: Hands) -> bytes:
    """Return what `role` signs: both hellos' frames and the certificate's SHA-256."""
    digest = hashlib.sha256(f"lan-spread handshake 2 {role}\0".encode())
    for part in hands[:3]:
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def peer_id_of(public_key: bytes) -> str:
    """Return the peer id for a public key."""
    return base64.b32encode(hashlib.sha256(public_key).digest()[:20]).decode().lower()
