"""The certificate that TLS wants: self-signed, made at every start, trusted by nobody.

Who is who is proven inside TLS (see handshake), which binds the proof to this certificate.
"""

import datetime
import hashlib
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Certificate(NamedTuple):
    """Certificate and key as a PEM text, and the SHA-256 of the certificate's DER form."""

    pem: bytes
    fingerprint: bytes


def self_signed(private_key: Ed25519PrivateKey) -> Certificate:
    """Make a certificate of this key."""
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
    key = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return Certificate(key + certificate.public_bytes(Encoding.PEM), fingerprint)


def server_tls(certificate: Certificate, scratch: Path) -> ssl.SSLContext:
    """Return the context of the accepting side; `scratch` is a folder for a moment's file.

    Raises OSError when that cannot be written.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    with tempfile.NamedTemporaryFile(dir=scratch, prefix=".tls-") as file:
        file.write(certificate.pem)
        file.flush()
        context.load_cert_chain(file.name)  # takes nothing but a file
    return context


def client_tls() -> ssl.SSLContext:
    """Return the context of the connecting side: the transcript, not a CA, vouches for the peer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
