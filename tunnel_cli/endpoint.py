"""The common part of server and client: listeners, targets, streams, and their figures."""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from headless.program import Emit
from tunnel_cli import messages
from tunnel_cli.config import Config
from tunnel_cli.credit import Budget
from tunnel_cli.link import Link
from tunnel_cli.messages import CloseReason
from tunnel_cli.ports import RETRY_S, Listener, ListenerError, dial, peer_of, reset
from tunnel_cli.stream import Stream
from tunnel_cli.wire import End


class _Counts(NamedTuple):
    bytes_in: int = 0
    bytes_out: int = 0


class Endpoint:
    """Opens streams for its own listeners, and connects to targets for the other side's.

    `route` returns the link for a new connection, None if there is none now.
    """

    def __init__(self, config: Config, emit: Emit, route: Callable[[], Link | None]) -> None:
        self.budget = Budget(config.memory_bytes)
        self._config = config
        self._emit = emit
        self._route = route
        self._listeners = [Listener(*one, self._accepted) for one in config.listens]
        self._targets = {target.tunnel: target for target in config.targets}
        tunnels = [*(one.tunnel for one in config.listens), *self._targets]
        self._counts = {tunnel: _Counts() for tunnel in tunnels}
        self._streams: dict[Stream, Link] = {}
        self._dialling: dict[Stream, asyncio.Task[None]] = {}
        self._retries: dict[Listener, asyncio.TimerHandle] = {}

    # --- listeners ----------------------------------------------------------------------------

    def open_listeners(self) -> None:
        """Open the closed listeners; retry while a port is in use."""
        for listener in self._listeners:
            if not listener.is_open and listener not in self._retries:
                self._open(listener)

    def close_listeners(self, reopens_in_s: float | None) -> None:
        """Close the open listeners."""
        for retry in self._retries.values():
            retry.cancel()
        self._retries.clear()
        for listener in self._listeners:
            if listener.is_open:
                listener.close()
                self._emit(
                    messages.ListenerClosed(
                        tunnel=listener.tunnel, port=listener.port, reopens_in_s=reopens_in_s
                    )
                )

    def _open(self, listener: Listener) -> None:
        again = self._retries.pop(listener, None) is not None
        try:
            addr = listener.open()
        except ListenerError as error:
            if not again:
                print(f"tunnel-cli: {error} Trying again until it is free.", file=sys.stderr)
            loop = asyncio.get_running_loop()
            self._retries[listener] = loop.call_later(RETRY_S, self._open, listener)
            return
        self._emit(messages.ListenerOpened(tunnel=listener.tunnel, port=listener.port, addr=addr))

    def _accepted(self, tunnel: str, connection: socket.socket) -> None:
        link = self._route()
        if link is None or link.is_full:
            reset(connection)  # no link can take it; a reset says so at once
            return
        stream = self._new(link, link.next_number(), tunnel)
        link.open(stream)
        self._say_opened(link, stream, peer_of(connection), "")
        stream.attach(connection)

    # --- streams that the other side opens ----------------------------------------------------

    def asked_for(self, link: Link, number: int, tunnel: str) -> Stream | None:
        """Connect to a tunnel's target; None if this node has no tunnel of that name."""
        target = self._targets.get(tunnel)
        if target is None:
            return None
        stream = self._new(link, number, tunnel)
        self._say_opened(link, stream, link.addr, f"{target.host}:{target.port}")
        self._dialling[stream] = asyncio.get_running_loop().create_task(
            self._dial(link, stream, target.host, target.port)
        )
        return stream

    async def _dial(self, link: Link, stream: Stream, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                connection = await dial(host, port)
        except TimeoutError:
            self._dialling.pop(stream, None)
            stream.end(End.TIMEOUT)
        except OSError:
            self._dialling.pop(stream, None)
            stream.end(End.REFUSED)
        else:
            self._dialling.pop(stream, None)
            link.opened(stream)
            stream.attach(connection)

    # --- figures ------------------------------------------------------------------------------

    def ended(self, stream: Stream, reason: CloseReason) -> None:
        """Count a stream that has ended, and report it."""
        if (dialling := self._dialling.pop(stream, None)) is not None:
            dialling.cancel()
        link = self._streams.pop(stream)
        was = self._counts[stream.tunnel]
        self._counts[stream.tunnel] = _Counts(
            was.bytes_in + stream.bytes_in, was.bytes_out + stream.bytes_out
        )
        self._emit(
            messages.StreamClosed(
                stream=stream.number,
                client_id=link.client_id,
                tunnel=stream.tunnel,
                bytes_in=stream.bytes_in,
                bytes_out=stream.bytes_out,
                reason=reason,
            )
        )

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def buffered_bytes(self) -> int:
        """Bytes that are waiting for programs to read them."""
        return sum(stream.buffered_bytes for stream in self._streams)

    def stream_rows(self) -> list[messages.StreamRow]:
        """Return the open streams."""
        return [
            messages.StreamRow(
                stream=stream.number,
                client_id=link.client_id,
                tunnel=stream.tunnel,
                bytes_in=stream.bytes_in,
                bytes_out=stream.bytes_out,
                buffered_bytes=stream.buffered_bytes,
            )
            for stream, link in self._streams.items()
        ]

    def listener_rows(self) -> list[messages.ListenerRow]:
        """Return the listeners."""
        return [
            messages.ListenerRow(tunnel=one.tunnel, port=one.port, open=one.is_open)
            for one in self._listeners
        ]

    def byte_counts(self) -> dict[str, messages.TunnelBytes]:
        """Return the bytes through each tunnel, including open streams."""
        counts = dict(self._counts)
        for stream in self._streams:
            was = counts[stream.tunnel]
            counts[stream.tunnel] = _Counts(
                was.bytes_in + stream.bytes_in, was.bytes_out + stream.bytes_out
            )
        return {
            tunnel: messages.TunnelBytes(bytes_in=one.bytes_in, bytes_out=one.bytes_out)
            for tunnel, one in counts.items()
        }

    def _new(self, link: Link, number: int, tunnel: str) -> Stream:
        stream = Stream(link, number, tunnel, self.budget, self._config.window_bytes)
        self._streams[stream] = link
        return stream

    def _say_opened(self, link: Link, stream: Stream, source: str, target: str) -> None:
        self._emit(
            messages.StreamOpened(
                stream=stream.number,
                client_id=link.client_id,
                tunnel=stream.tunnel,
                source=source,
                target=target,
            )
        )
