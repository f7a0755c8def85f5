"""The server: accepts links, decides which client is active, and carries out failovers."""

import asyncio
import hmac
import secrets
import socket
import ssl
import time
from collections.abc import Coroutine
from typing import Any

from picows import WSUpgradeRequest, ws_create_server

from headless.envelope import Command, CommandError, Value
from headless.program import Emit
from headless.tasks import end_tasks
from tunnel_cli import messages, roles, wire
from tunnel_cli.config import Config
from tunnel_cli.endpoint import Endpoint
from tunnel_cli.link import Link
from tunnel_cli.messages import CloseReason
from tunnel_cli.stream import Stream
from tunnel_cli.tls import is_pinned
from tunnel_cli.wire import Challenge, End, Frame, Hello, Kind, ProtocolError

HANDSHAKE_S = 5.0
MAX_UNPROVEN = 64  # links whose client is not proven yet; a new one evicts the oldest
TWIN_ANSWERS_S = 1.0
REOPENED_S = 0.5  # how long the server's listeners wait for those of the clients


class Server:
    """A headless.program.Service."""

    def __init__(
        self,
        config: Config,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        pins: frozenset[bytes] | None,
        emit: Emit,
    ) -> None:
        self._config = config
        self._listening = listening
        self._tls, self._pins = tls, pins
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._endpoint = Endpoint(config, emit, self._active_link)
        self._state = roles.State()
        self._links: dict[int, Link] = {}
        self._unproven: dict[Link, Challenge] = {}
        self._deadlines: dict[Link, asyncio.TimerHandle] = {}
        self._reopening: set[int] = set()  # clients that do not listen again yet
        self._wait: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._stopping = False

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take links."""
        self._server = await ws_create_server(
            self._new_link,
            sock=self._listening,
            ssl=self._tls,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_frame_size=wire.MAX_MESSAGE,
            read_buffer_init_size=wire.MAX_DATA * 2,
        )

    async def handle(self, command: Command) -> Value:
        """Run a command. Raises CommandError."""
        match command:
            case messages.Status():
                return self._status()
            case messages.ListStreams():
                return messages.ListStreamsResult(streams=self._endpoint.stream_rows())
            case messages.Activate(client_id=client_id):
                return self._activate(client_id)
            case _:
                raise CommandError("not-a-client", "Only a client can be drained.")

    async def stop(self) -> None:
        """Close listeners and links."""
        self._stopping = True
        if self._wait is not None:
            self._wait.cancel()
        self._endpoint.close_listeners(None)
        if self._server is not None:
            self._server.close()
        for link in [*self._links.values(), *self._unproven]:
            link.end_streams(End.RESET)
            link.drop("server-stopped")
        await end_tasks(self._tasks)

    # --- links --------------------------------------------------------------------------------

    def _new_link(self, _request: WSUpgradeRequest) -> Link:
        return Link(self, 2, self._config.ping_s, self._config.dead_after_s)

    def link_up(self, link: Link) -> None:
        """A stranger opened a WebSocket: challenge it."""
        if not is_pinned(self._pins, link.certificate()):
            link.drop("the client's key is not one of those that are trusted")
            return
        if len(self._unproven) >= MAX_UNPROVEN:
            next(iter(self._unproven)).drop("too many links wait to say who they are")
        challenge = Challenge(protocol=wire.PROTOCOL, nonce=secrets.token_hex(wire.NONCE_BYTES))
        self._unproven[link] = challenge
        self._deadlines[link] = self._loop.call_later(HANDSHAKE_S, link.drop, "handshake-timeout")
        link.send(wire.encode_control(Kind.CHALLENGE, challenge))

    def link_down(self, link: Link, reason: str) -> None:
        """A link is gone."""
        self._unproven.pop(link, None)
        if (deadline := self._deadlines.pop(link, None)) is not None:
            deadline.cancel()
        if self._links.get(link.client_id) is not link:
            return
        del self._links[link.client_id]
        self._emit(messages.ClientOffline(client_id=link.client_id, reason=reason))
        if self._stopping:
            return
        self._listens(link.client_id)
        self._carry_out(roles.left(self._state, link.client_id))

    def control(self, link: Link, frame: Frame) -> None:
        """Handle a frame of the link itself. Raises ProtocolError."""
        if frame.kind == Kind.HELLO and link in self._unproven:
            hello = wire.decode_control(frame, Hello)
            challenge = self._unproven.pop(link)
            self._spawn(self._admit(link, challenge, hello))
        elif frame.kind == Kind.LISTENING and link.proven:
            if wire.decode_control(frame, wire.Listening).listening:
                self._listens(link.client_id)
        elif frame.kind == Kind.DRAIN and link.proven:
            self._carry_out(roles.drain(self._state, link.client_id))
        else:
            raise ProtocolError(f"{frame.kind.name} is out of place")

    async def _admit(self, link: Link, challenge: Challenge, hello: Hello) -> None:
        refusal = self._refusal(challenge, hello)
        twin = self._links.get(hello.client_id)
        if refusal is None and twin is not None and await twin.answers(TWIN_ANSWERS_S):
            refusal = ("duplicate-client", f"client {hello.client_id} is online already")
        if (deadline := self._deadlines.pop(link, None)) is not None:
            deadline.cancel()
        if refusal is not None:
            code, reason = refusal
            link.send(wire.encode_control(Kind.REFUSED, wire.Refused(code=code, reason=reason)))
            link.drop(code)
            return
        if twin is not None:
            twin.drop("replaced")
            await twin.gone.wait()
        if link.gone.is_set():
            return
        link.client_id, link.proven = hello.client_id, True
        self._links[link.client_id] = link
        proven = wire.proof(self._config.token, "server", challenge, hello)
        link.send(wire.encode_control(Kind.WELCOME, wire.Welcome(proof=proven)))
        self._emit(messages.ClientOnline(client_id=link.client_id, addr=link.addr))
        change = roles.joined(self._state, link.client_id)
        self._carry_out(change)
        if change.reason is None:
            self._tell_role(link, "first")

    def _refusal(self, challenge: Challenge, hello: Hello) -> tuple[str, str] | None:
        if hello.protocol != wire.PROTOCOL:
            return "protocol", f"this server speaks protocol {wire.PROTOCOL}, not {hello.protocol}"
        if not 1 <= hello.client_id < 2**31:
            return "bad-client-id", f"{hello.client_id} is no client id"
        wanted = wire.proof(self._config.token, "client", challenge, hello)
        if not hmac.compare_digest(hello.proof.encode(), wanted.encode()):
            return "wrong-token", "the client has another token, or only one side has any"
        return None

    # --- streams ------------------------------------------------------------------------------

    def asked_for(self, link: Link, number: int, tunnel: str) -> Stream | None:
        """A client's listener accepted a connection."""
        return self._endpoint.asked_for(link, number, tunnel)

    def first_data(self, link: Link, stream: Stream) -> None:
        """The first data on a stream of a standby's listener makes that client active."""
        self._carry_out(roles.carried_data(self._state, link.client_id, stream.number % 2 == 1))

    def stream_ended(self, link: Link, stream: Stream, reason: CloseReason) -> None:
        """Count it."""
        self._endpoint.ended(stream, reason)

    def _active_link(self) -> Link | None:
        return self._links.get(self._state.active) if self._state.active is not None else None

    # --- who is active ------------------------------------------------------------------------

    def _activate(self, client_id: int) -> messages.ActivateResult:
        previous = self._state.active
        if client_id not in self._state.eligible:
            online = ", ".join(map(str, sorted(self._state.eligible))) or "none"
            raise CommandError(
                "client-offline", f"Client {client_id} is not online (those that are: {online})."
            )
        self._carry_out(roles.activate(self._state, client_id))
        return messages.ActivateResult(active_client=client_id, previous=previous)

    def _carry_out(self, change: roles.Change) -> None:
        previous = self._state.active
        self._state = change.state
        active = change.state.active
        if change.reason is not None:
            self._emit(
                messages.ActiveChanged(client_id=active, previous=previous, reason=change.reason)
            )
        if change.failover and active is not None:
            self._fail_over(active, previous)
        elif change.reason is not None and active is None:
            self._stop_waiting()
            self._endpoint.close_listeners(None)
        elif active is not None and not change.state.waiting:
            self._endpoint.open_listeners()
        if change.reason is not None:
            for link in self._links.values():
                self._tell_role(link, change.reason, previous)

    def _fail_over(self, active: int, previous: int | None) -> None:
        wait_s = self._config.reopen_after_s
        self._emit(messages.FailoverBegin(client_id=active, previous=previous, wait_s=wait_s))
        if previous is not None and (link := self._links.get(previous)) is not None:
            link.end_streams(End.FAILOVER)
        self._endpoint.close_listeners(wait_s)
        self._stop_waiting()
        self._wait = self._loop.call_later(wait_s, self._reopen_clients)

    def _reopen_clients(self) -> None:
        """Let the standbys listen again, and the server after them: never before."""
        self._wait = None
        self._state = roles.waited(self._state).state
        self._reopening = set(self._links) - {self._state.active}
        for client_id in sorted(self._reopening):
            self._tell_role(self._links[client_id], "command")
        self._wait = self._loop.call_later(REOPENED_S, self._reopen)
        if not self._reopening:
            self._reopen()

    def _listens(self, client_id: int) -> None:
        if client_id in self._reopening:
            self._reopening.discard(client_id)
            if not self._reopening:
                self._reopen()

    def _reopen(self) -> None:
        self._stop_waiting()
        if self._state.active is not None:
            self._endpoint.open_listeners()
        self._emit(messages.FailoverFinished(client_id=self._state.active))

    def _stop_waiting(self) -> None:
        self._reopening.clear()
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _tell_role(self, link: Link, reason: str, previous: int | None = None) -> None:
        state = self._state
        listening = link.client_id == state.active or not state.waiting
        role = wire.RoleFrame(
            active_client=state.active,
            previous=previous,
            reason=reason,
            listening=listening and link.client_id not in state.draining,
            reopens_in_s=None if listening else self._seconds_left(),
        )
        link.send(wire.encode_control(Kind.ROLE, role))

    def _seconds_left(self) -> float | None:
        return max(0.0, self._wait.when() - self._loop.time()) if self._wait else None

    def _status(self) -> messages.StatusResult:
        left = self._seconds_left()
        return messages.StatusResult(
            role="server",
            client_id=None,
            active_client=self._state.active,
            clients=[
                messages.ClientRow(
                    client_id=client_id,
                    online=True,
                    active=client_id == self._state.active,
                    addr=link.addr,
                    rtt_ms=link.rtt_ms,
                )
                for client_id, link in sorted(self._links.items())
            ],
            listeners=self._endpoint.listener_rows(),
            streams=self._endpoint.stream_count,
            buffered_bytes=self._endpoint.buffered_bytes,
            bytes=self._endpoint.byte_counts(),
            failover="idle" if left is None else round(left, 3),
            uptime_s=time.monotonic() - self._began,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
