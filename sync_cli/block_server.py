"""Serves blocks to peers that have a session with this one: a thread for each connection."""

import asyncio
import contextlib
import hmac
import secrets
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable

from network.frames import WireError
from network.limits import RateLimiter
from sync_cli import wire
from sync_cli.dataline import OPEN_TIMEOUT_S, Line, serve

MAX_LINES = 64
MAX_LINES_PER_PEER = 4


class BlockServer:
    """Accepts data connections of those to whom it gave a token."""

    def __init__(
        self,
        context: ssl.SSLContext,
        read_block: Callable[[bytes, int], bytes | None],
        limiter: RateLimiter,
    ) -> None:
        self._context = context
        self._read_block = read_block
        self._limiter = limiter
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(wire.TOKEN_BYTES)
        self._tokens: dict[bytes, str] = {}
        self._lines: dict[Line, str] = {}

    def token_for(self, peer_id: str) -> bytes:
        """Return the token of a peer, which holds from now on until it leaves.

        It is the same in all its sessions: of two that begin at once, it is not known yet which
        one will stay.
        """
        token = hmac.digest(self._secret, peer_id.encode(), "sha256")
        with self._lock:
            self._tokens[token] = peer_id
        return token

    def leave(self, peer_id: str) -> None:
        """End the connections of a peer, whose session has ended."""
        with self._lock:
            for token in [token for token, one in self._tokens.items() if one == peer_id]:
                del self._tokens[token]
            lines = [line for line, one in self._lines.items() if one == peer_id]
        for line in lines:
            line.cut()

    def stop(self) -> None:
        """End all connections."""
        with self._lock:
            self._tokens.clear()
            lines = list(self._lines)
        for line in lines:
            line.cut()

    async def greet(self, connection: socket.socket) -> None:
        """Take a connection that has shown the magic; returns once it has proven itself or not."""
        proven = asyncio.Event()
        loop = asyncio.get_running_loop()
        connection.setblocking(True)
        line = Line(connection)

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(proven.set)

        threading.Thread(target=self._run, args=(line, tell), name="serve", daemon=True).start()
        try:
            async with asyncio.timeout(2 * OPEN_TIMEOUT_S):
                await proven.wait()
        except TimeoutError:
            line.cut()
        except asyncio.CancelledError:
            line.cut()
            raise

    def _run(self, line: Line, proven: Callable[[], None]) -> None:
        try:
            line.secure(self._context, accepting=True)
            token = bytearray(wire.TOKEN_BYTES)
            line.wait(OPEN_TIMEOUT_S)
            line.fill(memoryview(token))
            if self._admit(line, bytes(token)):
                proven()
                serve(line, self._read_block, self._limiter)
        except (OSError, EOFError, WireError):
            pass  # the other side has left or makes no sense; it sees the end
        finally:
            with self._lock:
                self._lines.pop(line, None)
            line.close()
            proven()

    def _admit(self, line: Line, token: bytes) -> bool:
        with self._lock:
            peer_id = self._tokens.get(token)
            taken = Counter(self._lines.values())
            if peer_id is None or taken.total() >= MAX_LINES:
                return False
            if taken[peer_id] >= MAX_LINES_PER_PEER:
                return False
            self._lines[line] = peer_id
            return True
