import os
import stat
import threading
from pathlib import Path

import pytest

from network.identity import (
    KEY_FILE,
    Identity,
    IdentityError,
    load_or_create,
    peer_id_of,
    verify,
)


def test_the_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    again = load_or_create(tmp_path)
    assert (again.peer_id, again.public_key) == (made.peer_id, made.public_key)
    assert verify(again.public_key, made.sign(b"text"), b"text")
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_others_cannot_read_the_key(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    mode = (tmp_path / KEY_FILE).stat().st_mode
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


def damaged(key: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "zeros": bytes(len(key)),
        "half a key": key[: len(key) // 2],
        "a bit in the seed": bytes([key[0] ^ 1]) + key[1:],
        "a bit in the public key": key[:-1] + bytes([key[-1] ^ 1]),
        "text": b"Hello" * 20,
        "garbage behind it": key + b"\xff\xfe",
    }


@pytest.mark.parametrize("kind", list(damaged(bytes(64))))
def test_a_damaged_identity_is_an_error_and_never_replaced(tmp_path: Path, kind: str) -> None:
    load_or_create(tmp_path)
    key_file = tmp_path / KEY_FILE
    broken = damaged(key_file.read_bytes())[kind]
    key_file.write_bytes(broken)
    with pytest.raises(IdentityError, match=r"^The identity .*identity\.key .*\.$") as caught:
        load_or_create(tmp_path)
    assert "\n" not in str(caught.value)
    assert key_file.read_bytes() == broken


def test_an_identity_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(IdentityError, match=r"Cannot read the identity .*: Is a directory"):
        load_or_create(tmp_path)


def test_an_identity_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"Cannot write the identity .*: No such file"):
        load_or_create(tmp_path / "missing")


def test_of_two_starts_at_once_one_makes_it_and_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_made_a_key = threading.Barrier(2)
    link = os.link

    def together(made: Path, key_file: Path) -> None:
        both_made_a_key.wait(10)
        link(made, key_file)

    monkeypatch.setattr("os.link", together)
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
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


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
