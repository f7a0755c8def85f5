"""A channel: a socket on which everything is sealed (see interfaces.Channel).

Two threads do the work, so that encryption and disk run side by side: one opens what comes, the
other seals what goes. The event loop only measures time.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pair_cli.handshake import Secured
from pair_cli.interfaces import MAX_MESSAGE, ChannelClosed
from pair_cli.messages import Health, LossReason, Mode
from pair_cli.receiver import Ended, Receiver
from pair_cli.sealing import Altered
from pair_cli.sender import Sender
from pair_cli.wire import HEARTBEAT, Kind, ProtocolError

GOODBYE_S = 1.0
MISSES = 3  # heartbeats without a sign of life that end a channel
_UNANSWERED = 16  # heartbeats whose time is remembered


class SecureChannel:
    """An interfaces.Channel on a connected socket, which it owns.

    `reason` and `detail` say why it is closed. `ended` is set when both threads have ended.
    """

    def __init__(
        self,
        connection: socket.socket,
        secured: Secured,
        peer: str,
        mode: Mode,
        addr: str,
        heartbeat_s: float,
        on_health: Callable[[], None],
    ) -> None:
        """Take over a socket on which both sides are proven. Call on the event loop."""
        self.peer = peer
        self.mode: Mode = mode
        self.addr = addr
        self.rtt_ms: float | None = None
        self.answered = 0
        self.reason: LossReason | None = None
        self.detail = ""
        self._is_closed = False
        self._connection = connection
        self._heartbeat_s = heartbeat_s
        self._on_health = on_health
        self._loop = asyncio.get_running_loop()
        self._sender = Sender(connection, secured.sending)
        self._receiver = Receiver(connection, secured.receiving, self._control)
        self._sent_at: dict[int, float] = {}  # heartbeats without an answer
        self._settling = threading.Lock()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="channel")
        connection.setblocking(True)
        self._running = [
            self._loop.run_in_executor(self._threads, work) for work in (self._receive, self._send)
        ]
        self._beating: asyncio.Handle = self._loop.call_soon(self._beat)

    @property
    def heard_at(self) -> float:
        """See interfaces.Channel."""
        return self._receiver.heard_at

    @property
    def closed(self) -> bool:
        """See interfaces.Channel."""
        return self._is_closed

    def send(self, message: bytes) -> None:
        """See interfaces.Channel."""
        if not 0 < len(message) <= MAX_MESSAGE:
            raise ValueError(f"a message has 1 to {MAX_MESSAGE} bytes, not {len(message)}")
        self._sender.send(Kind.MESSAGE, message)

    async def room(self) -> None:
        """See interfaces.Channel."""
        await self._sender.room()

    def send_block(self, number: int, data: memoryview) -> None:
        """See interfaces.Channel."""
        self._sender.send_block(number, data)

    def expect_block(self, number: int, into: memoryview, done: Callable[[], None]) -> None:
        """See interfaces.Channel."""
        self._receiver.expect(number, into, done)

    def forget_block(self, number: int) -> None:
        """See interfaces.Channel."""
        self._receiver.forget(number)

    async def receive(self) -> bytes:
        """Return the next message. Raises ChannelClosed after the last one."""
        return await self._receiver.receive()

    def confirm(self, payload: bytes) -> None:
        """Confirm the handshake, before anything else is sent."""
        self._sender.send(Kind.CONFIRM, payload)

    def close(self, reason: LossReason, detail: str = "") -> None:
        """End the channel, from any thread; the first reason stands."""
        self._settle(reason, detail)
        self._sender.stop()
        self._receiver.stop()
        self._is_closed = True
        with suppress(OSError):  # it is gone already
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes both threads

    def release(self) -> None:
        """Write into no buffer any more, although the channel may live a little longer."""
        self._receiver.release()

    async def leave(self) -> None:
        """Say goodbye, as far as that takes no longer than a second, and close.

        What the other still sends is read until it ends too: bytes that nobody reads would make the
        system reset the connection, and a reset overtakes the goodbye.
        """
        self._settle("left", "")
        with suppress(ChannelClosed, TimeoutError, OSError):
            async with asyncio.timeout(GOODBYE_S):
                self._sender.send(Kind.GOODBYE, b"")
                await self._sender.room(1)
                self._sender.stop()
                self._connection.shutdown(socket.SHUT_WR)
                await asyncio.shield(self._running[0])
        self.close("left")

    async def wait_ended(self) -> None:
        """Return when the channel is closed, both threads have ended, and so has the socket."""
        await asyncio.wait(self._running)
        self._beating.cancel()
        self._connection.close()
        self._threads.shutdown(wait=False)
        for running in self._running:
            running.result()  # a bug in a thread shows up here

    def _settle(self, reason: LossReason, detail: str) -> None:
        with self._settling:
            if self.reason is None:
                self.reason, self.detail = reason, detail

    # --- the threads --------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            self._receiver.run()
        except Ended as end:
            self.close("goodbye" if end.said else "connection-lost", str(end))
        except OSError as error:
            self.close("connection-lost", error.strerror or str(error))
        except (Altered, ProtocolError) as error:
            self.close("connection-lost", f"the other side broke the protocol: {error}")
        finally:
            self.close("connection-lost", "a bug ended it")  # if nothing else did

    def _send(self) -> None:
        try:
            self._sender.run()
        except OSError as error:
            self.close("connection-lost", error.strerror or str(error))

    # --- heartbeats ---------------------------------------------------------------------------

    def _control(self, kind: Kind, payload: bytes) -> None:
        if len(payload) != HEARTBEAT.size:
            raise ProtocolError("a heartbeat is no number")
        if kind == Kind.PING:
            self._sender.answer(payload)
            return
        sent_at = self._sent_at.pop(HEARTBEAT.unpack(payload)[0], None)
        if sent_at is not None:
            self.rtt_ms = (time.monotonic() - sent_at) * 1e3
            self.answered += 1

    @property
    def health(self) -> Health:
        """Degraded when a heartbeat and a half have passed without a sign of life."""
        if self.closed:
            return "disconnected"
        return "degraded" if self._silent_s() >= 1.5 * self._heartbeat_s else "healthy"

    def _silent_s(self) -> float:
        # While messages wait to be taken nothing is read, and so nothing can be heard.
        return 0.0 if self._receiver.is_full else time.monotonic() - self._receiver.heard_at

    def _beat(self, step: int = 0) -> None:
        """Send a heartbeat every second step, and end a channel on which nothing comes any more."""
        patience_s = MISSES * self._heartbeat_s - self._silent_s()
        if patience_s <= 0:
            self.close("timeout", f"nothing was heard for {MISSES} heartbeats")
        self._on_health()
        if self.closed:
            return
        if step % 2 == 0:
            self._sent_at[step] = time.monotonic()
            self._sent_at.pop(step - 2 * _UNANSWERED, None)
            with suppress(ChannelClosed):
                self._sender.send(Kind.PING, HEARTBEAT.pack(step))
        pause_s = min(self._heartbeat_s / 2, patience_s)
        self._beating = self._loop.call_later(pause_s, self._beat, step + 1)
