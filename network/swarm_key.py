"""The swarm key: a shared secret that admits peers, too long to be guessed.

A file of hexadecimal digits, as `peer-cli swarm-key` writes them. Passphrases are not accepted:
a stranger that a peer connects to gets a MAC under the key, and could try passphrases on it
offline.
"""

import secrets
from pathlib import Path

KEY_BYTES = 32
MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 64
# A random key of 16 bytes has fewer distinct bytes about once in a million times.
_MIN_DIFFERENT_BYTES = 10


class SwarmKeyError(Exception):
    """The file is unreadable or holds no key; the message says in one line why and what to do."""


def new_key() -> str:
    """Return a new key as its file holds it, without the line ending."""
    return secrets.token_hex(KEY_BYTES)


def read_key(path: Path, made_by: str = "peer-cli swarm-key") -> bytes:
    """Return the key from a file; `made_by` is the command that makes one. Raises SwarmKeyError."""
    how_to_make_one = f"make one with: {made_by} > FILE"
    try:
        with path.open("rb") as file:
            text = file.read(4 * MAX_KEY_BYTES).strip()
    except OSError as error:
        raise SwarmKeyError(f"Cannot read the swarm key {path}: {error.strerror}.") from error
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:  # UnicodeDecodeError too
        key = b""
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise SwarmKeyError(
            f"The swarm key {path} must be {2 * MIN_KEY_BYTES} to {2 * MAX_KEY_BYTES} hexadecimal "
            f"digits; {how_to_make_one}."
        )
    if len(set(key)) < _MIN_DIFFERENT_BYTES:
        raise SwarmKeyError(
            f"The swarm key {path} repeats itself and could be guessed; {how_to_make_one}."
        )
    return key
