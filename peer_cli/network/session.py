"""One open control session: messages out, messages in, requests and their answers, liveness."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from peer_cli.network import wire
from peer_cli.network.address import Address
from peer_cli.network.handshake import RemoteParty

PING_INTERVAL_S = 1.0
SILENCE_LIMIT_S = 5.0
MAX_WAITING_REQUESTS = 32
MAX_UNSENT_BYTES = 2 * wire.MAX_FRAME

EndReason: TypeAlias = Literal["goodbye", "connection-lost", "timeout"]
Question: TypeAlias = wire.GetManifest | wire.OpenTransfer | wire.OpenStream


class SessionLostError(Exception):
    """The session ended before the answer came, or the answer did not come in time."""


class DeniedError(Exception):
    """A request was refused, by the other side or by this one. `code` is kebab-case."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class SessionHandler(Protocol):
    """What a session calls; always on the event loop."""

    def on_library(self, session: "Session", games: list[wire.Game]) -> None:
        """The other side advertises these games now."""

    async def answer(self, session: "Session", question: Question) -> wire.Answer:
        """Answer a request. Raises DeniedError to refuse it."""
        ...


class Session:
    """A control session after its handshake. `addr` is where the other side listens."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        remote: RemoteParty,
        addr: Address,
        *,
        outbound: bool,
        handler: SessionHandler,
    ) -> None:
        self.remote = remote
        self.addr = addr
        self.outbound = outbound
        # Data connections leave from here: tickets are bound to the address of their session.
        self.local_ip: str = writer.get_extra_info("sockname")[0]
        self.library_known = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._request_ids = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[wire.Answer | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_heard = 0.0
        self._end: EndReason | None = None

    @property
    def peer_id(self) -> str:
        """The other side's proven id."""
        return self.remote.peer_id

    @property
    def ended(self) -> bool:
        """Whether the session is over: nothing sent on it arrives any more."""
        return self._end is not None

    def send(self, message: wire.Message) -> None:
        """Send without waiting. A peer that does not read is cut off, not buffered for ever."""
        if self._writer.is_closing():
            return
        self._writer.write(wire.encode_frame(message))
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort("timeout")

    async def ask(
        self,
        question: Callable[[int], Question],
        patience_s: float,
        on_hashing: Callable[[wire.Hashing], None] | None = None,
    ) -> wire.ManifestReply | wire.Ticket:
        """Send the question made from a request id; return its answer.

        Waits at most `patience_s` seconds for each sign of progress. Raises DeniedError when the
        other side refuses, SessionLostError when no answer comes.
        """
        request = next(self._request_ids)
        answers: asyncio.Queue[wire.Answer | None] = asyncio.Queue()
        self._answers[request] = answers
        if self.ended:
            answers.put_nowait(None)
        self.send(question(request))
        try:
            while True:
                # Not asyncio.wait_for: before Python 3.12 it loses a cancel that comes with the
                # answer.
                async with asyncio.timeout(patience_s):
                    answer = await answers.get()
                if answer is None:
                    raise SessionLostError(f"the session to {self.addr} was lost")
                if isinstance(answer, wire.Denied):
                    raise DeniedError(answer.code, answer.reason)
                if not isinstance(answer, wire.Hashing):
                    return answer
                if on_hashing is not None:
                    on_hashing(answer)
        except TimeoutError:
            raise SessionLostError(f"{self.addr} did not answer for {patience_s:g} s") from None
        finally:
            del self._answers[request]

    async def run(self) -> EndReason:
        """Serve the session until it ends; returns why it did."""
        loop = asyncio.get_running_loop()
        self._last_heard = loop.time()
        pinger = asyncio.create_task(self._keep_alive(), name=f"ping {self.addr}")
        try:
            while self._end is None:
                message = await wire.read_session_message(self._reader)
                self._last_heard = loop.time()
                self._take(message)
        except (EOFError, OSError, wire.WireError):
            self._end = self._end or "connection-lost"
        finally:
            self._end = self._end or "connection-lost"
            pinger.cancel()
            for task in self._tasks:
                task.cancel()
            for answers in self._answers.values():
                answers.put_nowait(None)
            self.library_known.set()  # nothing more will be known: whoever waits for it looks
            self._writer.close()
        return self._end

    def say_goodbye(self) -> None:
        """Tell the other side that this one leaves, and close once that is sent."""
        self.send(wire.Goodbye())
        self._end = self._end or "goodbye"
        self._writer.close()

    async def closed(self) -> None:
        """Wait until what was sent has left and the connection is closed."""
        with contextlib.suppress(OSError):  # closed by the other side first: closed all the same
            await self._writer.wait_closed()

    def abort(self, reason: EndReason) -> None:
        """Cut the connection; `run` returns the reason."""
        self._end = self._end or reason
        self._writer.transport.abort()

    def _take(self, message: wire.SessionMessage) -> None:
        match message:
            case wire.Library():
                self._handler.on_library(self, message.games)
                self.library_known.set()
            case wire.Goodbye():
                self._end = "goodbye"
            case wire.GetManifest() | wire.OpenTransfer() | wire.OpenStream():
                if len(self._tasks) >= MAX_WAITING_REQUESTS:
                    self._deny(message.request, "busy", "Too many requests are waiting.")
                    return
                task = asyncio.create_task(self._answer(message), name=f"answer {self.addr}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case wire.ManifestReply() | wire.Ticket() | wire.Denied() | wire.Hashing():
                answers = self._answers.get(message.request)
                if answers is not None:  # else the asker has given up on it
                    answers.put_nowait(message)
            case wire.Ping():
                pass

    async def _answer(self, question: Question) -> None:
        try:
            self.send(await self._handler.answer(self, question))
        except DeniedError as error:
            self._deny(question.request, error.code, str(error))

    def _deny(self, request: int, code: str, reason: str) -> None:
        self.send(wire.Denied(request=request, code=code, reason=reason[:1000]))

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            self.send(wire.Ping())
            await asyncio.sleep(PING_INTERVAL_S)  # pacing, not synchronisation
            now = loop.time()
            # After a stop of this very process (SIGSTOP, a sleeping laptop) what the other side
            # sent meanwhile still waits to be read: the silence was ours.
            overslept = now - before > 2 * PING_INTERVAL_S
            if not overslept and now - self._last_heard > SILENCE_LIMIT_S:
                self.abort("timeout")
                return
