"""Data connections: blocks by hash and number, inside TLS, with plain threads.

Formats: docs/sync-protocol.md, "Data connections". Blocking sockets: a thread moves more bytes than
the event loop, and OpenSSL encrypts outside of Python's lock.
"""

import contextlib
import hashlib
import io
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from network.address import Address, reaches_directly
from network.errors import plain
from network.frames import WireError, encode_frame
from network.limits import RateLimiter
from network.pace import MIN_RATE, Pace
from sync_cli import wire
from sync_cli.model import BLOCK_SIZE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

OPEN_TIMEOUT_S = 5.0
STALL_S = 10.0
IDLE_S = 60.0  # a holder closes a connection on which nothing is asked for so long
SEND_BYTES = 256 << 10  # small answers are sent together
# Large ones are sent in pieces, since a stall is counted for each: a whole block could take longer
# on a slow line, or with a low limit.
PIECE_BYTES = 64 << 10
READ_BYTES = 64 << 10  # and read together: each read waits for Python's lock
MAX_REQUEST_BYTES = 64 << 10
_LENGTH = struct.Struct(">I")


class LineLostError(Exception):
    """The connection ended, stalled or could not be opened; the text says what happened."""


class BadHolderError(Exception):
    """The other side broke the protocol or is somebody else; the text says how."""


class Line:
    """A TLS connection with blocking calls, which any thread may `cut`."""

    def __init__(self, connection: socket.socket) -> None:
        self.cut_off = threading.Event()
        self._plain = connection
        self._tls: ssl.SSLSocket | None = None
        self._paced: _Paced | None = None
        self._reader: io.BufferedReader | None = None

    def secure(self, context: ssl.SSLContext, *, accepting: bool) -> bytes | None:
        """Do the TLS handshake; return the SHA-256 of the other side's certificate, if it has one.

        Raises OSError; ssl.SSLError is one.
        """
        self._plain.settimeout(OPEN_TIMEOUT_S)
        self._tls = context.wrap_socket(self._plain, server_side=accepting)
        self._tls.settimeout(STALL_S)
        self._paced = _Paced(self._tls)
        self._reader = io.BufferedReader(self._paced, READ_BYTES)
        certificate = self._tls.getpeercert(binary_form=True)
        return hashlib.sha256(certificate).digest() if certificate else None

    def cut(self) -> None:
        """End the connection; whoever uses it gets an OSError."""
        self.cut_off.set()
        with contextlib.suppress(OSError):
            self._plain.shutdown(socket.SHUT_RDWR)
        if self._tls is not None:
            with contextlib.suppress(OSError):
                # Of the underlying socket: `SSLSocket.shutdown` drops the TLS state under a reader.
                socket.socket.shutdown(self._tls, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it, from the thread that uses it."""
        if self._reader is not None:
            self._reader.close()
        (self._tls or self._plain).close()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data. Raises OSError."""
        assert self._tls is not None
        self._tls.sendall(data)

    def wait(self, timeout_s: float) -> None:
        """Wait until the other side says something more. Raises OSError, EOFError."""
        assert self._tls is not None
        assert self._paced is not None
        assert self._reader is not None
        self._tls.settimeout(timeout_s)
        self._paced.pace = None  # whoever has nothing to say is not slow
        if not self._reader.peek(1):
            raise EOFError
        self._paced.pace = Pace(2 * STALL_S)
        self._tls.settimeout(STALL_S)

    def fill(self, memory: memoryview) -> None:
        """Fill the memory with what comes next. Raises OSError, EOFError."""
        assert self._reader is not None
        if self._reader.readinto(memory) < len(memory):
            raise EOFError


class _Paced(io.RawIOBase):
    """Reads from a connection, while the other side keeps up the minimum rate if there is a pace.

    It is asked at every read, not only when a block is whole.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.pace: Pace | None = Pace(2 * STALL_S)
        self._connection = connection

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, memory: "WriteableBuffer", /) -> int:
        """Put what comes next at the start of the memory; return how much, 0 at the end."""
        began = time.monotonic()
        count = self._connection.recv_into(memory)
        if self.pace is not None and not self.pace.keeps(time.monotonic() - began, count):
            raise TimeoutError(f"it sends less than {MIN_RATE} bytes per second")
        return count


class HolderLine:
    """A connection to a holder, over which blocks are asked for."""

    def __init__(self, address: Address, own_ip: str, limiter: RateLimiter) -> None:
        self._address = address
        self._limiter = limiter
        connection = socket.socket(address.family, socket.SOCK_STREAM)
        self._line = Line(connection)
        self._connection = connection
        self._own_ip = own_ip if reaches_directly(own_ip, address.ip) else None
        self._memory = memoryview(bytearray(BLOCK_SIZE))

    def open(self, context: ssl.SSLContext, certificate: bytes, token: bytes) -> None:
        """Connect to whoever has that certificate (SHA-256), and show the token it gave.

        Raises LineLostError, BadHolderError.
        """
        try:
            self._connection.settimeout(OPEN_TIMEOUT_S)
            if self._own_ip is not None:
                self._connection.bind(Address(self._own_ip, 0).for_socket())
            self._connection.connect(self._address.for_socket())
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.sendall(wire.DATA_MAGIC)
            if self._line.secure(context, accepting=False) != certificate:
                raise BadHolderError(f"{self._address} has another certificate than it told")
            self._line.send(token)
        except OSError as error:
            raise LineLostError(f"no data connection to {self._address}: {plain(error)}") from error

    def fetch(
        self, wanted: Sequence[tuple[bytes, int]], sizes: Sequence[int]
    ) -> Iterator[memoryview | None]:
        """Yield each wanted block in order, None for one that the holder does not have.

        The memory is used again for the next one. Raises LineLostError, BadHolderError.
        """
        header = memoryview(bytearray(_LENGTH.size))
        try:
            self._line.send(encode_frame(wire.Want(blocks=list(wanted))))
            for size in sizes:
                self._line.fill(header)
                (length,) = _LENGTH.unpack(header)
                if length == wire.NOT_HELD:
                    yield None
                    continue
                if length != size:
                    raise BadHolderError(f"{self._address} sent {length} bytes instead of {size}")
                rest = self._memory[:size]
                while rest:
                    piece = rest[: self._limiter.slice_size(len(rest))]
                    self._line.fill(piece)
                    if not self._limiter.acquire(len(piece), self._line.cut_off):
                        raise EOFError
                    rest = rest[len(piece) :]
                yield self._memory[:size]
        except (OSError, EOFError) as error:
            text = plain(error) if isinstance(error, OSError) else "it ended the connection"
            raise LineLostError(f"{self._address}: {text}") from error

    def cut(self) -> None:
        """End the connection from another thread."""
        self._line.cut()

    def close(self) -> None:
        """Close it, from the thread that uses it."""
        self._line.close()


def serve(
    line: Line,
    read_block: Callable[[bytes, int], bytes | None],
    limiter: RateLimiter,
) -> None:
    """Answer requests until the other side leaves. Raises OSError, EOFError, WireError."""

    def send(data: bytes | bytearray) -> bool:
        rest = memoryview(data)
        while rest:
            piece = rest[: limiter.slice_size(min(len(rest), PIECE_BYTES))]
            if not limiter.acquire(len(piece), line.cut_off):
                return False
            line.send(piece)
            rest = rest[len(piece) :]
        return True

    header = memoryview(bytearray(_LENGTH.size))
    while True:
        line.wait(IDLE_S)
        line.fill(header)
        (length,) = _LENGTH.unpack(header)
        if length > MAX_REQUEST_BYTES:
            raise WireError(f"A request of {length} bytes is too long.")
        request = bytearray(length)
        line.fill(memoryview(request))
        answer = bytearray()
        for content, number in wire.decode_want(bytes(request)).blocks:
            block = read_block(content, number)
            answer += _LENGTH.pack(wire.NOT_HELD if block is None else len(block))
            if block is None:
                continue
            if len(answer) + len(block) < limiter.slice_size(SEND_BYTES):
                answer += block
                continue
            if not (send(answer) and send(block)):
                return
            answer = bytearray()
        if not send(answer):
            return
