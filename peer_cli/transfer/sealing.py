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
        self._memory = memoryview(bytearray(_LENGTH_BYTES + SEALED_BYTES + _TAG_BYTES))

    def seal(self, plain: memoryview) -> memoryview:
        """Return the record for at most SEALED_BYTES bytes; the next one has the same memory."""
        length = len(plain) + _TAG_BYTES
        record = self._memory[: _LENGTH_BYTES + length]
        record[:_LENGTH_BYTES] = length.to_bytes(_LENGTH_BYTES, "big")
        nonce = self._number.to_bytes(12, "big")
        self._cipher.encrypt_into(nonce, plain, None, record[_LENGTH_BYTES:])
        self._number += 1
        return record


class Opener:
    """Decrypts what is received, and returns it in portions of any size."""

    def __init__(self, receive: Callable[[memoryview], int], key: bytes) -> None:
        """`receive` fills the start of the given memory, as `socket.recv_into` does."""
        self._receive = receive
        self._cipher = AESGCM(key)
        self._number = 0
        self._sealed = memoryview(bytearray(SEALED_BYTES + _TAG_BYTES))
        self._opened = memoryview(bytearray(SEALED_BYTES))
        self._plain = self._opened[:0]

    def read_into(self, memory: memoryview) -> int:
        """Put the next bytes at the start of `memory`; return how many, 0 at the end.

        Raises SealError.
        """
        if not self._plain:
            sealed = self._next_record()
            if sealed is None:
                return 0
            length = len(sealed) - _TAG_BYTES
            if length <= len(memory):  # no need to copy it
                return self._open(sealed, memory[:length])
            self._plain = self._opened[: self._open(sealed, self._opened[:length])]
        count = min(len(memory), len(self._plain))
        memory[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _next_record(self) -> memoryview | None:
        header = self._sealed[:_LENGTH_BYTES]
        if not self._fill(header):
            return None
        length = int.from_bytes(header, "big")
        if not _TAG_BYTES < length <= len(self._sealed):
            raise SealError("a sealed record has an impossible length")
        sealed = self._sealed[:length]
        if not self._fill(sealed):
            raise SealError("the connection ended within a sealed record")
        return sealed

    def _open(self, sealed: memoryview, plain: memoryview) -> int:
        """Decrypt a record into memory, which is garbage if this raises; return its length."""
        try:
            count = self._cipher.decrypt_into(self._number.to_bytes(12, "big"), sealed, None, plain)
        except InvalidTag:
            raise SealError("a sealed record is not what the source sent") from None
        self._number += 1
        return count

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
