"""Asks the other for blocks, from any thread, and verifies them."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from network.limits import RateLimiter
from pair_cli.files.blocks import (
    HASH_BYTES,
    block_count,
    block_hash,
    block_length,
    hash_at,
    root_of,
)
from pair_cli.files.tree import Entry
from pair_cli.files.wire import HASHES_AT_ONCE, BlockWanted, HashesWanted, encode
from pair_cli.interfaces import Channel, ChannelClosed

WINDOW = 6
"""The blocks of one file that are asked for at once."""
LOST = "lost"
_CANCEL_POLL_S = 0.1
_T = TypeVar("_T")
_NUMBERS = 1 << 32


class FetchError(Exception):
    """A block cannot be had. Codes: those of wire.Refused, `lost`, `wrong-bytes`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class FetchCancelled(Exception):  # noqa: N818 - nothing failed
    """This side cancelled."""


class Fetcher:
    """The blocks that are on their way. Thread-safe."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self._changed = threading.Condition()
        self._channel: Channel | None = None
        self._waiting: dict[int, Callable[[str], None]] = {}
        self._number = 0

    def connected(self, channel: Channel) -> None:
        """Use this channel from now on."""
        with self._changed:
            self._channel = channel
            self._changed.notify_all()

    def disconnected(self) -> None:
        """The channel is gone: everything on its way is lost."""
        with self._changed:
            self._channel = None
            lost, self._waiting = list(self._waiting.values()), {}
        for done in lost:
            done(LOST)

    def refused(self, number: int, code: str) -> None:
        """The other will not send this block."""
        with self._changed:
            done = self._waiting.pop(number, None)
            channel = self._channel
        if done is not None:
            if channel is not None:
                channel.forget_block(number)
            done(code)

    @property
    def heard_at(self) -> float | None:
        """When the other was last heard (monotonic); None without a connection."""
        channel = self._channel
        return None if channel is None else channel.heard_at

    def wait_until_connected(self, cancelled: threading.Event, timeout_s: float | None) -> bool:
        """Wait for a connection; False if there is none in time, or `cancelled` is set.

        Call `wake` after setting `cancelled`.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._channel is not None or cancelled.is_set(), timeout_s
            )
            return self._channel is not None and not cancelled.is_set()

    def wake(self) -> None:
        """Let waiting threads see that they are cancelled."""
        with self._changed:
            self._changed.notify_all()

    def ask_block(
        self,
        entry: Entry,
        index: int,
        into: memoryview,
        done: Callable[[str], None],
        *,
        check: bool = False,
    ) -> int:
        """Ask for a block; `done` gets "" once it is in the buffer, or a code (see FetchError).

        `done` is called in another thread, or in this one, and must not block. Returns the number,
        for `forget`.
        """
        return self._ask(
            into,
            done,
            lambda number: BlockWanted(number, entry.path, entry.root, index, check),
        )

    def ask_hashes(
        self, entry: Entry, first: int, into: memoryview, done: Callable[[str], None]
    ) -> int:
        """Ask for as many block hashes as the buffer holds, like `ask_block`."""
        count = len(into) // HASH_BYTES
        return self._ask(
            into, done, lambda number: HashesWanted(number, entry.path, entry.root, first, count)
        )

    def forget(self, number: int) -> None:
        """Let go of a buffer; `done` is not called any more once this returns."""
        with self._changed:
            known = self._waiting.pop(number, None) is not None
            channel = self._channel
        if known and channel is not None:
            channel.forget_block(number)

    def _ask(
        self,
        into: memoryview,
        done: Callable[[str], None],
        message: Callable[[int], BlockWanted | HashesWanted],
    ) -> int:
        with self._changed:
            channel = self._channel
            number = self._number = (self._number + 1) % _NUMBERS
            if channel is not None:
                self._waiting[number] = done
        if channel is None:
            done(LOST)
            return number
        try:
            channel.expect_block(number, into, lambda: self._arrived(number))
            channel.send(encode(message(number)))
        except ChannelClosed:
            self.refused(number, LOST)
        return number

    def _arrived(self, number: int) -> None:
        with self._changed:
            done = self._waiting.pop(number, None)
        if done is not None:
            done("")


def fetch_hashes(fetcher: Fetcher, entry: Entry, cancelled: threading.Event) -> bytes:
    """Return the verified joined hashes of the other's content.

    Raises FetchError, also when the connection is lost, and FetchCancelled.
    """
    count = block_count(entry.size)
    if count <= 1:
        return entry.root if count else b""  # of one block, the root is the hash
    hashes = bytearray(count * HASH_BYTES)
    memory = memoryview(hashes)
    done: SimpleQueue[str] = SimpleQueue()
    for first in range(0, count, HASHES_AT_ONCE):
        into = memory[first * HASH_BYTES : (first + HASHES_AT_ONCE) * HASH_BYTES]
        number = fetcher.ask_hashes(entry, first, into, done.put)
        code = _next(done, cancelled)
        if code is None:
            fetcher.forget(number)
            raise FetchCancelled
        if code:
            raise FetchError(code)
    if root_of(bytes(hashes)) != entry.root:
        raise FetchError("wrong-bytes")
    return bytes(hashes)


def fetch_blocks(
    fetcher: Fetcher,
    entry: Entry,
    hashes: bytes,
    wanted: Iterable[int],
    take: Callable[[int, memoryview], None],
    cancelled: threading.Event,
) -> None:
    """Fetch and verify blocks; `take` gets each one, in any order, in this thread.

    A block that is wrong is asked for once more. Raises FetchError, also when the connection is
    lost, FetchCancelled, and what `take` raises. Afterwards nothing is on its way any more.
    """
    todo = deque(wanted)
    largest = block_length(entry.size, 0)
    free = [memoryview(bytearray(largest)) for _ in range(min(WINDOW, len(todo)))]
    under_way: dict[int, tuple[int, memoryview]] = {}
    doubted: set[int] = set()
    done: SimpleQueue[tuple[int, str]] = SimpleQueue()
    asks = itertools.count()
    numbers: dict[int, int] = {}
    try:
        while todo or under_way:
            while todo and free:
                index = todo.popleft()
                length = block_length(entry.size, index)
                if not fetcher.limiter.acquire(length, cancelled):
                    raise FetchCancelled
                into, ask = free.pop(), next(asks)
                under_way[ask] = index, into
                numbers[ask] = fetcher.ask_block(
                    entry,
                    index,
                    into[:length],
                    partial(_tell, done, ask),
                    check=index in doubted,
                )
            answer = _next(done, cancelled)
            if answer is None:
                raise FetchCancelled
            ask, code = answer
            index, into = under_way.pop(ask)
            del numbers[ask]
            if code:
                raise FetchError(code)
            block = into[: block_length(entry.size, index)]
            if block_hash(block) == hash_at(hashes, index):
                take(index, block)
            elif index in doubted:
                raise FetchError("wrong-bytes")
            else:
                doubted.add(index)
                todo.appendleft(index)
            free.append(into)
    finally:
        for number in numbers.values():
            fetcher.forget(number)


def _tell(queue: "SimpleQueue[tuple[int, str]]", ask: int, code: str) -> None:
    queue.put((ask, code))


def _next(queue: "SimpleQueue[_T]", cancelled: threading.Event) -> _T | None:
    """Return the next item, or None once `cancelled` is set."""
    while not cancelled.is_set():
        try:
            return queue.get(timeout=_CANCEL_POLL_S)
        except Empty:
            continue
    return None
