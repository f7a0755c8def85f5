"""One open control session: messages both ways, requests and their answers, liveness."""

import asyncio
import itertools
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Literal, Protocol, TypeAlias, assert_never

from headless.errors import CodedError
from network.address import Address, address_of
from network.handshake import RemoteParty
from network.heartbeat import PING_INTERVAL_S, Heartbeat
from network.message_rate import MessageRate
from network.outbox import Outbox
from peer_cli.network import wire

HASHING_STEP = 256 << 10  # bytes; a source hashes in blocks of 4 MiB
MAX_WAITING_REQUESTS = 16
MAX_UNSENT_BYTES = 256 << 10
UNREAD_LIMIT_S = 5.0

EndReason: TypeAlias = Literal["goodbye", "connection-lost", "timeout"]
Question: TypeAlias = wire.GetDigest | wire.GetManifest | wire.OpenTransfer | wire.OpenStream


class SessionLostError(Exception):
    """The session ended before the answer came, or the answer came too late."""


class NoAnswerError(SessionLostError):
    """The source keeps reporting that it is hashing, but makes no progress."""


class DeniedError(CodedError):
    """A request was denied, by the other side or by this one."""


class SessionHandler(Protocol):
    """The callbacks of a session, always on the event loop."""

    def turn(self, session: "Session", kind: str) -> AbstractAsyncContextManager[None]:
        """Return the context in which a message of type `kind` is read and handled."""
        ...

    def on_library(self, session: "Session", games: list[wire.Game]) -> None:
        """The other side now advertises these games."""

    async def answer(self, session: "Session", question: Question) -> wire.Answer:
        """Answer a request. Raises DeniedError to deny it."""
        ...

    def large_answer(self, session: "Session") -> AbstractContextManager[None]:
        """Return the place that a large answer holds while it is sent. Raises DeniedError."""
        ...


class Session:
    """A control session after its handshake.

    `addr` is where the other side listens. Its messages count for `rate`.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        remote: RemoteParty,
        addr: Address,
        *,
        outbound: bool,
        handler: SessionHandler,
        rate: MessageRate,
    ) -> None:
        self.remote = remote
        self.addr = addr
        self.outbound = outbound
        # Data connections use this address too: tickets are bound to the address of their session.
        self.local_ip = address_of(writer.get_extra_info("sockname")).ip
        self.library_known = asyncio.Event()
        self._reader = reader
        self._outbox = Outbox(
            writer,
            self._give_up_on_non_reader,
            max_unsent=MAX_UNSENT_BYTES,
            unread_limit_s=UNREAD_LIMIT_S,
        )
        self._heartbeat = Heartbeat()
        self._handler = handler
        self._rate = rate
        self._request_ids = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[wire.Answer | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._manifests_due = 0
        self._end: EndReason | None = None

    @property
    def peer_id(self) -> str:
        """The other side's proven id."""
        return self.remote.peer_id

    @property
    def ended(self) -> bool:
        """Whether the session is over, so that nothing sent on it arrives."""
        return self._end is not None

    @property
    def is_responsive(self) -> bool:
        """Whether the other side sent something recently, and so is there and awake."""
        return not self.ended and self._heartbeat.silent_s < 2 * PING_INTERVAL_S

    def send(self, message: wire.Message) -> None:
        """Send without waiting. A peer that does not read is cut off, to bound the buffer."""
        self._outbox.send(message)

    async def send_large(self, message: wire.Message) -> None:
        """Wait until earlier messages are sent, send this one, and wait for it. One at a time."""
        await self._outbox.send_large(wire.encode_frame(message))

    def end_with(self, code: str, reason: str) -> None:
        """End the session; report why to the other side and on stderr."""
        if self.ended:
            return
        print(f"peer-cli: the session with {self.addr} is ended: {reason}", file=sys.stderr)
        self.send(wire.Refused(code=code, reason=reason))
        self._end = self._end or "connection-lost"
        self._outbox.close()

    async def ask(
        self,
        question: Callable[[int], Question],
        patience_s: float,
    ) -> wire.Digest | wire.ManifestReply | wire.Ticket | wire.StreamTicket:
        """Send the question that `question` makes from a request id; return the answer.

        Waits at most `patience_s` seconds for each sign of progress. A hashing report counts as one
        only for GetDigest (after it, a source has hashed nearly everything), only if at least
        HASHING_STEP more bytes are done, and only up to the first total that is not 0. Raises
        DeniedError when the other side denies the request, SessionLostError when no answer comes.
        """
        loop = asyncio.get_running_loop()
        request = next(self._request_ids)
        answers: asyncio.Queue[wire.Answer | None] = asyncio.Queue()
        self._answers[request] = answers
        if self.ended:
            answers.put_nowait(None)
        asked = question(request)
        self.send(asked)
        hashes = isinstance(asked, wire.GetDigest)
        large = isinstance(asked, wire.GetManifest)
        self._manifests_due += large
        deadline, hashed, total = loop.time() + patience_s, 0, None
        try:
            while True:
                # Not asyncio.wait_for, which before Python 3.12 loses a cancel that comes together
                # with the answer.
                async with asyncio.timeout_at(deadline):
                    answer = await answers.get()
                if answer is None:
                    raise SessionLostError(f"the session to {self.addr} was lost")
                if isinstance(answer, wire.Denied):
                    raise DeniedError(answer.code, answer.reason)
                if not isinstance(answer, wire.Hashing):
                    return answer
                total = total or answer.total  # 0 while the source still looks for the files
                if hashes and hashed + HASHING_STEP <= answer.done <= total:
                    deadline, hashed = loop.time() + patience_s, answer.done
        except TimeoutError:
            kind = SessionLostError if total is None else NoAnswerError
            raise kind(f"{self.addr} did not answer for {patience_s:g} s") from None
        finally:
            self._manifests_due -= large
            del self._answers[request]

    async def run(self) -> EndReason:
        """Serve the session until it ends; returns the reason."""
        pinger = asyncio.create_task(self._keep_alive(), name=f"ping {self.addr}")
        try:
            while self._end is None:
                head = await wire.read_head(self._reader)
                self._heartbeat.busy = True
                async with self._handler.turn(self, head.kind):
                    self._heartbeat.heard()
                    self._heartbeat.busy = False
                    if self.ended:
                        break
                    message = await wire.read_rest(
                        self._reader,
                        head,
                        manifest_due=lambda: self._manifests_due > 0,
                        heard=self._heartbeat.heard,
                    )
                    if message is not None:
                        self._take(message)
                await self._rate.taken()
        except (EOFError, OSError, wire.WireError):
            self._end = self._end or "connection-lost"
        finally:
            self._end = self._end or "connection-lost"
            pinger.cancel()
            for task in self._tasks:
                task.cancel()
            for answers in self._answers.values():
                answers.put_nowait(None)
            self.library_known.set()  # nothing more will arrive, so wake whoever waits for it
            # No orderly close for a peer that broke the rules.
            self._outbox.end(orderly=self._end == "goodbye")
        return self._end

    def say_goodbye(self) -> None:
        """Send a goodbye, and close once it is sent."""
        self.send(wire.Goodbye())
        self._end = self._end or "goodbye"
        self._outbox.close()

    async def closed(self) -> None:
        """Wait until everything is sent and the connection is closed."""
        await self._outbox.closed()

    def abort(self, reason: EndReason) -> None:
        """Cut the connection; `run` returns the reason."""
        self._end = self._end or reason
        self._outbox.abort()

    def _give_up_on_non_reader(self) -> None:
        if not self.ended:
            reason = "it does not read what this peer sends"
            print(f"peer-cli: the session with {self.addr} is ended: {reason}", file=sys.stderr)
        self.abort("timeout")

    def _take(self, message: wire.SessionMessage) -> None:
        match message:
            case wire.Library():
                self._handler.on_library(self, message.games)
                self.library_known.set()
            case wire.Goodbye():
                self._end = "goodbye"
            case wire.Refused():
                print(
                    f"peer-cli: {self.addr} ended the session: {message.reason}",
                    file=sys.stderr,
                )
                self._end = self._end or "connection-lost"
            case wire.GetDigest() | wire.GetManifest() | wire.OpenTransfer() | wire.OpenStream():
                if len(self._tasks) >= MAX_WAITING_REQUESTS:
                    self._deny(message.request, "busy", "Too many requests are waiting.")
                    return
                task = asyncio.create_task(self._answer(message), name=f"answer {self.addr}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case (
                wire.Digest()
                | wire.ManifestReply()
                | wire.Ticket()
                | wire.StreamTicket()
                | wire.Denied()
                | wire.Hashing()
            ):
                answers = self._answers.get(message.request)
                if answers is not None:  # otherwise the asker gave up
                    answers.put_nowait(message)
            case wire.Ping():
                pass
            case _:
                assert_never(message)

    async def _answer(self, question: Question) -> None:
        try:
            if isinstance(question, wire.GetManifest):
                # Only the frame is kept until it is sent: the message needs several times as much.
                frame = wire.encode_frame(await self._handler.answer(self, question))
                with self._handler.large_answer(self):
                    await self._outbox.send_large(frame)
            else:
                self.send(await self._handler.answer(self, question))
        except DeniedError as error:
            self._deny(question.request, error.code, str(error))

    def _deny(self, request: int, code: str, reason: str) -> None:
        self.send(wire.Denied(request=request, code=code, reason=reason[:1000]))

    async def _keep_alive(self) -> None:
        await self._heartbeat.run(lambda: self.send(wire.Ping()))
        self.abort("timeout")
