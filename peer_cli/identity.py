"""The peer's identity: an Ed25519 key pair made at the first start and kept in the state directory.

`peer_id` is the first 20 bytes of the SHA-256 of the public key, in lower-case base32: whoever
claims an id has to sign with the key that it is the hash of.
"""

import base64
import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_KEY_BYTES = 32


class IdentityError(Exception):
    """The state directory holds an identity that cannot be used, or cannot hold one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The key pair, its id, and the PEM file (key and self-signed certificate) TLS reads."""

    private_key: Ed25519PrivateKey
    public_key: bytes
    peer_id: str
    pem_file: Path

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature (64 bytes) of a message."""
        return self.private_key.sign(message)


def peer_id_of(public_key: bytes) -> str:
    """Return the id of a raw public key of 32 bytes."""
    return base64.b32encode(hashlib.sha256(public_key).digest()[:20]).decode().lower()


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the signature is that of the key's owner. False for malformed keys too."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_or_create(state_dir: Path) -> Identity:
    """Read the identity from `<state_dir>/identity.pem`, making it at the first start.

    Raises IdentityError when the file is there but unusable: an identity is never replaced
    silently, since others know this peer by it.
    """
    pem_file = state_dir / "identity.pem"
    try:
        pem = pem_file.read_bytes()
    except FileNotFoundError:
        pem = _create(pem_file)
    except OSError as error:
        raise IdentityError(f"Cannot read the identity {pem_file}: {error.strerror}.") from error
    try:
        private_key = serialization.load_pem_private_key(pem, password=None)
        pem.decode("ascii")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(
            f"The identity {pem_file} is damaged. Restore it, or remove it to become a new peer."
        ) from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise IdentityError(f"The identity {pem_file} does not hold an Ed25519 key.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pem_file)
    except ssl.SSLError as error:
        raise IdentityError(f"The identity {pem_file} cannot be used: {error}.") from error
    public_key = private_key.public_key().public_bytes_raw()
    return Identity(private_key, public_key, peer_id_of(public_key), pem_file)


def _create(pem_file: Path) -> bytes:
    private_key = Ed25519PrivateKey.generate()
    pem = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + _self_signed_certificate(private_key)
    # Written aside and linked in: a crash never leaves half an identity, and of two peers that
    # start on one state directory only one makes it.
    try:
        with tempfile.NamedTemporaryFile(dir=pem_file.parent, prefix=".identity-") as aside:
            aside.write(pem)
            aside.flush()
            os.fsync(aside.fileno())
            os.link(aside.name, pem_file)
    except FileExistsError:
        return pem_file.read_bytes()
    except OSError as error:
        raise IdentityError(f"Cannot write the identity {pem_file}: {error.strerror}.") from error
    return pem


def _self_signed_certificate(private_key: Ed25519PrivateKey) -> bytes:
    """Return a PEM certificate. TLS needs one; nobody trusts what it says (see handshake)."""
    import datetime  # late: only the first start needs these

    from cryptography import x509

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer-cli")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC))
        .sign(private_key, None)
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
