import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from peer_cli import identity as identity_module
from peer_cli.identity import Identity, IdentityError, load_or_create, peer_id_of, verify
from peer_cli.network.handshake import certificate_fingerprint, server_tls


def test_the_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    again = load_or_create(tmp_path)
    assert (again.peer_id, again.public_key) == (made.peer_id, made.public_key)
    assert verify(again.public_key, made.sign(b"text"), b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["identity.pem"]


def test_others_cannot_read_the_key(tmp_path: Path) -> None:
    mode = load_or_create(tmp_path).pem_file.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_every_state_folder_gets_its_own_identity(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    assert len({load_or_create(folder).peer_id for folder in folders}) == 3


def test_the_id_is_the_hash_of_the_public_key() -> None:
    key = bytes(range(32))
    # What `sha256sum` and `base32` say of these bytes.
    assert peer_id_of(key) == "mmg42klgyqzwneiskrelxms3j72bfje4"


def test_the_certificate_serves_tls_and_has_a_fingerprint(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    server_tls(made)
    assert len(certificate_fingerprint(made.pem_file.read_text())) == 32


def damaged(pem: bytes) -> dict[str, bytes]:
    half = len(pem) // 2
    encrypted = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    elliptic = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "empty": b"",
        "zeros": bytes(len(pem)),
        "half a key": pem[: pem.index(b"-----END PRIVATE")],
        "only the certificate": pem[pem.index(b"-----BEGIN CERTIFICATE") :],
        "a letter in the key": pem.replace(pem[30:40], b"!!!!!!!!!!"),
        "another kind of key": elliptic,
        "text": b"Hello" * half,
        "encrypted": encrypted,
        "garbage behind it": pem + b"\xff\xfe",
    }


@pytest.mark.parametrize("kind", list(damaged(b"-----END PRIVATE-----BEGIN CERTIFICATE")))
def test_a_damaged_identity_is_an_error_and_never_replaced(tmp_path: Path, kind: str) -> None:
    pem_file = load_or_create(tmp_path).pem_file
    broken = damaged(pem_file.read_bytes())[kind]
    pem_file.write_bytes(broken)
    with pytest.raises(IdentityError, match=r"^The identity .*identity\.pem .*\.$") as caught:
        load_or_create(tmp_path)
    assert "\n" not in str(caught.value)
    assert pem_file.read_bytes() == broken


def test_an_identity_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "identity.pem").mkdir()
    with pytest.raises(IdentityError, match=r"Cannot read the identity .*: Is a directory"):
        load_or_create(tmp_path)


def test_an_identity_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"Cannot write the identity .*: No such file"):
        load_or_create(tmp_path / "missing")


def test_of_two_starts_at_once_one_makes_it_and_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_made_a_key = threading.Barrier(2)
    certificate = identity_module._self_signed_certificate

    def together(private_key: Ed25519PrivateKey) -> bytes:
        both_made_a_key.wait(10)
        return certificate(private_key)

    monkeypatch.setattr(identity_module, "_self_signed_certificate", together)
    found: list[Identity] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_create(tmp_path))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2
    assert found[0].peer_id == found[1].peer_id == load_or_create(tmp_path).peer_id
    assert [path.name for path in tmp_path.iterdir()] == ["identity.pem"]


@pytest.mark.parametrize(
    ("key", "signature", "text"),
    [
        (None, None, b"another text"),
        (None, bytes(64), None),
        (None, b"", None),
        (None, bytes(65), None),
        (bytes(32), None, None),
        (b"", None, None),
        (bytes(31), None, None),
        (b"\xff" * 32, None, None),
    ],
)
def test_wrong_signatures_and_malformed_keys_do_not_verify(
    tmp_path: Path, key: bytes | None, signature: bytes | None, text: bytes | None
) -> None:
    made = load_or_create(tmp_path)
    right = (made.public_key, made.sign(b"text"), b"text")
    assert verify(*right)
    used = [
        right[place] if given is None else given for place, given in enumerate((key, signature))
    ]
    assert not verify(used[0], used[1], b"text" if text is None else text)
