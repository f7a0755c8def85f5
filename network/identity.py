"""The peer's identity: an Ed25519 key pair made at the first start and kept in the state directory.

`peer_id` is the first 20 bytes of the SHA-256 of the public key, in lower-case base32: to claim an
id, a peer has to sign with the matching key.

The file holds 64 bytes, the seed and the public key, as libsodium's `crypto_sign` stores a secret
key; the second half detects damage. Every start reads it before the peer is ready, so the format
needs no parser.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from headless.descriptors import write_all

KEY_FILE = "identity.key"
_SEED_BYTES = 32


class IdentityError(Exception):
    """The state directory holds an unusable identity, or cannot store one."""


class Identity(NamedTuple):
    """The key pair and its id."""

    private_key: Ed25519PrivateKey
    public_key: bytes
    peer_id: str

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature (64 bytes) of a message."""
        return self.private_key.sign(message)


def peer_id_of(public_key: bytes) -> str:
    """Return the id of a raw public key of 32 bytes."""
    return base64.b32encode(hashlib.sha256(public_key).digest()[:20]).decode().lower()


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the key's owner signed the message. False for malformed keys too."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_or_create(state_dir: Path) -> Identity:
    """Read the identity from the state directory, creating it at the first start.

    Raises IdentityError when the file exists but is unusable: an identity is never replaced
    silently, because other peers know this one by it.
    """
    key_file = state_dir / KEY_FILE
    key = stored_key(key_file, _new_key)
    try:
        private_key = Ed25519PrivateKey.from_private_bytes(key[:_SEED_BYTES])
    except ValueError:
        raise damaged(key_file) from None
    public_key = private_key.public_key().public_bytes_raw()
    if key[_SEED_BYTES:] != public_key:
        raise damaged(key_file)
    return Identity(private_key, public_key, peer_id_of(public_key))


def _new_key() -> bytes:
    private_key = Ed25519PrivateKey.generate()
    return private_key.private_bytes_raw() + private_key.public_key().public_bytes_raw()


def stored_key(key_file: Path, make: Callable[[], bytes]) -> bytes:
    """Return what a key file holds; it is made, readable by its owner only, if it is missing.

    Raises IdentityError.
    """
    try:
        return key_file.read_bytes()
    except FileNotFoundError:
        return _create(key_file, make())
    except OSError as error:
        raise IdentityError(f"Cannot read the identity {key_file}: {error.strerror}.") from error


def _create(key_file: Path, key: bytes) -> bytes:
    aside = key_file.with_name(f".identity-{secrets.token_hex(8)}")
    # Written to a temporary file and linked in: a crash never leaves half an identity, and of two
    # peers that start on one state directory, only one creates it.
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, key)
            os.fsync(descriptor)
            os.link(aside, key_file)
        finally:
            os.close(descriptor)
            aside.unlink()
    except FileExistsError:
        return key_file.read_bytes()
    except OSError as error:
        raise IdentityError(f"Cannot write the identity {key_file}: {error.strerror}.") from error
    return key


def damaged(key_file: Path) -> IdentityError:
    """Return the error for a key file that holds no key."""
    return IdentityError(
        f"The identity {key_file} is damaged. Restore it, or remove it to become a new peer."
    )
