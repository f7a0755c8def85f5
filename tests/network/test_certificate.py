from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from network.certificate import self_signed


def test_it_is_what_x509_says_it_is() -> None:
    key = Ed25519PrivateKey.generate()
    made = self_signed(key)
    read = x509.load_pem_x509_certificate(made.pem)
    read.verify_directly_issued_by(read)
    assert read.version == x509.Version.v3
    assert read.public_key() == key.public_key()
    assert read.subject.rfc4514_string() == read.issuer.rfc4514_string() == "CN=peer-cli"
    assert read.fingerprint(SHA256()) == made.fingerprint
    assert (read.not_valid_before_utc.year, read.not_valid_after_utc.year) == (2000, 9999)


def test_the_key_comes_with_it() -> None:
    key = Ed25519PrivateKey.generate()
    read = load_pem_private_key(self_signed(key).pem, password=None)
    assert isinstance(read, Ed25519PrivateKey)
    assert read.private_bytes_raw() == key.private_bytes_raw()
