"""A peer's keys, and what follows from its fingerprint: token and key of its registration.

Who knows a fingerprint can find the peer's registration at the relay and open it. The relay sees
the token only, from which nothing else follows.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from network.identity import damaged, stored_key

KEY_FILE = "pair.key"
X25519_BYTES = 32
MLKEM_BYTES = 1568  # of a public key, and of a ciphertext
FINGERPRINT_CHARACTERS = 86
SEED_BYTES = X25519_BYTES + 64
PASSWORD_BYTES = 32
NONCE_BYTES = 12
_LOOKUP, _ENCRYPT = b"keibidrop-relay-lookup-v1", b"keibidrop-relay-encrypt-v1"
_BRIDGE, _PROOF = b"pair-relay-bridge-v1", b"pair-relay-proof-v1"


class BadFingerprint(Exception):  # noqa: N818 - reads well where it is raised and caught
    """A text is no fingerprint, or not the other's; the message says why."""


class BadBlob(Exception):  # noqa: N818 - reads well where it is raised and caught
    """A blob was not made with this key, or was altered."""


class PublicKeys(NamedTuple):
    """The keys that a fingerprint stands for, raw."""

    x25519: bytes
    mlkem: bytes

    @property
    def fingerprint(self) -> str:
        """The base64url of the SHA-512 of both, 86 characters."""
        return to_base64(hashlib.sha512(self.x25519 + self.mlkem).digest())

    def check(self) -> None:
        """Check that both can be used. Raises ValueError."""
        X25519PublicKey.from_public_bytes(self.x25519)
        MLKEM1024PublicKey.from_public_bytes(self.mlkem)


class Keys(NamedTuple):
    """A peer's private keys, the public ones, and their fingerprint."""

    x25519: X25519PrivateKey
    mlkem: MLKEM1024PrivateKey
    public: PublicKeys
    fingerprint: str

    def proof(self, token: str) -> str:
        """Return the secret that shows the relay who registered this token before."""
        return to_base64(_derive(self.x25519.private_bytes_raw(), _PROOF + token.encode()))


def keys_of(seed: bytes) -> Keys:
    """Return the keys of 96 bytes: X25519's private key, and ML-KEM's seed (d and z, FIPS 203).

    Raises ValueError.
    """
    x25519 = X25519PrivateKey.from_private_bytes(seed[:X25519_BYTES])
    mlkem = MLKEM1024PrivateKey.from_seed_bytes(seed[X25519_BYTES:])
    public = PublicKeys(
        x25519.public_key().public_bytes_raw(), mlkem.public_key().public_bytes_raw()
    )
    return Keys(x25519, mlkem, public, public.fingerprint)


def new_keys() -> Keys:
    """Return keys for one run."""
    return keys_of(secrets.token_bytes(SEED_BYTES))


def load_or_create(state_dir: Path) -> Keys:
    """Read the keys from the state directory, creating them at the first start.

    The file has the seed, and its SHA-256 to detect damage. Raises network.identity.IdentityError.
    """
    key_file = state_dir / KEY_FILE
    stored = stored_key(key_file, _new_file)
    seed, check = stored[:SEED_BYTES], stored[SEED_BYTES:]
    if len(seed) != SEED_BYTES or check != hashlib.sha256(seed).digest():
        raise damaged(key_file)
    return keys_of(seed)


def check_fingerprint(text: str) -> str:
    """Return a fingerprint as it is, without surrounding space. Raises BadFingerprint."""
    text = text.strip()
    if not text:
        raise BadFingerprint("The fingerprint is empty; paste the one that the other peer shows.")
    if len(text) != FINGERPRINT_CHARACTERS or from_base64(text) is None:
        raise BadFingerprint(
            f"This is no fingerprint: expected {FINGERPRINT_CHARACTERS} characters of base64url, "
            f"got {len(text)} characters."
        )
    return text


def lookup_token(fingerprint: str) -> str:
    """Return the bearer token of a registration."""
    return to_base64(_derive(_password(fingerprint), _LOOKUP))


def blob_key(fingerprint: str) -> bytes:
    """Return the key of a registration's blob, 32 bytes."""
    return _derive(_password(fingerprint), _ENCRYPT)


def bridge_token(one: str, other: str) -> str:
    """Return the token that two peers show at the relay's bridge: only they know it."""
    lower, higher = sorted((one, other))
    return to_base64(_derive(_password(lower) + _password(higher), _BRIDGE))


def seal_blob(key: bytes, plain: bytes, nonce: bytes | None = None) -> str:
    """Encrypt a registration: base64url of nonce and ChaCha20-Poly1305. Tests pass a nonce."""
    nonce = nonce or secrets.token_bytes(NONCE_BYTES)
    return to_base64(nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, None))


def open_blob(key: bytes, blob: str) -> bytes:
    """Decrypt a registration. Raises BadBlob."""
    sealed = from_base64(blob)
    if sealed is None or len(sealed) < NONCE_BYTES:
        raise BadBlob("it is no base64url of a nonce and a ciphertext")
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except InvalidTag:
        raise BadBlob("it was not made with the key of this fingerprint, or was altered") from None


def to_base64(data: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes | None:
    """Return the bytes of base64url without padding; None if it is none, or not the one spelling.

    One text for each value, so that nobody can show the same value in two ways.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if hmac.compare_digest(to_base64(data).encode(), text.encode()) else None


def _password(fingerprint: str) -> bytes:
    data = from_base64(fingerprint)
    assert data is not None
    return data[:PASSWORD_BYTES]


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA512(), length=32, salt=None, info=info).derive(secret)


def _new_file() -> bytes:
    seed = secrets.token_bytes(SEED_BYTES)
    return seed + hashlib.sha256(seed).digest()
