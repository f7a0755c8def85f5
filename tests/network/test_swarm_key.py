import random
import secrets
from pathlib import Path

import pytest

from network.swarm_key import SwarmKeyError, new_key, read_key


def key_file(folder: Path, content: bytes) -> Path:
    file = folder / "swarm.key"
    file.write_bytes(content)
    return file


def test_a_new_key_is_one_and_no_other_is_like_it(tmp_path: Path) -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        read = read_key(key_file(tmp_path, key.encode() + b"\n"))
        assert (len(read), read.hex()) == (32, key)


@pytest.mark.parametrize("size", [16, 64])
def test_keys_of_one_s_own(tmp_path: Path, size: int) -> None:
    key = secrets.token_bytes(size)
    for text in (key.hex(), key.hex().upper(), f"  {key.hex()}\r\n"):
        assert read_key(key_file(tmp_path, text.encode())) == key


# The same in every process, or the workers of a parallel run would collect different tests.
RANDOM = random.Random("a key").randbytes(1 << 20)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hunter2",
        b"correct horse battery staple, and more of the like",
        RANDOM[:15].hex().encode(),
        RANDOM[:16].hex().encode()[:-1],
        RANDOM[:65].hex().encode(),
        RANDOM[:32],
        b"0" * 64,
        b"0123456789abcdef" * 4,
        RANDOM,
    ],
)
def test_what_could_be_guessed_is_no_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SwarmKeyError, match="make one with: peer-cli swarm-key > FILE") as caught:
        read_key(key_file(tmp_path, content))
    assert str(tmp_path / "swarm.key") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SwarmKeyError, match=r"Cannot read the swarm key .*: Is a directory"):
        read_key(tmp_path)
