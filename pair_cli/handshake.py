"""The handshake: both prove their keys, and agree on a secret for each direction.

Whoever dialled speaks first. Each side sends one hello: a fresh X25519 key, and a secret that only
the other's ML-KEM key can open. What follows from both is used only if all of it fits: the secrets
come from both encapsulations, from the fresh keys, and from each fresh key with the other's lasting
one; and from a hash over both hellos and the lasting keys of both. So an altered, repeated or
reflected hello leads to secrets that nobody else has, and the first sealed frame does not open.

The lasting keys are never sent, so nobody learns from the wire who meets whom.
See docs/pair-protocol.md for the security argument. Pure but for random numbers.
"""

import hashlib
import struct
from typing import Literal, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headless.errors import CodedError
from pair_cli.keys import MLKEM_BYTES, X25519_BYTES, Keys, PublicKeys
from pair_cli.sealing import SECRET_BYTES, Sealing

PROTOCOL_VERSION = 1
_MAGIC = b"PAIR"
_HEAD = struct.Struct(">4sBB2x")  # magic, protocol, role
HELLO_BYTES = _HEAD.size + X25519_BYTES + MLKEM_BYTES
_LABEL = b"pair-cli handshake 1"

Role: TypeAlias = Literal["dialling", "accepting"]
_ROLES: dict[Role, int] = {"dialling": 1, "accepting": 2}


class HandshakeError(CodedError):
    """The other side failed the handshake; the text says how."""

    def __init__(self, text: str) -> None:
        super().__init__("handshake-failed", text)


class Secured(NamedTuple):
    """The two directions of a channel, after the hellos; nothing is proven before a frame opens."""

    sending: Sealing
    receiving: Sealing


class Handshake:
    """One side of one handshake. Use it once."""

    def __init__(self, role: Role, own: Keys, other: PublicKeys) -> None:
        """Make the hello. Raises HandshakeError if the other's keys cannot be used."""
        self._role = role
        self._own = own
        self._other = other
        self._fresh = X25519PrivateKey.generate()
        try:
            self._encapsulated, sealed = MLKEM1024PublicKey.from_public_bytes(
                other.mlkem
            ).encapsulate()
        except ValueError as error:
            raise HandshakeError("the other's ML-KEM key is none") from error
        fresh = self._fresh.public_key().public_bytes_raw()
        self.hello = _HEAD.pack(_MAGIC, PROTOCOL_VERSION, _ROLES[role]) + fresh + sealed

    def finish(self, hello: bytes) -> Secured:
        """Derive the secrets from the other's hello. Raises HandshakeError."""
        check_head(hello, "accepting" if self._role == "dialling" else "dialling")
        fresh = hello[_HEAD.size : _HEAD.size + X25519_BYTES]
        try:
            theirs = X25519PublicKey.from_public_bytes(fresh)
            lasting = X25519PublicKey.from_public_bytes(self._other.x25519)
            decapsulated = self._own.mlkem.decapsulate(hello[_HEAD.size + X25519_BYTES :])
            both_fresh = self._fresh.exchange(theirs)
            # What proves the other side: a secret of our fresh and its lasting key, and vice versa.
            proves_other = self._fresh.exchange(lasting)
            proves_own = self._own.x25519.exchange(theirs)
        except ValueError as error:  # a point of low order among them
            raise HandshakeError("a key in the hello cannot be used") from error
        dialled = self._role == "dialling"
        # In the order of the roles: what concerns the accepting side's keys, then the dialling's.
        mine, yours = (self._encapsulated, proves_other), (decapsulated, proves_own)
        first, second = (mine, yours) if dialled else (yours, mine)
        secrets = HKDF(
            algorithm=SHA512(), length=2 * SECRET_BYTES, salt=self._transcript(hello), info=_LABEL
        ).derive(b"".join((*first, *second, both_fresh)))
        outward, inward = secrets[:SECRET_BYTES], secrets[SECRET_BYTES:]
        if not dialled:
            outward, inward = inward, outward
        return Secured(Sealing(outward), Sealing(inward))

    def _transcript(self, hello: bytes) -> bytes:
        parts = [(self._own.public, self.hello), (self._other, hello)]
        if self._role == "accepting":
            parts.reverse()
        digest = hashlib.sha512(_LABEL)
        for public, said in parts:  # all of fixed length
            digest.update(public.x25519 + public.mlkem + said)
        return digest.digest()


def check_head(hello: bytes, role: Role) -> None:
    """Check what a hello begins with. Raises HandshakeError."""
    magic, protocol, number = _HEAD.unpack_from(hello)
    if magic != _MAGIC:
        raise HandshakeError("the other end is no peer of a pair")
    if protocol != PROTOCOL_VERSION:
        raise HandshakeError(
            f"the other end speaks protocol {protocol}, this one {PROTOCOL_VERSION}"
        )
    if number != _ROLES[role]:
        raise HandshakeError("a hello came back, or has the wrong role")
