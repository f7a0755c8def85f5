"""The data plane: bulk bytes over ticketed connections, with plain threads and blocking sockets.

The kernel moves the bytes: `sendfile` on the source; on the receiver `splice` through a pipe, or
`recv_into` where there is no `splice`. Another thread checks what has arrived (verify.py).
"""

import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from network.address import Address
from network.limits import RateLimiter
from network.pace import MIN_RATE, Pace
from peer_cli.network import wire
from peer_cli.transfer.records import HEADER_BYTES, RECORD_BYTES, RecordWriter
from peer_cli.transfer.sealing import SEALED_BYTES, Opener, Sealer, SealError

RECEIVER_STALL_S = 10.0  # give up on a receiver that takes nothing for this long
PIPE_BYTES = 1 << 20
# Receivers with a limit below this (bytes per second) keep their socket buffer small. With one of
# megabytes, the source would see progress only every half minute.
SLOW_RECEIVER = 1 << 20
SLOW_RECEIVER_BUFFER = 64 << 10
_GONE = "the receiver is gone"
BECAME_SHORTER = "the file became shorter while it was sent"
_ENDED_EARLY = "the source ended the connection early"
SLICE_BYTES = 8 << 20  # bytes between two checks for a cancel
TOGETHER_BYTES = 256 << 10  # of small pieces that are sent, and received, at once


class TransferLostError(Exception):
    """The connection ended, stalled or could not be opened; the text says what happened."""


class NoProgressError(TransferLostError):
    """The other side is there, but moves nothing or less than the minimum rate."""


class TransferCancelledError(Exception):
    """This side cancelled the transfer."""


class StorageError(OSError):
    """Writing to this side's disk, or reading back from it, failed."""


class DataConnection:
    """A data connection that any thread may cancel."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.cancelled = threading.Event()
        self.moved_bytes = 0
        self._socket: socket.socket | None = None
        self._on_cancel: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._stall_s = 0.0
        self._pace = Pace(0.0)
        self._waited_s = 0.0  # since bytes last moved
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self._pipe: tuple[int, int] | None = None

    def seal(self, key: bytes | None) -> None:
        """Encrypt everything sent and received from now on, if there is a key."""
        if key is not None:
            self._sealer, self._opener = Sealer(key), Opener(self._receive_plain, key)

    def attach(self, connection: socket.socket, stall_s: float) -> None:
        """Take over a socket; no single wait on it will be longer than `stall_s`.

        The other side must keep up `pace.MIN_RATE`, averaged over twice that much waiting.
        """
        connection.settimeout(None)
        timeout = struct.pack("@ll", int(stall_s), int(stall_s % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._stall_s, self._pace = stall_s, Pace(2 * stall_s)
        with self._lock:
            self._socket = connection
        self._check_cancelled()

    def open(self, address: Address, source_ip: str | None, ticket: bytes, stall_s: float) -> None:
        """Connect to a source and present the ticket. Raises TransferLostError."""
        try:
            connection = socket.socket(address.family, socket.SOCK_STREAM)
            # Before connecting, so that a cancel ends that too.
            self.attach(connection, stall_s)
            rate = self.limiter.rate
            if rate is not None and rate < SLOW_RECEIVER:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVER_BUFFER)
            if source_ip:
                connection.bind(Address(source_ip, 0).for_socket())
            connection.connect(address.for_socket())
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(wire.DATA_MAGIC + ticket)
        except OSError as error:
            self._check_cancelled()
            raise TransferLostError(f"no data connection to {address}: {error}") from error

    def cancel(self) -> None:
        """Cut the connection; the threads that use it get TransferCancelledError."""
        self.cancelled.set()
        with self._lock:
            if self._socket is not None:
                # Makes the close reset the connection. After an orderly close with a full window,
                # the other side would probe for minutes, since a shut-down reader sends no window
                # updates.
                reset = struct.pack("@ii", 1, 0)
                with contextlib.suppress(OSError):  # the other side has already closed it
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    self._socket.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                self._on_cancel()

    def on_cancel(self, action: Callable[[], None]) -> None:
        """Also call `action` on a cancel. Raises TransferCancelledError if already cancelled."""
        with self._lock:
            self._on_cancel = action
        self._check_cancelled()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)

    def send_file(self, file: int, offset: int, length: int) -> None:
        """Send bytes of an open file. Raises TransferLostError, TransferCancelledError."""
        self._connection().setblocking(False)
        end = offset + length
        while offset < end:
            count = self._slice(end - offset)
            if self._sealer is None:
                sent = self._send(partial(os.sendfile, self._descriptor(), file, offset, count))
            else:
                data = os.pread(file, min(count, SEALED_BYTES), offset)
                sent = self._send_all(memoryview(data))
            if sent == 0:
                raise TransferLostError(BECAME_SHORTER)
            offset += sent
            self._moved(sent)

    def send_bytes(self, data: memoryview) -> None:
        """Send all of the data. Raises TransferLostError, TransferCancelledError."""
        self._connection().setblocking(False)
        while data:
            count = self._slice(len(data))
            self._moved(self._send_all(data[:count]))
            data = data[count:]

    def receive_into_file(self, file: int, offset: int, length: int) -> None:
        """Receive exactly `length` bytes into an open file.

        Raises TransferLostError, TransferCancelledError, StorageError.
        """
        end = offset + length
        if self._pipe is None and self._opener is None:
            self._pipe = _pipe()
        way = self._pipe or memoryview(bytearray(min(length, PIPE_BYTES)))
        while offset < end:
            count = min(self._slice(end - offset), PIPE_BYTES)
            offset += self._receive_some(way, file, offset, count)

    def receive_all(self, buffer: memoryview) -> None:
        """Receive exactly len(buffer) bytes. Raises TransferLostError, TransferCancelledError."""
        while buffer:
            received = self.receive_some(buffer)
            if received == 0:
                raise TransferLostError(_ENDED_EARLY)
            buffer = buffer[received:]

    def receive_some(self, buffer: memoryview) -> int:
        """Receive at most len(buffer) bytes into it; 0 at the end of the stream.

        Raises TransferLostError, TransferCancelledError.
        """
        if self._opener is None:
            return self._receive_plain(buffer)
        moved = self.moved_bytes
        try:
            received = self._opener.read_into(buffer)
        except SealError as error:
            raise TransferLostError(str(error)) from error
        self.moved_bytes = moved + received  # of plaintext, as readers of this count them
        return received

    def _receive_plain(self, buffer: memoryview) -> int:
        count = self._slice(len(buffer))
        received = self._receive(partial(self._connection().recv_into, buffer, count))
        self._moved(received)
        return received

    def send_records(self, pipe: int, records: RecordWriter) -> None:
        """Send everything from a pipe, no faster than the receiver takes it.

        Raises TransferLostError, TransferCancelledError.
        """
        self._connection().setblocking(False)
        either = select.poll()
        either.register(pipe, select.POLLIN)
        either.register(self._descriptor(), select.POLLIN)
        memory = memoryview(bytearray(HEADER_BYTES + RECORD_BYTES))
        while True:
            # The receiver may leave while the pipe is silent.
            either.poll()
            self._check_receiver()
            end = HEADER_BYTES + self._slice(RECORD_BYTES)
            end = HEADER_BYTES + os.readv(pipe, [memory[HEADER_BYTES:end]])
            if end == HEADER_BYTES:
                return
            memory[:HEADER_BYTES] = records.header(memory[HEADER_BYTES:end])
            self._moved(self._send_all(memory[:end]))

    def _send_all(self, data: memoryview) -> int:
        """Send all of the data; return its length."""
        if self._sealer is not None:
            for start in range(0, len(data), SEALED_BYTES):
                self._send_bytes(self._sealer.seal(data[start : start + SEALED_BYTES]))
        else:
            self._send_bytes(data)
        return len(data)

    def _send_bytes(self, data: memoryview) -> None:
        sent = 0
        while sent < len(data):
            sent += self._send(partial(self._connection().send, data[sent:]))

    def _send(self, send: Callable[[], int]) -> int:
        """Send on the non-blocking socket as soon as the receiver has room."""
        while True:
            self._check_receiver()
            try:
                return send()
            except BlockingIOError:
                self._wait_for_receiver()
            except OSError as error:
                self._check_cancelled()
                raise _lost(error, "the receiver") from error

    def _wait_for_receiver(self) -> None:
        waiting = select.poll()
        waiting.register(self._descriptor(), select.POLLIN | select.POLLOUT)
        began = time.monotonic()
        if not waiting.poll(self._stall_s * 1000):
            raise NoProgressError("the receiver stalled")
        self._waited_s += time.monotonic() - began

    def _receive(self, receive: Callable[[], int]) -> int:
        """Receive some bytes; 0 means the end."""
        began = time.monotonic()
        try:
            return receive()
        except BlockingIOError as error:
            self._check_cancelled()
            raise NoProgressError("the source stalled") from error
        except OSError as error:
            self._check_cancelled()
            raise _lost(error, "the source") from error
        finally:
            self._waited_s += time.monotonic() - began

    def _receive_some(
        self, way: tuple[int, int] | memoryview, file: int, offset: int, count: int
    ) -> int:
        """Receive some bytes into a file, by way of a pipe or of memory."""
        if isinstance(way, memoryview):
            received = self.receive_some(way[:count])
        else:
            received = self._receive(partial(os.splice, self._descriptor(), way[1], count))
            self._moved(received)
        if received == 0:
            raise TransferLostError(_ENDED_EARLY)
        try:
            written = 0
            while written < received:
                if isinstance(way, memoryview):
                    written += os.pwrite(file, way[written:received], offset + written)
                else:
                    written += os.splice(
                        way[0], file, received - written, offset_dst=offset + written
                    )
        except OSError as error:
            raise StorageError(error.strerror or str(error)) from error
        return received

    def _slice(self, wanted: int) -> int:
        return self.limiter.slice_size(min(wanted, SLICE_BYTES))

    def _moved(self, count: int) -> None:
        """Count bytes and charge the limiter; afterwards, as fewer may move than asked."""
        self.moved_bytes += count
        waited_s, self._waited_s = self._waited_s, 0.0
        if not self._pace.keeps(waited_s, count):
            raise NoProgressError(f"the other side moves less than {MIN_RATE} bytes per second")
        if not self.limiter.acquire(count, self.cancelled):
            raise TransferCancelledError
        self._check_cancelled()

    def _check_receiver(self) -> None:
        """Raise TransferLostError if the receiver closed or sent anything after its ticket.

        Sending to a machine or container that has gone away does not raise an error.
        """
        try:
            said = self._connection().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._check_cancelled()
            raise _lost(error, "the receiver") from error
        self._check_cancelled()
        raise TransferLostError("the receiver says more than its ticket" if said else _GONE)

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
    return TransferLostError(f"{who} was lost: {error.strerror or error}")


def _pipe() -> tuple[int, int] | None:
    """Open a pipe to splice through; None where there is no splice."""
    if sys.platform != "linux":
        return None
    import fcntl

    reading, writing = os.pipe()
    with contextlib.suppress(OSError):  # a user over the pipe quota gets 64 KiB
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reading, writing
