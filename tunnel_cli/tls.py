"""TLS of a link: always verifies the server's certificate, and optionally pins keys of peers."""

import hashlib
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tunnel_cli.config import Config


class TlsError(Exception):
    """A file is unusable; the message says in one line which and why."""


def server_context(config: Config) -> ssl.SSLContext | None:
    """Return a server's TLS context, None without https. Raises TlsError."""
    if not config.secure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, config)
    if config.mutual_tls:
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, config)
    return context


def client_context(config: Config) -> ssl.SSLContext | None:
    """Return a client's TLS context, None without https. Raises TlsError."""
    if not config.secure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if config.tls.trusted_ca is not None or config.tls.pinned is not None:
        _trust(context, config)  # and nobody else
    else:
        context.load_default_certs()
    if config.tls.own is not None:
        _load_own(context, config)
    # A pinned key identifies the server, so the name in its certificate does not matter.
    context.check_hostname = config.tls.pinned is None
    return context


def pinned_keys(config: Config) -> frozenset[bytes] | None:
    """Return the SHA-256 of each public key that a peer may have; None means any trusted key.

    Raises TlsError.
    """
    path = config.tls.pinned
    if path is None or (config.is_server and not config.mutual_tls):  # clients show no key then
        return None
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} holds no certificates in PEM form: {error}") from error
    return frozenset(_key_hash(certificate) for certificate in certificates)


def is_pinned(pins: frozenset[bytes] | None, certificate: bytes | None) -> bool:
    """Tell whether the key of a peer's certificate (DER) is pinned."""
    if pins is None:
        return True
    return (
        certificate is not None and _key_hash(x509.load_der_x509_certificate(certificate)) in pins
    )


def _key_hash(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()


def _load_own(context: ssl.SSLContext, config: Config) -> None:
    own = config.tls.own
    assert own is not None  # config has checked it
    try:
        context.load_cert_chain(own)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{own} holds no key with its certificate in PEM form: {error}") from error


def _trust(context: ssl.SSLContext, config: Config) -> None:
    # Pinned certificates are trusted directly, since they may be self-signed.
    files: list[Path] = [one for one in (config.tls.trusted_ca, config.tls.pinned) if one]
    for file in files:
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{file} holds no certificates in PEM form: {error}") from error
    if config.tls.trusted_ca is None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
