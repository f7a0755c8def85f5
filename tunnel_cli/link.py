"""A link: one WebSocket, its frames, and the streams on it."""

import asyncio
import socket
import struct
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from network.heartbeat import pause_s
from tunnel_cli import wire
from tunnel_cli.messages import CloseReason
from tunnel_cli.ports import address_text
from tunnel_cli.stream import Stream
from tunnel_cli.wire import CREDIT, HEADER, MAX_DATA, MAX_MESSAGE, End, Frame, Kind, ProtocolError

# A small stream's bytes should never be far behind a large stream's. So few bytes wait here, few
# wait in the system to be sent, and few to be read, if the other side is near: there the system
# would keep megabytes for a reader that is slower than the network. A distant side needs them.
MAX_WAITING_OUT = 128 << 10
MAX_UNSENT = 128 << 10
MAX_UNREAD = 512 << 10
NEAR_MS = 2.0
LINGER_S = 0.5  # how long the other side may take to answer the end of the link
_NUMBERS = struct.Struct(">d")


class LinkOwner(Protocol):
    """The node that owns a link."""

    def link_up(self, link: "Link") -> None:
        """The WebSocket is open; neither side is proven yet."""

    def link_down(self, link: "Link", reason: str) -> None:
        """The link is gone, and all streams with it."""

    def control(self, link: "Link", frame: Frame) -> None:
        """Handle a frame of the link itself. Raises ProtocolError."""

    def asked_for(self, link: "Link", number: int, tunnel: str) -> Stream | None:
        """The other side opens a stream; None refuses it."""

    def first_data(self, link: "Link", stream: Stream) -> None:
        """A stream's first data has arrived over the link."""

    def stream_ended(self, link: "Link", stream: Stream, reason: CloseReason) -> None:
        """A stream has ended."""


class Link(WSListener):
    """One end of a link. `first_number` is that of the first stream that it opens: 1 for clients, 2
    for servers. The other side's streams have the other parity.
    """

    def __init__(self, owner: LinkOwner, first_number: int, ping_s: float, dead_after_s: float):
        self.client_id = 0
        self.proven = False
        self.gone = asyncio.Event()
        self.settled = asyncio.Event()  # the handshake has ended, either way
        self.addr = ""
        self.rtt_ms: float | None = None
        self.congested = False
        self.streams: dict[int, Stream] = {}
        self._owner = owner
        self._next_number = first_number
        self._their_last = 0
        self._forgotten: set[int] = set()  # ended here, not yet confirmed by the other side
        self._silent: set[int] = set()  # streams without any data yet
        self._ping_s, self._dead_after_s = ping_s, dead_after_s
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._pinging: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._pongs: set[asyncio.Future[None]] = set()
        self._transport: WSTransport | None = None
        self._is_near = False
        self._out = bytearray(HEADER.size + MAX_DATA)
        self._fragments = bytearray()
        self._for_room: dict[Stream, None] = {}
        self._reason = ""

    # --- WebSocket ----------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Called by picows."""
        self._transport = transport
        below = transport.underlying_transport
        below.set_write_buffer_limits(high=MAX_WAITING_OUT)
        below.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT
        )
        self.addr = address_text(*below.get_extra_info("peername")[:2])
        self._ping()
        self._owner.link_up(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called by picows."""
        self._heard = self._loop.time()
        if self._transport is None:  # dropped, and the other side answers
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect(graceful=False)
            return
        try:
            self._take(frame)
        except ProtocolError as error:
            self.drop(str(error), WSCloseCode.PROTOCOL_ERROR)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Called by picows."""
        if self._lingering is not None:
            self._lingering.cancel()
        if self._transport is not None:
            self._over()

    def _over(self) -> None:
        self._transport = None
        if self._pinging is not None:
            self._pinging.cancel()
        for stream in list(self.streams.values()):
            stream.close("link-lost")
        for pong in self._pongs:
            pong.cancel()
        self.gone.set()
        self._owner.link_down(self, self._reason or "connection-lost")

    def pause_writing(self) -> None:
        """Called by picows."""
        self.congested = True

    def resume_writing(self) -> None:
        """Called by picows."""
        self.congested = False
        waiting, self._for_room = self._for_room, {}
        for stream in waiting:
            stream.update_reading()

    def drop(self, reason: str, code: WSCloseCode = WSCloseCode.OK) -> None:
        """End the link with its streams at once, and tell the other side why.

        The connection is closed when that has answered: to close it with unread bytes would reset
        it, and what was sent last might be lost.
        """
        self._reason = self._reason or reason
        transport = self._transport
        if transport is not None:
            transport.send_close(code, reason.encode()[:120])
            self._lingering = self._loop.call_later(LINGER_S, transport.disconnect, False)
            self._over()

    def certificate(self) -> bytes | None:
        """Return the other side's certificate (DER), None if it presented none."""
        if self._transport is None:
            return None
        tls = self._transport.underlying_transport.get_extra_info("ssl_object")
        found: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        return found

    async def answers(self, within_s: float) -> bool:
        """Tell whether the other side answers a ping in time."""
        if self._transport is None:
            return False
        pong = self._loop.create_future()
        self._pongs.add(pong)
        self._transport.send_ping(_NUMBERS.pack(self._loop.time()))
        try:
            async with asyncio.timeout(within_s):
                await pong
        except (TimeoutError, asyncio.CancelledError):
            return False
        finally:
            self._pongs.discard(pong)
        return True

    # --- streams ------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Return the number of the next stream that this side opens."""
        self._next_number += 2
        return self._next_number - 2

    def open(self, stream: Stream) -> None:
        """Ask the other side for a stream."""
        self._add(stream)
        self.send(wire.encode(Kind.OPEN, stream.number, stream.tunnel.encode()))

    def opened(self, stream: Stream) -> None:
        """Report that a stream's target has answered."""
        self.send(wire.encode(Kind.OPENED, stream.number))

    def end_streams(self, end: End) -> None:
        """End all streams."""
        for stream in list(self.streams.values()):
            stream.end(end)

    @property
    def is_full(self) -> bool:
        """Whether no stream can be opened."""
        return len(self.streams) + len(self._forgotten) >= wire.MAX_STREAMS

    def send(self, frame: bytes) -> None:
        """Send a frame, or several."""
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, frame)

    # What streams need (stream.Carrier).

    def data_buffer(self, limit: int) -> memoryview:
        """Return the buffer for the payload of the next DATA frame."""
        return memoryview(self._out)[HEADER.size : HEADER.size + limit]

    def send_data(self, stream: Stream, count: int) -> None:
        """Send the content of the data buffer."""
        HEADER.pack_into(self._out, 0, Kind.DATA, stream.number, count)
        if self._transport is not None:
            self._transport.send(WSMsgType.BINARY, memoryview(self._out)[: HEADER.size + count])

    def send_fin(self, stream: Stream) -> None:
        """Announce the end of data."""
        self.send(wire.encode(Kind.FIN, stream.number))

    def send_end(self, stream: Stream, end: End) -> None:
        """End a stream at once."""
        self._forgotten.add(stream.number)
        self.send(wire.encode(Kind.END, stream.number, bytes([end])))

    def send_credit(self, stream: Stream, amount: int) -> None:
        """Let the other side send more."""
        self.send(wire.encode(Kind.CREDIT, stream.number, CREDIT.pack(amount)))

    def wait_for_room(self, stream: Stream) -> None:
        """Notify the stream when the link accepts data again."""
        self._for_room[stream] = None

    def ended(self, stream: Stream, reason: CloseReason) -> None:
        """Forget the stream."""
        self.streams.pop(stream.number, None)
        self._silent.discard(stream.number)
        self._for_room.pop(stream, None)
        self._owner.stream_ended(self, stream, reason)

    # --- frames -------------------------------------------------------------------------------

    def _take(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.PONG:
            self._pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            transport = self._transport
            self.drop(frame.get_close_reason() or "closed")
            if transport is not None:
                transport.disconnect(graceful=False)  # it will say no more
        elif kind in (WSMsgType.BINARY, WSMsgType.CONTINUATION):
            message = self._whole(frame)
            for one in wire.frames(message) if message is not None else ():
                if self._transport is not None:
                    self._on_frame(one)
        elif kind != WSMsgType.PING:  # picows answers these
            raise ProtocolError("a message is not binary")

    def _whole(self, frame: WSFrame) -> memoryview | None:
        """Return the message that a frame completes, None if more frames follow."""
        if frame.fin and not self._fragments:
            return frame.get_payload_as_memoryview()
        if len(self._fragments) + frame.payload_size > MAX_MESSAGE:
            raise ProtocolError(f"a message is longer than {MAX_MESSAGE} bytes")
        self._fragments += frame.get_payload_as_memoryview()
        if not frame.fin:
            return None
        message, self._fragments = self._fragments, bytearray()
        return memoryview(message)

    def _on_frame(self, frame: Frame) -> None:
        if frame.stream == 0:
            self._owner.control(self, frame)
            return
        if not self.proven:
            raise ProtocolError("a stream's frame came before the handshake")
        stream = self.streams.get(frame.stream)
        if frame.kind == Kind.OPEN:
            self._on_open(frame)
        elif frame.kind == Kind.END:
            self._on_end(stream, frame)
        elif stream is None:
            self._on_late(frame)
        elif frame.kind == Kind.DATA:
            self._on_data(stream, frame)
        elif frame.kind == Kind.FIN:
            if not stream.on_fin():
                raise ProtocolError(f"stream {frame.stream} ends twice")
        elif frame.kind == Kind.CREDIT:
            if len(frame.payload) != CREDIT.size:
                raise ProtocolError("a credit has the wrong size")
            stream.on_credit(*CREDIT.unpack(frame.payload))
        elif frame.kind != Kind.OPENED:
            raise ProtocolError(f"{frame.kind.name} is no frame of a stream")

    def _on_open(self, frame: Frame) -> None:
        if frame.stream % 2 == self._next_number % 2 or frame.stream <= self._their_last:
            raise ProtocolError(f"the other side may not open a stream {frame.stream} now")
        self._their_last = frame.stream
        if self.is_full:
            raise ProtocolError(f"more than {wire.MAX_STREAMS} streams are open")
        try:
            tunnel = str(frame.payload, "utf-8")
        except UnicodeDecodeError:
            raise ProtocolError("a tunnel's name is not UTF-8") from None
        stream = self._owner.asked_for(self, frame.stream, tunnel)
        if stream is None:
            self._forgotten.add(frame.stream)
            self.send(wire.encode(Kind.END, frame.stream, bytes([End.REFUSED])))
        else:
            self._add(stream)

    def _on_data(self, stream: Stream, frame: Frame) -> None:
        if not stream.on_data(frame.payload):
            raise ProtocolError(f"stream {frame.stream} brings more than it has credit for")
        if frame.stream in self._silent and len(frame.payload):
            self._silent.discard(frame.stream)
            self._owner.first_data(self, stream)

    def _on_end(self, stream: Stream | None, frame: Frame) -> None:
        try:
            end = End(int.from_bytes(frame.payload, "big"))
        except ValueError:
            raise ProtocolError("an END has no reason that is known") from None
        if stream is not None:
            self.send(wire.encode(Kind.END, frame.stream, bytes([End.GONE])))
            stream.on_end(end)
        elif frame.stream in self._forgotten:
            self._forgotten.discard(frame.stream)
        elif end != End.GONE:
            self._on_late(frame)
            self.send(wire.encode(Kind.END, frame.stream, bytes([End.GONE])))

    def _on_late(self, frame: Frame) -> None:
        """Accept frames that were in flight when their stream ended here; reject others."""
        ours = frame.stream % 2 == self._next_number % 2
        last = self._next_number - 2 if ours else self._their_last
        settled = frame.stream not in self._forgotten and frame.kind in (Kind.DATA, Kind.FIN)
        if frame.stream > last or settled:
            raise ProtocolError(f"there is no stream {frame.stream}")

    def _add(self, stream: Stream) -> None:
        self.streams[stream.number] = stream
        self._silent.add(stream.number)

    # --- liveness -----------------------------------------------------------------------------

    def _ping(self) -> None:
        now = self._loop.time()
        silent_s = now - self._heard
        if silent_s >= self._dead_after_s:
            self._reason = "timeout"
            if self._transport is not None:
                self._transport.disconnect(graceful=False)
            return
        if self._transport is not None:
            self._transport.send_ping(_NUMBERS.pack(now))
        # Often enough that no link is taken for dead whose pings are answered.
        interval_s = min(self._ping_s, self._dead_after_s / 3)
        again_s = pause_s(interval_s, self._dead_after_s, silent_s)
        self._pinging = self._loop.call_later(again_s, self._ping)

    def _pong(self, payload: bytes) -> None:
        if len(payload) == _NUMBERS.size:
            [sent] = _NUMBERS.unpack(payload)
            self.rtt_ms = round(max(0.0, self._loop.time() - sent) * 1000, 3)
            if self.rtt_ms < NEAR_MS and not self._is_near and self._transport is not None:
                self._is_near = True
                self._transport.underlying_transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_UNREAD
                )
        for pong in self._pongs:
            if not pong.done():
                pong.set_result(None)
