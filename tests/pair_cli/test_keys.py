"""Keys, fingerprints, tokens, blobs: the known answers that every implementation must give."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from network.identity import IdentityError
from pair_cli.keys import (
    KEY_FILE,
    BadBlob,
    BadFingerprint,
    blob_key,
    bridge_token,
    check_fingerprint,
    from_base64,
    keys_of,
    load_or_create,
    lookup_token,
    new_keys,
    open_blob,
    seal_blob,
    to_base64,
)

ONE = "VkZqfHghij3Bthvbu4UCipv5QkG0bxFgjngtNu4p9-8vkDOczggiTagjfYP3VUFGyUmIaCaZEkl5Dm168mNHJw"
TWO = "LIolKUfScM25GtBWHyuTgPuWRi0mfiflGcjnhgER8HTY7a917icswvuPlhCOdKCodUEV6wf1euyCYIBbD_TSVg"
PLAIN = b'{"fingerprint":"abc123","listen":{"ip":"::1","port":26001}}'
BLOB = (
    "AAECAwQFBgcICQoLJXa7muE7z14X5nkG9sWJGaE8xYvRrQcwXtRjoPYxKPM2Xd4Zvvle9fqPRShxjf8mBlmUBGVLzPxS"
    "IbiceigrleVMehDdnURra6PY"
)


@pytest.mark.parametrize(
    ("password", "token", "key"),
    [
        (
            b"0123456789abcdef0123456789abcdef",
            "B9nSu-S3JbvERqb-Unc7b6-En_-1vt2zgvitU0PuvJA",
            "ec8c03b1e26235f190f0ed41996807fa5b603faf4163a875cf92bcbebd262bf0",
        ),
        (
            b"fedcba9876543210fedcba9876543210",
            "uKpKiC2QxomH0HevAFcX00jyB3125sdyso-WsUKBHWc",
            "a8fde55f37db01bdcbab7319b117f9b07dc6832534b536eb5a8f4331eabd9812",
        ),
    ],
)
def test_token_and_key_of_a_password(password: bytes, token: str, key: str) -> None:
    fingerprint = to_base64(password + bytes(32))  # the password is its first half
    assert lookup_token(fingerprint) == token
    assert blob_key(fingerprint).hex() == key


def test_fingerprint_token_and_key_of_known_keys() -> None:
    one = keys_of(bytes(range(32)) + bytes(range(64)))
    assert one.fingerprint == ONE
    assert lookup_token(ONE) == "eS5QQYc81FO-eo3wyh34FqOoIoNc8iiGPFacEAcsgiQ"
    assert blob_key(ONE).hex() == "7827c2147437b47672e20653b3edd28b956dde719ea91261467a5f56d3c047bc"
    two = keys_of(bytes(range(100, 132)) + bytes(range(100, 164)))
    assert two.fingerprint == TWO
    assert lookup_token(TWO) == "osANWAFbXIvDdj8Xty1QYbIx7R0Top4pPwgJ3LCN8gM"


def test_a_known_blob() -> None:
    assert seal_blob(blob_key(ONE), PLAIN, bytes(range(12))) == BLOB
    assert open_blob(blob_key(ONE), BLOB) == PLAIN


def test_a_blob_has_a_fresh_nonce_and_opens_only_unaltered_and_with_its_key() -> None:
    assert seal_blob(blob_key(ONE), PLAIN) != seal_blob(blob_key(ONE), PLAIN)
    for blob in (BLOB[:-4], "", "A", BLOB + "AAAA", "*" + BLOB[1:], BLOB[:20] + "A" + BLOB[21:]):
        with pytest.raises(BadBlob):
            open_blob(blob_key(ONE), blob)
    with pytest.raises(BadBlob):
        open_blob(blob_key(TWO), BLOB)


def test_the_bridge_token_is_the_same_for_both_and_another_for_every_pair() -> None:
    three = new_keys().fingerprint
    assert bridge_token(ONE, TWO) == bridge_token(TWO, ONE)
    assert len({bridge_token(ONE, TWO), bridge_token(ONE, three), bridge_token(TWO, three)}) == 3
    assert len(from_base64(bridge_token(ONE, TWO)) or b"") == 32


@pytest.mark.parametrize("text", ["", "  ", "abc", ONE[:-1], ONE + "A", "!" + ONE[1:], "ä" * 86])
def test_what_is_no_fingerprint_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(BadFingerprint):
        check_fingerprint(text)


def test_a_fingerprint_may_have_space_around_it() -> None:
    assert check_fingerprint(f" {ONE}\n") == ONE


def test_base64_has_one_spelling_for_each_value() -> None:
    assert from_base64("AA") == b"\0"
    assert from_base64("AB") is None  # the same byte, with bits set that do not count
    assert from_base64("AA==") is None
    assert from_base64("A+") is None


def test_keys_are_kept_for_their_owner_only_and_damage_is_told(tmp_path: Path) -> None:
    first = load_or_create(tmp_path)
    assert load_or_create(tmp_path).fingerprint == first.fingerprint
    file = tmp_path / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    stored = bytearray(file.read_bytes())
    stored[40] ^= 1
    file.write_bytes(stored)
    with pytest.raises(IdentityError, match="damaged"):
        load_or_create(tmp_path)
    assert file.read_bytes() == bytes(stored)  # an identity is never replaced


def test_a_short_key_file_is_damage(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(hashlib.sha256(b"").digest())
    with pytest.raises(IdentityError, match="damaged"):
        load_or_create(tmp_path)


def test_the_proof_is_one_for_each_token_and_says_nothing_of_the_key() -> None:
    keys = keys_of(bytes(range(96)))
    assert keys.proof("a") == keys.proof("a") != keys.proof("b")
    derived = HKDF(algorithm=SHA512(), length=32, salt=None, info=b"pair-relay-proof-v1a")
    assert keys.proof("a") == to_base64(derived.derive(bytes(range(32))))
