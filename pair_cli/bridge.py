"""The bridge: joins two connections that show the same token, and passes bytes between them unread.

For pairs that cannot reach each other directly. What passes is sealed end to end.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import ClientConnectionError, WSMessage, WSMsgType, web

from headless.program import Emit
from headless.tasks import end_tasks
from network.places import Places
from pair_cli.messages import BridgeClosed, BridgeOpened

MAX_MEETINGS = 1000
MAX_MEETINGS_PER_ADDRESS = 32  # of the one who came first
WAIT_S = 120.0  # for the second to come
IDLE_S = 120.0
MAX_PASSED = 256 << 10  # bytes of one WebSocket message
CLOSE_S = 1.0


@dataclass(eq=False)
class _Meeting:
    """A token's two connections."""

    requests: list[web.Request] = field(default_factory=list)  # one or two
    sockets: list[web.WebSocketResponse] = field(default_factory=list)  # those that are upgraded
    full: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_left(self) -> bool:
        """Whether the one who waits is gone."""
        transport = self.requests[0].transport
        return len(self.requests) == 1 and (transport is None or transport.is_closing())


class Bridges:
    """All bridges of a relay."""

    def __init__(self, emit: Emit) -> None:
        self.bytes = 0
        self._emit = emit
        self._meetings: dict[bytes, _Meeting] = {}
        self._places: Places[_Meeting] = Places(MAX_MEETINGS, MAX_MEETINGS_PER_ADDRESS)
        self._number = 0

    @property
    def joined(self) -> int:
        """How many pairs are joined."""
        return sum(one.full.is_set() for one in self._meetings.values())

    @property
    def waiting(self) -> int:
        """How many connections wait for their other half."""
        return len(self._meetings) - self.joined

    async def take(
        self,
        token: str,
        address: str,
        request: web.Request,
        upgraded: Callable[[web.Request], None],
    ) -> web.StreamResponse:
        """Hold a connection until its bridge ends. Raises web.HTTPException before an upgrade."""
        key = hashlib.sha256(token.encode()).digest()
        meeting = self._meetings.get(key)
        if meeting is not None and meeting.is_left:
            self._forget(key, meeting)
            meeting = None
        if meeting is not None and len(meeting.requests) == 2:
            raise web.HTTPConflict(text="two are joined with this token already")
        if meeting is not None:
            return await self._second(meeting, request, upgraded)
        if self._places.oldest_to_evict(address) is not None:
            raise web.HTTPServiceUnavailable(text="too many bridges", headers={"Retry-After": "30"})
        meeting = self._meetings[key] = _Meeting()
        self._places.add(meeting, address)
        try:
            return await self._first(meeting, request, upgraded)
        finally:
            self._forget(key, meeting)
            self._places.remove(meeting, address)

    async def stop(self) -> None:
        """End all bridges."""
        for meeting in self._meetings.values():
            meeting.over.set()

    def _forget(self, key: bytes, meeting: _Meeting) -> None:
        meeting.over.set()
        if self._meetings.get(key) is meeting:
            del self._meetings[key]

    async def _first(
        self, meeting: _Meeting, request: web.Request, upgraded: Callable[[web.Request], None]
    ) -> web.StreamResponse:
        """Wait for the second, and pass bytes between the two."""
        own = await _enter(meeting, request, upgraded)
        # Reading already shows whether it leaves; what it says meanwhile is kept.
        early = asyncio.create_task(own.receive(timeout=WAIT_S))
        full = asyncio.create_task(meeting.full.wait())
        over = asyncio.create_task(meeting.over.wait())
        try:
            await asyncio.wait([early, full, over], return_when=asyncio.FIRST_COMPLETED)
            if early.done() and _is_message(early):
                await asyncio.wait(
                    [full, over], timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED
                )
            if meeting.full.is_set():
                await self._pass(meeting, own, early)
        finally:
            meeting.over.set()
            for task in (early, full, over):
                task.cancel()
            await asyncio.wait([early, full, over])
            await _close(own, request)
        return own

    async def _second(
        self, meeting: _Meeting, request: web.Request, upgraded: Callable[[web.Request], None]
    ) -> web.StreamResponse:
        own = await _enter(meeting, request, upgraded)
        await meeting.over.wait()
        await _close(own, request)
        return own

    async def _pass(
        self, meeting: _Meeting, one: web.WebSocketResponse, early: Awaitable[WSMessage]
    ) -> None:
        self._number += 1
        number, before = self._number, self.bytes
        self._emit(BridgeOpened(bridge=number))
        other = next(each for each in meeting.sockets if each is not one)
        tasks = [
            asyncio.create_task(self._copy(one, other, early)),
            asyncio.create_task(self._copy(other, one, other.receive(timeout=IDLE_S))),
            asyncio.create_task(meeting.over.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(tasks)
            self._emit(BridgeClosed(bridge=number, bytes=self.bytes - before))

    async def _copy(
        self,
        source: web.WebSocketResponse,
        target: web.WebSocketResponse,
        first: Awaitable[WSMessage],
    ) -> None:
        """Pass messages on until either end is gone. No more is read than the target takes."""
        with contextlib.suppress(TimeoutError, ClientConnectionError, ConnectionError):
            message = await first
            while message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
                self.bytes += len(message.data)
                message = await source.receive(timeout=IDLE_S)


def _is_message(early: "asyncio.Task[WSMessage]") -> bool:
    failed = early.cancelled() or early.exception() is not None
    return not failed and early.result().type is WSMsgType.BINARY


async def _enter(
    meeting: _Meeting, request: web.Request, upgraded: Callable[[web.Request], None]
) -> web.WebSocketResponse:
    """Upgrade a connection, for which the meeting keeps a place meanwhile."""
    meeting.requests.append(request)
    own = web.WebSocketResponse(max_msg_size=MAX_PASSED, compress=False, timeout=CLOSE_S)
    try:
        await own.prepare(request)
    except web.HTTPException:
        meeting.requests.remove(request)
        raise
    upgraded(request)
    meeting.sockets.append(own)
    if len(meeting.sockets) == 2:
        meeting.full.set()
    return own


async def _close(own: web.WebSocketResponse, request: web.Request) -> None:
    """End a connection in order, or, if the other end does not answer, at once."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(2 * CLOSE_S):
            await own.close(drain=False)
    if request.transport is not None:
        request.transport.abort()
