"""One direction of a channel: AES-256-GCM with counted nonces, and a new key from time to time.

Both sides count the same frames and bytes, so they change keys at the same frame without a word. A
nonce is the number of the frame under its key, so none ever repeats, and a frame that is lost,
repeated or moved does not open. Old keys are forgotten: who learns today's cannot read the past.
"""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

TAG_BYTES = 16
SECRET_BYTES = 64
REKEY_FRAMES = 1 << 20
REKEY_BYTES = 1 << 30
_NONCE = struct.Struct(">IQ")
_KEY_BYTES = 32
_REKEY = b"pair-cli rekey 1"


class Altered(Exception):  # noqa: N818 - reads well where it is raised and caught
    """A frame was not made by the other side, or not at this place."""


class Sealing:
    """Seals or opens the frames of one direction, in order. One thread at a time."""

    def __init__(
        self, secret: bytes, *, frames: int = REKEY_FRAMES, most_bytes: int = REKEY_BYTES
    ) -> None:
        """Begin with a secret of 64 bytes; tests pass when to change the key."""
        self._secret = secret
        self._frames = frames
        self._most_bytes = most_bytes
        self._rekey()

    def seal_into(self, plain: memoryview, head: bytes, out: memoryview) -> None:
        """Encrypt into `out`, which is 16 bytes longer; `head` is authenticated with it."""
        self._cipher.encrypt_into(self._nonce(), plain, head, out)
        self._count(len(out))

    def open_into(self, sealed: memoryview, head: bytes, out: memoryview) -> None:
        """Decrypt into `out`, which is 16 bytes shorter. Raises Altered; `out` is then garbage."""
        try:
            self._cipher.decrypt_into(self._nonce(), sealed, head, out)
        except InvalidTag:
            raise Altered("a frame does not open: it was altered, repeated or left out") from None
        self._count(len(sealed))

    def seal(self, plain: bytes, head: bytes) -> bytes:
        """Encrypt a short frame."""
        out = bytearray(len(plain) + TAG_BYTES)
        self.seal_into(memoryview(plain), head, memoryview(out))
        return bytes(out)

    def open(self, sealed: memoryview, head: bytes) -> bytes:
        """Decrypt a short frame. Raises Altered."""
        out = bytearray(len(sealed) - TAG_BYTES)
        self.open_into(sealed, head, memoryview(out))
        return bytes(out)

    def _nonce(self) -> bytes:
        return _NONCE.pack(0, self._number)

    def _count(self, count: int) -> None:
        self._number += 1
        self._bytes += count
        if self._number >= self._frames or self._bytes >= self._most_bytes:
            self._rekey()

    def _rekey(self) -> None:
        derived = HKDFExpand(
            algorithm=SHA512(), length=_KEY_BYTES + SECRET_BYTES, info=_REKEY
        ).derive(self._secret)
        self._secret = derived[_KEY_BYTES:]
        self._cipher = AESGCM(derived[:_KEY_BYTES])
        self._number = 0
        self._bytes = 0
