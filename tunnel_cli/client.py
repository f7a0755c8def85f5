"""The client: keeps a link to the server, and follows the server's decisions."""

import asyncio
import hmac
import os
import random
import secrets
import signal
import ssl
import time

from picows import WSError, ws_connect

from headless.envelope import Command, CommandError, Value
from headless.program import Emit
from headless.tasks import end_tasks
from tunnel_cli import messages, wire
from tunnel_cli.config import Config
from tunnel_cli.endpoint import Endpoint
from tunnel_cli.link import Link
from tunnel_cli.messages import CloseReason
from tunnel_cli.stream import Stream
from tunnel_cli.tls import is_pinned
from tunnel_cli.wire import Challenge, End, Frame, Hello, Kind, ProtocolError, RoleFrame, Welcome

LEAST_PAUSE_S = 0.2
MOST_PAUSE_S = 5.0
HANDSHAKE_S = 5.0


class Client:
    """A headless.program.Service."""

    def __init__(
        self,
        config: Config,
        tls: ssl.SSLContext | None,
        pins: frozenset[bytes] | None,
        emit: Emit,
    ) -> None:
        assert config.client_id is not None
        self._config = config
        self._client_id = config.client_id
        self._tls, self._pins = tls, pins
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._endpoint = Endpoint(config, emit, lambda: self._link)
        self._link: Link | None = None  # once the server has accepted it
        self._hello: tuple[Challenge, Hello] | None = None
        self._refused = ""
        self._active: int | None = None
        self._reopens_at: float | None = None
        self._draining = False
        self._keeping: asyncio.Task[None] | None = None

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start keeping a link to the server."""
        self._keeping = self._loop.create_task(self._keep_link())

    async def handle(self, command: Command) -> Value:
        """Run a command. Raises CommandError."""
        match command:
            case messages.Status():
                return self._status()
            case messages.ListStreams():
                return messages.ListStreamsResult(streams=self._endpoint.stream_rows())
            case messages.Drain():
                return self._drain()
            case _:
                raise CommandError("not-the-server", "Only the server decides who is active.")

    async def stop(self) -> None:
        """Close listeners and link."""
        if self._keeping is not None:
            await end_tasks([self._keeping])
        self._endpoint.close_listeners(None)
        if self._link is not None:
            self._link.end_streams(End.RESET)
            self._link.drop("client-stopped")

    # --- the link -----------------------------------------------------------------------------

    async def _keep_link(self) -> None:
        """Connect, and reconnect with backoff whenever the link is gone, for ever."""
        pause_s, told = LEAST_PAUSE_S, ""
        while True:
            reason = await self._connect()
            if reason is None:
                pause_s, told = LEAST_PAUSE_S, ""
            elif reason != told:  # report each reason once
                self._emit(messages.LinkLost(reason=reason))
                told = reason
            # Jitter, so that not all clients reconnect to a restarted server at the same moment.
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - no secret
            pause_s = min(2 * pause_s, MOST_PAUSE_S)

    async def _connect(self) -> str | None:
        """Hold a link until it is gone; return why the server refused it, None if it did not."""
        link = Link(self, 1, self._config.ping_s, self._config.dead_after_s)
        self._refused = ""
        try:
            _, connected = await ws_connect(
                lambda: link,
                _websocket_url(self._config.url),
                ssl_context=self._tls,
                websocket_handshake_timeout=HANDSHAKE_S,
                max_frame_size=wire.MAX_MESSAGE,
                read_buffer_init_size=wire.MAX_DATA * 2,
                proxy=_proxy(self._config),
                max_redirects=0,
            )
        except (WSError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            return str(error) or type(error).__name__
        if connected is None:  # how picows says that there was no answer, not even a refusal
            may = "not take this client's certificate" if self._config.secure else "want https"
            return f"the server ended the connection before it answered; it may {may}"
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await link.settled.wait()
        except TimeoutError:
            link.drop("the server does not answer")
        await link.gone.wait()
        return None if link.proven else self._refused or "the server ended the handshake"

    def link_up(self, link: Link) -> None:
        """The WebSocket is open; the server sends the first frame."""
        if not is_pinned(self._pins, link.certificate()):
            self._refused = "the server's key is not one of those that are trusted"
            link.drop(self._refused)

    def link_down(self, link: Link, reason: str) -> None:
        """The link is gone."""
        link.settled.set()
        if link is not self._link:
            self._refused = self._refused or reason
            return
        self._link = None
        self._endpoint.close_listeners(None)
        self._emit(messages.LinkLost(reason=reason))
        if self._active is not None:
            self._change_active(None, "lost")

    def control(self, link: Link, frame: Frame) -> None:
        """Handle a frame of the link itself. Raises ProtocolError."""
        if frame.kind == Kind.CHALLENGE and not link.proven:
            self._answer(link, wire.decode_control(frame, Challenge))
        elif frame.kind == Kind.WELCOME and not link.proven and self._hello is not None:
            self._welcomed(link, wire.decode_control(frame, Welcome), *self._hello)
        elif frame.kind == Kind.REFUSED:
            refused = wire.decode_control(frame, wire.Refused)
            self._refused = f"{refused.code}: {refused.reason}"
            link.drop(self._refused)
        elif frame.kind == Kind.ROLE and link.proven:
            self._take_role(link, wire.decode_control(frame, RoleFrame))
        else:
            raise ProtocolError(f"{frame.kind.name} is out of place")

    def _answer(self, link: Link, challenge: Challenge) -> None:
        if challenge.protocol != wire.PROTOCOL:
            raise ProtocolError(f"the server speaks protocol {challenge.protocol}")
        unproven = Hello(
            protocol=wire.PROTOCOL,
            client_id=self._client_id,
            nonce=secrets.token_hex(wire.NONCE_BYTES),
            proof="",
        )
        proof = wire.proof(self._config.token, "client", challenge, unproven)
        hello = Hello(unproven.protocol, unproven.client_id, unproven.nonce, proof)
        self._hello = challenge, hello
        link.send(wire.encode_control(Kind.HELLO, hello))

    def _welcomed(self, link: Link, welcome: Welcome, challenge: Challenge, hello: Hello) -> None:
        wanted = wire.proof(self._config.token, "server", challenge, hello)
        if not hmac.compare_digest(welcome.proof.encode(), wanted.encode()):
            raise ProtocolError("the server does not know the token")
        link.client_id, link.proven = self._client_id, True
        self._link = link
        link.settled.set()
        self._emit(messages.LinkRestored(addr=link.addr))
        if self._draining:
            link.send(wire.encode(Kind.DRAIN))

    def _take_role(self, link: Link, role: RoleFrame) -> None:
        if role.active_client != self._active:
            self._change_active(role.active_client, role.reason)
        listening = role.listening and not self._draining
        if listening:
            self._reopens_at = None
            self._endpoint.open_listeners()
        else:
            wait_s = role.reopens_in_s
            self._reopens_at = None if wait_s is None else self._loop.time() + wait_s
            self._endpoint.close_listeners(None if self._draining else wait_s)
        link.send(wire.encode_control(Kind.LISTENING, wire.Listening(listening=listening)))

    def _change_active(self, client_id: int | None, reason: str) -> None:
        previous, self._active = self._active, client_id
        known = reason if reason in ("first", "data", "lost", "command") else "command"
        self._emit(
            messages.ActiveChanged(client_id=client_id, previous=previous, reason=known)  # type: ignore[arg-type]
        )

    # --- streams ------------------------------------------------------------------------------

    def asked_for(self, link: Link, number: int, tunnel: str) -> Stream | None:
        """A listener of the server accepted a connection."""
        return self._endpoint.asked_for(link, number, tunnel)

    def first_data(self, link: Link, stream: Stream) -> None:
        """Nothing to do: the server decides by itself."""

    def stream_ended(self, link: Link, stream: Stream, reason: CloseReason) -> None:
        """Count it; a draining client ends with its last stream."""
        self._endpoint.ended(stream, reason)
        self._leave_when_idle()

    def _drain(self) -> messages.DrainResult:
        self._draining = True
        self._endpoint.close_listeners(None)
        if self._link is not None:
            self._link.send(wire.encode(Kind.DRAIN))
        self._loop.call_soon(self._leave_when_idle)
        return messages.DrainResult(streams=self._endpoint.stream_count)

    def _leave_when_idle(self) -> None:
        if self._draining and self._endpoint.stream_count == 0:
            signal.raise_signal(signal.SIGTERM)  # ends every program here gracefully

    def _status(self) -> messages.StatusResult:
        left = None if self._reopens_at is None else self._reopens_at - self._loop.time()
        link = self._link
        own = messages.ClientRow(
            client_id=self._client_id,
            online=link is not None,
            active=self._active == self._client_id,
            addr=link.addr if link is not None else "",
            rtt_ms=link.rtt_ms if link is not None else None,
        )
        return messages.StatusResult(
            role="client",
            client_id=self._client_id,
            active_client=self._active,
            clients=[own],
            listeners=self._endpoint.listener_rows(),
            streams=self._endpoint.stream_count,
            buffered_bytes=self._endpoint.buffered_bytes,
            bytes=self._endpoint.byte_counts(),
            failover="idle" if left is None else round(max(0.0, left), 3),
            uptime_s=time.monotonic() - self._began,
        )


def _websocket_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{ {'http': 'ws', 'https': 'wss'}.get(scheme, scheme) }://{rest}"


def _proxy(config: Config) -> str | None:
    """Return the environment's proxy for https; none for loopback."""
    if not config.secure or config.host in ("localhost", "127.0.0.1", "::1"):
        return None
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or None
