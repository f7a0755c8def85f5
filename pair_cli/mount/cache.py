"""The other's blocks that a mount keeps: fetched on demand and ahead, verified, bounded.

A read waits as long as the other is there, however slow; it fails once nothing was heard from it
for SILENCE_S, so that no operation on a mount hangs.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from pair_cli.files.blocks import (
    HASH_BYTES,
    block_count,
    block_hash,
    block_length,
    hash_at,
    root_of,
)
from pair_cli.files.fetch import LOST, Fetcher, FetchError
from pair_cli.files.tree import Entry
from pair_cli.files.wire import HASHES_AT_ONCE

AHEAD = 8
"""Blocks that are asked for before a reader who reads on needs them."""
SILENCE_S = 7.0
LONGEST_S = 60.0
"""The longest that one block may take, from a peer that is there but does not send it."""

Ask = Callable[[Callable[[str], None]], int]


class _Block:
    """A block that is here (`data`), or on its way (until `settled`), or failed (`code`)."""

    def __init__(self, length: int) -> None:
        self.data = bytearray(length)
        self.settled = threading.Event()
        self.verifying = threading.Lock()
        self.verified = False
        self.code = ""
        self.number: int | None = None

    def done(self, code: str) -> None:
        self.code = code
        self.settled.set()


class BlockCache:
    """Blocks by content, for all threads of a mount."""

    def __init__(self, fetcher: Fetcher, capacity: int) -> None:
        """Keep at most about `capacity` bytes."""
        self._fetcher = fetcher
        self._most = max(capacity >> 20, AHEAD + 2)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[bytes, int], _Block] = OrderedDict()
        self._never = threading.Event()
        self._gave_up_at: float | None = None  # what `heard_at` was when it had been too long

    def close(self) -> None:
        """Let waiting readers fail."""
        self._never.set()
        self._fetcher.wake()

    def hashes(self, entry: Entry, began: float) -> bytes:
        """Return the verified joined hashes of the other's content. Raises FetchError.

        `began` is when the operation began that needs them (`time.monotonic`).
        """
        count = block_count(entry.size)
        if count <= 1:
            return entry.root if count else b""  # of one block, the root is the hash
        hashes = bytearray(count * HASH_BYTES)
        memory = memoryview(hashes)
        for first in range(0, count, HASHES_AT_ONCE):
            into = memory[first * HASH_BYTES : (first + HASHES_AT_ONCE) * HASH_BYTES]
            self._insist(
                lambda done, first=first, into=into: self._fetcher.ask_hashes(  # type: ignore[misc]
                    entry, first, into, done
                ),
                began,
            )
        if root_of(bytes(hashes)) != entry.root:
            raise FetchError("wrong-bytes")
        return bytes(hashes)

    def block(
        self, entry: Entry, hashes: bytes, index: int, began: float, *, ahead: bool
    ) -> bytearray:
        """Return a verified block of the other's content; it must not be changed.

        `began` is as for `hashes`. `ahead`: also ask for the blocks after it. Raises FetchError.
        """
        block = self._get(entry, index)
        if ahead:
            for after in range(index + 1, min(index + 1 + AHEAD, block_count(entry.size))):
                self._get(entry, after)
        if not block.settled.is_set():
            self._wait(block.settled)
        if not block.verified:
            self._verify(entry, hashes, index, block, began)
        return block.data

    def _get(self, entry: Entry, index: int) -> _Block:
        """Return the block, here or on its way."""
        key = entry.root, index
        with self._lock:
            block = self._blocks.get(key)
            if block is not None and not block.code:
                self._blocks.move_to_end(key)
                return block
            block = self._blocks[key] = _Block(block_length(entry.size, index))
            self._blocks.move_to_end(key)
            dropped = self._make_room()
        for old in dropped:
            self._fetcher.forget(old)
        block.number = self._fetcher.ask_block(entry, index, memoryview(block.data), block.done)
        return block

    def _make_room(self) -> list[int]:
        """Drop the oldest blocks over the bound; return the numbers of those still on their way."""
        numbers = []
        while len(self._blocks) > self._most:
            _, old = self._blocks.popitem(last=False)
            if not old.settled.is_set():
                old.done("dropped")
                if old.number is not None:
                    numbers.append(old.number)
        return numbers

    def _verify(self, entry: Entry, hashes: bytes, index: int, block: _Block, began: float) -> None:
        with block.verifying:
            if block.verified:
                return
            wanted = hash_at(hashes, index)
            if block.code or block_hash(block.data) != wanted:
                # Once more, and so that the other looks at its file anew.
                fresh = bytearray(len(block.data))
                check = not block.code
                self._insist(
                    lambda done: self._fetcher.ask_block(
                        entry, index, memoryview(fresh), done, check=check
                    ),
                    began,
                )
                if block_hash(fresh) != wanted:
                    self._forget(entry, index, block)
                    raise FetchError("wrong-bytes")
                block.data, block.code = fresh, ""
            block.verified = True

    def _forget(self, entry: Entry, index: int, block: _Block) -> None:
        with self._lock:
            if self._blocks.get((entry.root, index)) is block:
                del self._blocks[entry.root, index]

    def _insist(self, ask: Ask, began: float) -> None:
        """Ask until it is answered, over lost connections too. Raises FetchError."""
        while True:
            settled, codes = threading.Event(), [""]

            def done(code: str, settled: threading.Event = settled, to: list[str] = codes) -> None:
                to[0] = code
                settled.set()

            number = ask(done)
            try:
                self._wait(settled)
            except FetchError:
                self._fetcher.forget(number)
                raise
            if codes[0] != LOST:
                break
            left = SILENCE_S - (time.monotonic() - began)
            if left <= 0 or not self._fetcher.wait_until_connected(self._never, left):
                raise FetchError(LOST)
        if codes[0]:
            raise FetchError(codes[0])

    def _wait(self, settled: threading.Event) -> None:
        """Wait for an answer. Raises FetchError after silence."""
        asked = time.monotonic()
        while True:
            heard = self._fetcher.heard_at
            now = time.monotonic()
            if heard is None:
                deadline = now + SILENCE_S  # what is lost is settled at once
            elif heard == self._gave_up_at:
                deadline = now  # still silent since another read gave up
            else:
                deadline = min(max(asked, heard) + SILENCE_S, asked + LONGEST_S)
            if settled.wait(max(0.0, min(deadline - now, 1.0))):
                return
            if self._never.is_set() or time.monotonic() >= deadline:
                self._gave_up_at = heard
                raise FetchError("silent")
