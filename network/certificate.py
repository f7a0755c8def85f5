"""The certificate that TLS needs: self-signed, made at every start, trusted by nobody.

Peers prove their identity inside TLS (see handshake), which binds the proof to this certificate.
"""

import base64
import hashlib
import os
import ssl
from typing import BinaryIO, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# DER tags and the object identifiers used here (X.690, RFC 5280, RFC 8410).
_INTEGER, _BIT_STRING, _OCTET_STRING, _OID, _UTF8 = 0x02, 0x03, 0x04, 0x06, 0x0C
_GENERALIZED_TIME, _SEQUENCE, _SET, _VERSION = 0x18, 0x30, 0x31, 0xA0
_ED25519, _COMMON_NAME = bytes.fromhex("2b6570"), bytes.fromhex("550403")


class Certificate(NamedTuple):
    """Certificate and key as PEM text, and the SHA-256 of the certificate's DER form."""

    pem: bytes
    fingerprint: bytes


def self_signed(private_key: Ed25519PrivateKey) -> Certificate:
    """Make a certificate for this key: an X.509 v3 certificate without extensions.

    Written out here because importing `cryptography.x509` costs every process 2.5 MiB and a good
    part of the time until it answers, and only 96 bytes differ between two of these certificates.
    """
    algorithm = _der(_SEQUENCE, _der(_OID, _ED25519))
    name = _der(
        _SEQUENCE,
        _der(_SET, _der(_SEQUENCE, _der(_OID, _COMMON_NAME), _der(_UTF8, b"peer-cli"))),
    )
    signed = _der(
        _SEQUENCE,
        _der(_VERSION, _der(_INTEGER, b"\2")),
        _der(_INTEGER, b"\1"),
        algorithm,
        name,
        _der(
            _SEQUENCE,
            _der(_GENERALIZED_TIME, b"20000101000000Z"),
            _der(_GENERALIZED_TIME, b"99991231235959Z"),
        ),
        name,
        _der(_SEQUENCE, algorithm, _bits(private_key.public_key().public_bytes_raw())),
    )
    certificate = _der(_SEQUENCE, signed, algorithm, _bits(private_key.sign(signed)))
    seed = _der(_OCTET_STRING, _der(_OCTET_STRING, private_key.private_bytes_raw()))
    key = _der(_SEQUENCE, _der(_INTEGER, b"\0"), algorithm, seed)
    return Certificate(
        _pem("PRIVATE KEY", key) + _pem("CERTIFICATE", certificate),
        hashlib.sha256(certificate).digest(),
    )


def _der(tag: int, *parts: bytes) -> bytes:
    """Return a DER value of at most 65,535 bytes."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        size = bytes([length])
    elif length < 0x100:
        size = bytes([0x81, length])
    else:
        size = b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


def _bits(content: bytes) -> bytes:
    return _der(_BIT_STRING, b"\0", content)


def _pem(label: str, der: bytes) -> bytes:
    return (
        f"-----BEGIN {label}-----\n".encode()
        + base64.encodebytes(der)
        + (f"-----END {label}-----\n".encode())
    )


def server_tls(certificate: Certificate) -> ssl.SSLContext:
    """Return the TLS context of the accepting side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    # It accepts files only, and opens one for each argument. Pipes need no disk.
    with _pipe_of(certificate.pem) as chain, _pipe_of(certificate.pem) as key:
        context.load_cert_chain(f"/dev/fd/{chain.fileno()}", f"/dev/fd/{key.fileno()}")
    return context


def _pipe_of(content: bytes) -> BinaryIO:
    """Return the reading end of a pipe that holds `content`, which must fit into it."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return os.fdopen(reading, "rb")


def client_tls() -> ssl.SSLContext:
    """Return the TLS context of the connecting side. The handshake, not a CA, proves identity."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
