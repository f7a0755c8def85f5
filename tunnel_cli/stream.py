"""One stream: a TCP connection of this node on one side, frames of a link on the other.

Works on the socket directly, without an asyncio transport. It reads no more than the other side has
credit for, straight into the outgoing message, and passes on bytes from the link without a copy if
the socket accepts them.
"""

import asyncio
import contextlib
import socket
from collections import deque
from typing import Protocol

from tunnel_cli.credit import Budget, ReceiveWindow
from tunnel_cli.messages import CloseReason
from tunnel_cli.ports import reset
from tunnel_cli.wire import INITIAL_CREDIT, MAX_DATA, End

LINGER_S = 0.5  # how long a program may take to close its side after end of file
STALLED_S = 5.0  # how long the last bytes may stall before they are dropped
_REASONS: dict[End, CloseReason] = {
    End.RESET: "reset",
    End.REFUSED: "refused",
    End.TIMEOUT: "timeout",
    End.FAILOVER: "failover",
}


class Carrier(Protocol):
    """What a stream needs from its link."""

    congested: bool

    def data_buffer(self, limit: int) -> memoryview:
        """Return the buffer for the payload of the next DATA frame, at most `limit` bytes."""

    def send_data(self, stream: "Stream", count: int) -> None:
        """Send the first `count` bytes of the data buffer."""

    def send_fin(self, stream: "Stream") -> None:
        """Announce the end of data."""

    def send_end(self, stream: "Stream", end: End) -> None:
        """End the stream at once."""

    def send_credit(self, stream: "Stream", amount: int) -> None:
        """Let the other side send more."""

    def wait_for_room(self, stream: "Stream") -> None:
        """Call `stream.update_reading` when the link accepts data again."""

    def ended(self, stream: "Stream", reason: CloseReason) -> None:
        """Forget the stream."""


class Stream:
    """A stream, from its OPEN until both directions have ended."""

    def __init__(
        self, link: Carrier, number: int, tunnel: str, budget: Budget, window: int
    ) -> None:
        self.number = number
        self.tunnel = tunnel
        self.bytes_in = 0
        self.bytes_out = 0
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._receive = ReceiveWindow(budget, window)
        self._credit = INITIAL_CREDIT
        self._socket: socket.socket | None = None
        self._waiting: deque[memoryview] = deque()  # until the socket accepts it
        self._reading = self._writing = False
        self._fin_sent = self._fin_received = self._shut = False
        self._over = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes from the link that the program has not read yet."""
        return self._receive.buffered

    def attach(self, connection: socket.socket) -> None:
        """Take over a connected socket; sends bytes that have already arrived."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._flush()
        self.update_reading()

    # --- from the link ------------------------------------------------------------------------

    def on_data(self, payload: memoryview) -> bool:
        """Pass bytes to the program; False if the sender had no credit for them."""
        count = len(payload)
        if self._fin_received or not self._receive.take(count):
            return False
        self.bytes_in += count
        sent = 0
        if self._socket is not None and not self._waiting:
            sent = self._send(payload)
        if self._over:
            return True
        self._receive.hand_on(sent)
        if sent < count:
            self._waiting.append(memoryview(bytes(payload[sent:])))
            self._update_writing()
        self._grant()
        return True

    def on_fin(self) -> bool:
        """Pass the end to the program, after all data; False if it already came."""
        if self._fin_received:
            return False
        self._fin_received = True
        self._flush()
        return True

    def on_credit(self, amount: int) -> None:
        """Allow more bytes to be read from the program."""
        self._credit += amount
        self.update_reading()

    def on_end(self, end: End) -> None:
        """End as the other side says."""
        self.close(_REASONS.get(end, "reset"))

    # --- ending -------------------------------------------------------------------------------

    def end(self, end: End) -> None:
        """End at once, and tell the other side."""
        if not self._over:
            self._link.send_end(self, end)
            self.close(_REASONS[end])

    def close(self, reason: CloseReason) -> None:
        """End at once.

        At a failover, bytes that have arrived are still delivered, followed by an orderly end. Any
        other cut-off must not look like an end, so the program gets a reset.
        """
        if self._over:
            return
        self._over = True
        self._stop_watching()
        connection, self._socket = self._socket, None
        if connection is not None:
            if reason == "failover":
                Farewell(connection, self._waiting)
            elif reason == "closed":
                connection.close()
            else:
                reset(connection)
        self._waiting = deque()
        self._receive.close()
        self._link.ended(self, reason)

    # --- the socket ---------------------------------------------------------------------------

    def update_reading(self) -> None:
        """Read while there is credit and room on the link."""
        if self._socket is None:
            return
        wants = self._credit > 0 and not self._fin_sent
        if wants and self._link.congested:
            self._link.wait_for_room(self)
        may = wants and not self._link.congested
        if may == self._reading:
            return
        self._reading = may
        if may:
            self._loop.add_reader(self._socket, self._readable)
        else:
            self._loop.remove_reader(self._socket)

    def _readable(self) -> None:
        if self._socket is None:
            return
        if self._link.congested:
            self.update_reading()
            return
        try:
            count = self._socket.recv_into(self._link.data_buffer(min(self._credit, MAX_DATA)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end(End.RESET)
            return
        if count == 0:
            self._fin_sent = True
            self.update_reading()
            self._link.send_fin(self)
            self._close_if_done()
            return
        self._credit -= count
        self.bytes_out += count
        self._link.send_data(self, count)
        if self._credit == 0 or self._link.congested:
            self.update_reading()

    def _flush(self) -> None:
        """Send waiting bytes, and then the end, once it has come."""
        if self._socket is None:
            return
        while self._waiting:
            first = self._waiting[0]
            sent = self._send(first)
            if self._over:
                return
            self._receive.hand_on(sent)
            if sent < len(first):
                self._waiting[0] = first[sent:]
                break
            self._waiting.popleft()
        if not self._fin_received:
            self._grant()
        elif not self._waiting and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):  # the program is gone; reading will notice
                self._socket.shutdown(socket.SHUT_WR)
        self._update_writing()
        self._close_if_done()

    def _send(self, data: memoryview) -> int:
        """Send as much as the socket accepts now; end the stream if it is broken."""
        if self._socket is None:
            return 0
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.end(End.RESET)
            return 0

    def _grant(self) -> None:
        amount = 0 if self._fin_received else self._receive.grant()
        if amount:
            self._link.send_credit(self, amount)

    def _update_writing(self) -> None:
        if self._socket is None or bool(self._waiting) == self._writing:
            return
        self._writing = bool(self._waiting)
        if self._writing:
            self._loop.add_writer(self._socket, self._flush)
        else:
            self._loop.remove_writer(self._socket)

    def _close_if_done(self) -> None:
        if self._fin_sent and self._shut and not self._waiting:
            self.close("closed")

    def _stop_watching(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)


class Farewell:
    """The orderly end of a socket whose stream is over: last bytes, end of file, close.

    Closing with unread bytes would reset the connection and discard what was just sent. So this
    reads and drops what the program sends until it closes too, for at most LINGER_S.
    """

    def __init__(self, connection: socket.socket, waiting: deque[memoryview]) -> None:
        self._socket = connection
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self._shut = False
        self._deadline = self._loop.call_later(STALLED_S, self._close)
        self._loop.add_reader(connection, self._drop)
        self._loop.add_writer(connection, self._flush)

    def _flush(self) -> None:
        try:
            while self._waiting:
                sent = self._socket.send(self._waiting[0])
                self._waiting[0] = self._waiting[0][sent:]
                if not self._waiting[0]:
                    self._waiting.popleft()
                self._wait(STALLED_S)
            self._loop.remove_writer(self._socket)
            self._socket.shutdown(socket.SHUT_WR)
            self._wait(LINGER_S)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close()

    def _drop(self) -> None:
        try:
            if not self._socket.recv(MAX_DATA):
                if self._waiting:
                    self._loop.remove_reader(self._socket)
                else:
                    self._close()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close()

    def _wait(self, seconds: float) -> None:
        self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._deadline.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
