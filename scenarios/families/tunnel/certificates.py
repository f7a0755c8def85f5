"""Certificates for scenarios: authorities, and keys with what these sign, as PEM bundles."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key; an authority's signs others."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def bundle(self) -> bytes:
        """Return key and certificate (PEM)."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.public()

    def public(self) -> bytes:
        """Return the certificate (PEM)."""
        return self.certificate.public_bytes(Encoding.PEM)


def made(name: str, by: Certificate | None = None, *, expired: bool = False) -> Certificate:
    """Return a certificate that ``by`` has signed, or an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 3 * DAY)
        .not_valid_after(now - DAY if expired else now + DAY)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    return Certificate(key, builder.sign(by.key if by else key, hashes.SHA256()))


def written(folder: Path, **files: bytes) -> dict[str, Path]:
    """Write files and return where they are, by name."""
    folder.mkdir()
    paths = {name: folder / f"{name}.pem" for name in files}
    for name, content in files.items():
        paths[name].write_bytes(content)
    return paths
