"""An open control session of the raw client."""

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from typing import Any

from .frames import Message, Refused, decode, frame, read_frame

PING_EVERY_S = 1.0
ANSWER_S = 10.0


class Pressed:
    """The answers to requests that were sent at once, in the order in which they come."""

    def __init__(self, requests: Sequence[int] = ()) -> None:
        self._requests = requests
        self._began = asyncio.get_running_loop().time()
        self._came = asyncio.Event()
        self._answers: list[tuple[int, float]] = []

    def take(self, request: int) -> None:
        """Note an answer."""
        if request in self._requests:
            after = asyncio.get_running_loop().time() - self._began
            self._answers.append((self._requests.index(request), after))
            self._came.set()

    async def answers(self, count: int) -> list[tuple[int, float]]:
        """Wait for so many answers.

        Returns all so far: the place of the request, and the seconds since they were sent.
        """
        while len(self._answers) < count:
            self._came.clear()
            await self._came.wait()
        return self._answers


class Session:
    """A control session whose handshake is done."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[["Session", Message], None],
    ) -> None:
        """``answer`` is called with each request from the other side."""
        self.over = False
        self.pressed = Pressed()
        self.reading = asyncio.Event()
        self.reading.set()
        self._answer = answer
        self.games: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._reader, self._writer = reader, writer
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}

    async def run(self) -> None:
        """Read until the session ends; then fail the pending requests."""
        pinging = asyncio.create_task(self._ping())
        try:
            while True:
                await self.reading.wait()
                self._take(decode(await read_frame(self._reader)))
        except (OSError, EOFError, Refused):
            pass
        finally:
            self.over = True
            pinging.cancel()
            self._writer.close()
            unanswered: list[asyncio.Future[Any]] = [self.games, *self._answers.values()]
            for waiting in unanswered:
                if not waiting.done():
                    waiting.set_exception(_lost())
                    waiting.exception()  # marks it as retrieved, even if nothing awaits it

    def stop_reading(self) -> None:
        """Read nothing any more, and have the system keep little of what comes."""
        self.reading.clear()
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def send(self, message: Message) -> None:
        """Send a message that gets no answer, or nothing when the session is over."""
        if not self._writer.is_closing():
            self._writer.write(frame(message))

    def press(self, kind: str, asked: Sequence[Message]) -> None:
        """Send many requests at once; their answers go to `pressed`."""
        requests = [next(self._requests) for _ in asked]
        self.pressed = Pressed(requests)
        for request, fields in zip(requests, asked, strict=True):
            self.send({"type": kind, "request": request, **fields})

    async def ask(self, kind: str, **fields: Any) -> Message:
        """Send a request and return its answer. Raises Refused."""
        if self.over:
            raise _lost()
        request = next(self._requests)
        self._answers[request] = asyncio.get_running_loop().create_future()
        self._writer.write(frame({"type": kind, "request": request, **fields}))
        try:
            answer = await asyncio.wait_for(self._answers[request], ANSWER_S)
        except TimeoutError:
            raise Refused("no-answer", f"No answer to {kind} within {ANSWER_S:g} s.") from None
        if answer["type"] == "denied":
            raise Refused(str(answer["code"]), str(answer["reason"]))
        return answer

    def say_goodbye(self) -> None:
        """Leave on purpose."""
        self._writer.write(frame({"type": "goodbye"}))
        self._writer.close()

    def _take(self, message: Message) -> None:
        if message["type"] == "library":
            if self.games.done():
                self.games = asyncio.get_running_loop().create_future()
            self.games.set_result(message["games"])
        elif message["type"] in ("manifest", "ticket", "stream-ticket", "denied"):
            waiting = self._answers.get(message["request"])
            if waiting is None:
                self.pressed.take(message["request"])
            elif not waiting.done():
                waiting.set_result(message)
        elif message["type"] in ("get-digest", "get-manifest", "open-transfer", "open-stream"):
            self._answer(self, message)

    async def _ping(self) -> None:
        while True:
            self.send({"type": "ping"})
            await asyncio.sleep(PING_EVERY_S)  # the protocol's interval


def _lost() -> Refused:
    return Refused("session-lost", "The peer ended the session.")
