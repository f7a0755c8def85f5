"""The data plane: bulk bytes over ticketed connections, in plain threads on blocking sockets.

The kernel moves the bytes: `sendfile` on the source, `splice` through a pipe on the receiver
(`recv_into` where the system has none). What arrived is read back from the page cache and hashed
block by block.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator

from peer_cli.limits import RateLimiter
from peer_cli.network import wire
from peer_cli.network.address import Address

RECEIVER_STALL_S = 30.0  # a receiver that takes nothing for so long is given up
PIPE_BYTES = 1 << 20
SLICE_BYTES = 8 << 20  # so much between two looks at whether the transfer is cancelled


class TransferLostError(Exception):
    """The connection ended, stalled or could not be opened; the text says which."""


class TransferCancelledError(Exception):
    """This side has cancelled the transfer."""


class StorageError(OSError):
    """Writing or reading back on this side's disk failed."""


class DataConnection:
    """A data connection that any thread can cut."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.cancelled = threading.Event()
        self.moved_bytes = 0
        self._socket: socket.socket | None = None
        self._on_cancel: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def attach(self, connection: socket.socket, stall_s: float) -> None:
        """Take over a connected socket; no single wait on it will be longer than `stall_s`."""
        connection.settimeout(None)
        timeout = struct.pack("@ll", int(stall_s), int(stall_s % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        with self._lock:
            self._socket = connection
        self._check_cancelled()

    def open(self, address: Address, source_ip: str | None, ticket: bytes, stall_s: float) -> None:
        """Connect to a source and present the ticket. Raises TransferLostError."""
        try:
            connection = socket.create_connection(
                (address.ip, address.port), stall_s, (source_ip, 0) if source_ip else None
            )
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.attach(connection, stall_s)
            connection.sendall(wire.DATA_MAGIC + ticket)
        except OSError as error:
            self._check_cancelled()
            raise TransferLostError(f"no data connection to {address}: {error}") from error

    def cancel(self) -> None:
        """Cut the connection; whoever works on it gets TransferCancelledError."""
        self.cancelled.set()
        with self._lock, contextlib.suppress(OSError):
            self._on_cancel()
            if self._socket is not None:
                # So that closing resets the connection: after an orderly close of a full window the
                # other side would probe it for minutes (no update is sent once reading is shut).
                reset = struct.pack("@ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                self._socket.shutdown(socket.SHUT_RDWR)

    def on_cancel(self, action: Callable[[], None]) -> None:
        """Do this too when the transfer is cancelled. Raises TransferCancelledError when it was."""
        with self._lock:
            self._on_cancel = action
        self._check_cancelled()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def send_file(self, file: int, offset: int, length: int) -> None:
        """Send bytes of an open file. Raises TransferLostError, TransferCancelledError."""
        end = offset + length
        while offset < end:
            self._check_receiver()
            count = self._slice(end - offset)
            try:
                sent = os.sendfile(self._descriptor(), file, offset, count)
            except OSError as error:
                self._check_cancelled()
                raise _lost(error, "the receiver") from error
            if sent == 0:
                raise TransferLostError("the file became shorter while it was sent")
            offset += sent
            self._moved(sent)

    def receive_into_file(self, file: int, offset: int, length: int) -> None:
        """Receive exactly `length` bytes into an open file.

        Raises TransferLostError, TransferCancelledError, StorageError.
        """
        end = offset + length
        with _pipe() as pipe:
            while offset < end:
                count = self._slice(end - offset)
                offset += self._receive_some(pipe, file, offset, count)

    def receive_some(self, buffer: memoryview) -> int:
        """Receive at most len(buffer) bytes into it; 0 at the end of the stream.

        Raises TransferLostError, TransferCancelledError.
        """
        count = self._slice(len(buffer))
        try:
            received = self._connection().recv_into(buffer, count)
        except OSError as error:
            self._check_cancelled()
            raise _lost(error, "the source") from error
        self._moved(received)
        return received

    def send_pipe(self, pipe: int) -> None:
        """Send what comes out of a pipe until its end, no faster than the receiver takes it.

        Raises TransferLostError, TransferCancelledError.
        """
        either = select.poll()
        either.register(pipe, select.POLLIN)
        either.register(self._descriptor(), select.POLLIN)
        while True:
            # A receiver may go while the pipe has nothing for it.
            either.poll()
            self._check_receiver()
            count = self._slice(PIPE_BYTES)
            try:
                if sys.platform == "linux":
                    sent = os.splice(pipe, self._descriptor(), count)
                else:
                    data = os.read(pipe, count)
                    self._connection().sendall(data)
                    sent = len(data)
            except OSError as error:
                self._check_cancelled()
                raise _lost(error, "the receiver") from error
            if sent == 0:
                return
            self._moved(sent)

    def _receive_some(
        self, pipe: tuple[int, int] | None, file: int, offset: int, count: int
    ) -> int:
        if pipe is None:
            buffer = memoryview(bytearray(min(count, PIPE_BYTES)))
            received = self.receive_some(buffer)
        else:
            try:
                received = os.splice(self._descriptor(), pipe[1], min(count, PIPE_BYTES))
            except OSError as error:
                self._check_cancelled()
                raise _lost(error, "the source") from error
            self._moved(received)
        if received == 0:
            raise TransferLostError("the source ended the connection early")
        try:
            written = 0
            while written < received:
                if pipe is None:
                    written += os.pwrite(file, buffer[written:received], offset + written)
                else:
                    written += os.splice(
                        pipe[0], file, received - written, offset_dst=offset + written
                    )
        except OSError as error:
            raise StorageError(error.strerror or str(error)) from error
        return received

    def _slice(self, wanted: int) -> int:
        return self.limiter.slice_size(min(wanted, SLICE_BYTES))

    def _moved(self, count: int) -> None:
        """Count bytes and pay for them; after the fact, since less may move than was asked for."""
        self.moved_bytes += count
        if not self.limiter.acquire(count, self.cancelled):
            raise TransferCancelledError
        self._check_cancelled()

    def _check_receiver(self) -> None:
        """Raise TransferLostError when the receiver has closed: it says nothing after its ticket.

        What is sent to a machine, or container, that is no more comes back as no error.
        """
        try:
            ended = not self._connection().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._check_cancelled()
            raise _lost(error, "the receiver") from error
        if ended:
            self._check_cancelled()
            raise TransferLostError("the receiver is gone")

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise TransferCancelledError
        return self._socket

    def _descriptor(self) -> int:
        return self._connection().fileno()

    def _check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise TransferCancelledError


def _lost(error: OSError, who: str) -> TransferLostError:
    if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
        return TransferLostError(f"{who} stalled")
    return TransferLostError(f"{who} was lost: {error.strerror or error}")


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int] | None]:
    if sys.platform != "linux":
        yield None
        return
    import fcntl

    reading, writing = os.pipe()
    try:
        with contextlib.suppress(OSError):  # a user over the pipe quota keeps 64 KiB
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def read_block(file: int, offset: int, buffer: memoryview) -> bool:
    """Fill the buffer from an open file; False when the file is shorter."""
    filled = 0
    while filled < len(buffer):
        count = os.preadv(file, [buffer[filled:]], offset + filled)
        if count == 0:
            return False
        filled += count
    return True
