"""Encryption of a data connection, for users who switch it on (docs/wire-protocol.md).

    record = length of what follows (u32, big-endian), ciphertext, tag (16 bytes)

AES-256-GCM. The key came with the ticket, over the encrypted control session, and is used for
nothing else. The nonce is the record's number (96 bits, big-endian, from 0).
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEALED_BYTES = 1 << 20
"""The most plaintext bytes in a record."""
KEY_BYTES = 32
_TAG_BYTES = 16
_LENGTH_BYTES = 4


class SealError(Exception):
    """The received bytes are not what the other side sealed, or end within a record."""


class Sealer:
    """Encrypts what is sent, record by record."""

    def __init__(self, key: bytes) -> None:
        """`key`: KEY_BYTES bytes, used for no other connection."""
        self._cipher = AESGCM(key)
        self._number = 0

    def seal(self, plain: memoryview) -> bytes:
        """Return the record for at most SEALED_BYTES bytes."""
        sealed = self._cipher.encrypt(self._number.to_bytes(12, "big"), plain, None)
        self._number += 1
        return len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed


class Opener:
    """Decrypts what is received, and returns it in portions of any size."""

    def __init__(self, receive: Callable[[memoryview], int], key: bytes) -> None:
        """`receive` fills the start of the given memory, as `socket.recv_into` does."""
        self._receive = receive
        self._cipher = AESGCM(key)
        self._number = 0
        self._memory = memoryview(bytearray(SEALED_BYTES + _TAG_BYTES))
        self._plain = memoryview(b"")

    def read_into(self, memory: memoryview) -> int:
        """Put the next bytes at the start of `memory`; return how many, 0 at the end.

        Raises SealError.
        """
        if not self._plain and not self._next_record():
            return 0
        count = min(len(memory), len(self._plain))
        memory[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _next_record(self) -> bool:
        header = self._memory[:_LENGTH_BYTES]
        if not self._fill(header):
            return False
        length = int.from_bytes(header, "big")
        if not _TAG_BYTES < length <= len(self._memory):
            raise SealError("a sealed record has an impossible length")
        sealed = self._memory[:length]
        if not self._fill(sealed):
            raise SealError("the connection ended within a sealed record")
        try:
            plain = self._cipher.decrypt(self._number.to_bytes(12, "big"), sealed, None)
        except InvalidTag:
            raise SealError("a sealed record is not what the source sent") from None
        self._number += 1
        self._plain = memoryview(plain)
        return True

    def _fill(self, memory: memoryview) -> bool:
        """Fill the memory; False if the connection ends before its first byte."""
        filled = 0
        while filled < len(memory):
            count = self._receive(memory[filled:])
            if count == 0:
                if filled:
                    raise SealError("the connection ended within a sealed record")
                return False
            filled += count
        return True
