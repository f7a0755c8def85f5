"""One open control session: messages both ways, and whether the other side is alive."""

import asyncio
from typing import Literal, Protocol, TypeAlias

from network.address import Address
from network.frames import Message, WireError, encode_frame
from network.handshake import Refused, RemoteParty
from network.heartbeat import Heartbeat
from network.message_rate import MessageRate
from network.outbox import Outbox
from network.streams import Streams
from sync_cli import wire
from sync_cli.startup import report

MAX_MESSAGES_PER_S = 500
MAX_UNSENT_BYTES = 1 << 20
UNREAD_LIMIT_S = 10.0

EndReason: TypeAlias = Literal["goodbye", "connection-lost", "timeout", "refused", "duplicate"]


class SessionHandler(Protocol):
    """Takes the messages of a session, on the event loop, one at a time."""

    async def on_message(self, session: "Session", message: wire.SessionMessage) -> None:
        """Take a message; the session reads on once this returns. Raises WireError."""


class Session:
    """A control session after its handshake. `addr` is where the other side listens."""

    def __init__(
        self, streams: Streams, remote: RemoteParty, addr: Address, start: wire.Start,
        *, outbound: bool,
    ) -> None:  # fmt: skip
        self.remote = remote
        self.addr = addr
        self.start = start
        self.outbound = outbound
        self._reader = streams.reader
        self._outbox = Outbox(
            streams.writer,
            self._give_up_on_non_reader,
            max_unsent=MAX_UNSENT_BYTES,
            unread_limit_s=UNREAD_LIMIT_S,
        )
        self._heartbeat = Heartbeat()
        self._rate = MessageRate(MAX_MESSAGES_PER_S)
        self._end: EndReason | None = None

    @property
    def peer_id(self) -> str:
        """The other side's proven id."""
        return self.remote.peer_id

    @property
    def is_peer(self) -> bool:
        """Whether the other side is a peer, not a tracker."""
        return self.start.role == "peer"

    @property
    def ended(self) -> bool:
        """Whether the session is over, so that nothing sent on it arrives."""
        return self._end is not None

    def send(self, message: Message) -> None:
        """Send without waiting. Who does not read is cut off, to bound the buffer."""
        self._outbox.send(message)

    async def send_large(self, message: Message) -> None:
        """Wait until earlier messages are sent, send this one, and wait for it. One at a time."""
        await self._outbox.send_large(encode_frame(message))

    async def run(self, handler: SessionHandler) -> EndReason:
        """Serve the session until it ends; returns the reason."""
        pinger = asyncio.create_task(self._keep_alive())
        try:
            while self._end is None:
                message = await wire.read_message(self._reader, self._heartbeat.heard)
                await self._take(message, handler)
                await self._rate.taken()
        except WireError as error:
            self.refuse("bad-message", str(error))
        except (EOFError, OSError):
            self._end = self._end or "connection-lost"
        finally:
            self._end = self._end or "connection-lost"
            pinger.cancel()
            self._outbox.end(orderly=self._end in ("goodbye", "duplicate"))
        return self._end

    async def _take(self, message: wire.SessionMessage, handler: SessionHandler) -> None:
        match message:
            case wire.Ping():
                pass
            case wire.Goodbye():
                self._end = self._end or "goodbye"
            case wire.Duplicate():
                self._end = self._end or "duplicate"
            case Refused():
                report(f"{self.addr} ended the session: {message.reason}")
                self._end = self._end or "refused"
            case _:
                self._heartbeat.busy = True
                try:
                    await handler.on_message(self, message)
                finally:
                    self._heartbeat.busy = False
                    self._heartbeat.heard()

    def refuse(self, code: str, reason: str) -> None:
        """End the session; tell the other side and stderr why."""
        if not self.ended:
            report(f"the session with {self.addr} is ended: {reason}")
            self._close_with(Refused(code=code, reason=reason[:1000]), "refused")

    def say_goodbye(self) -> None:
        """Send a goodbye, and close once it is sent."""
        self._close_with(wire.Goodbye(), "goodbye")

    def end_duplicate(self) -> None:
        """End this session, because there is another one with the same peer."""
        self._close_with(wire.Duplicate(), "duplicate")

    def abort(self, reason: EndReason) -> None:
        """Cut the connection; `run` returns the reason."""
        self._end = self._end or reason
        self._outbox.abort()

    async def closed(self) -> None:
        """Wait until everything is sent and the connection is closed."""
        await self._outbox.closed()

    def _close_with(self, message: Message, reason: EndReason) -> None:
        if self._end is None:
            self.send(message)
            self._end = self._end or reason
            self._outbox.close()

    def _give_up_on_non_reader(self) -> None:
        if not self.ended:
            report(f"the session with {self.addr} is ended: it does not read what is sent")
        self.abort("timeout")

    async def _keep_alive(self) -> None:
        await self._heartbeat.run(lambda: self.send(wire.Ping()))
        self.abort("timeout")
