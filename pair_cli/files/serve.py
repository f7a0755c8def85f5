"""Answers the other's requests for blocks, in threads of its own."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from headless.once import Once
from headless.texts import printable
from headless.threads import report_defect
from network.limits import RateLimiter
from pair_cli.files.blocks import (
    BLOCK_BYTES,
    HASH_BYTES,
    FileKeepsChanging,
    block_length,
    stamp_of,
)
from pair_cli.files.folder import SharedFolder
from pair_cli.files.wire import BlockWanted, HashesWanted, Refused, say
from pair_cli.interfaces import Channel, ChannelClosed
from pair_cli.wire import ProtocolError
from store.names import UnsafeName
from store.open_file import read_at

THREADS = 2
NUMBERS = 1 << 32
"""Blocks of a channel have numbers below this."""
MAX_REQUESTS = 256
"""The most requests that may wait; a peer of this kind asks for far fewer at once."""


class Server:
    """Sends blocks of this side's files."""

    def __init__(self, folder: SharedFolder, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self._folder = folder
        self._tree = folder.tree
        self._pool = ThreadPoolExecutor(THREADS, "serve")
        self._memory = threading.local()
        self._report = Once(lambda text: print(f"pair-cli: {text}", file=sys.stderr))
        self._waiting = 0  # counted on the event loop, and by the threads
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def take(self, channel: Channel, wanted: BlockWanted | HashesWanted) -> None:
        """Answer a request soon. Called on the event loop. Raises ProtocolError."""
        if not 0 <= wanted.number < NUMBERS:
            raise ProtocolError(f"a block cannot have the number {wanted.number}")
        with self._lock:
            busy = self._waiting >= MAX_REQUESTS
            self._waiting += not busy
        if busy:
            _refuse(channel, wanted.number, "busy")
        else:
            self._pool.submit(self._answer, channel, wanted).add_done_callback(report_defect)

    def end(self) -> None:
        """End the threads, once the channel is closed."""
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def _answer(self, channel: Channel, wanted: BlockWanted | HashesWanted) -> None:
        try:
            if isinstance(wanted, HashesWanted):
                self._send_hashes(channel, wanted)
            else:
                self._send_block(channel, wanted)
        except ChannelClosed:
            return
        finally:
            with self._lock:
                self._waiting -= 1

    def _send_hashes(self, channel: Channel, wanted: HashesWanted) -> None:
        hashes = self._tree.hashes(wanted.root) or b""
        first = wanted.first * HASH_BYTES
        part = hashes[first : first + wanted.count * HASH_BYTES] if first >= 0 else b""
        if wanted.count > 0 and len(part) == wanted.count * HASH_BYTES:
            channel.send_block(wanted.number, memoryview(part))
        else:
            _refuse(channel, wanted.number, self._why_not(wanted.path))

    def _send_block(self, channel: Channel, wanted: BlockWanted) -> None:
        if channel.closed:
            return
        try:
            block = self._read(wanted)
        except FileKeepsChanging:
            block = None
        except (OSError, UnsafeName) as error:
            self._report(f"{printable(wanted.path)} cannot be sent: {error}")
            _refuse(channel, wanted.number, "unreadable")
            return
        if block is None:
            _refuse(channel, wanted.number, self._why_not(wanted.path))
        elif self.limiter.acquire(len(block), self._ended):
            channel.send_block(wanted.number, block)

    def _read(self, wanted: BlockWanted) -> memoryview | None:
        """Return the block, None if this content is not here. Raises OSError, UnsafeName."""
        entry = self._tree.holding(wanted.path, wanted.root)
        if entry is None or not 0 <= wanted.index * BLOCK_BYTES < entry.size:
            return None
        descriptor = self._folder.open(entry.disk)
        try:
            if wanted.check or stamp_of(os.fstat(descriptor)) != entry.stamp:
                self._folder.hash_anew(entry.path)
                if self._tree.holding(wanted.path, wanted.root) is None:
                    return None
            block = self._buffer()[: block_length(entry.size, wanted.index)]
            return block if read_at(descriptor, wanted.index * BLOCK_BYTES, block) else None
        finally:
            os.close(descriptor)

    def _why_not(self, path: str) -> str:
        entry = self._tree.get(path)
        return "source-changed" if entry is not None and not entry.folder else "gone"

    def _buffer(self) -> memoryview:
        if not hasattr(self._memory, "block"):
            self._memory.block = memoryview(bytearray(BLOCK_BYTES))
        block: memoryview = self._memory.block
        return block


def _refuse(channel: Channel, number: int, code: str) -> None:
    say(channel, Refused(number, code))
