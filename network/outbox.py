"""What is sent on a session: without waiting, but bounded."""

import asyncio
import contextlib
from collections.abc import Callable

from network.frames import Message, encode_frame


class Outbox:
    """Sends messages. Calls `give_up` when the other side does not read what is sent.

    Nothing is sent any more after `close` or when the connection is lost.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        give_up: Callable[[], None],
        *,
        max_unsent: int,
        unread_limit_s: float,
    ) -> None:
        self._writer = writer
        self._give_up = give_up
        self._max_unsent = max_unsent  # bytes, besides one large message
        self._unread_limit_s = unread_limit_s  # who takes nothing for this long does not read
        self._large = asyncio.Lock()
        self._large_bytes = 0  # of the message that is being sent
        writer.transport.set_write_buffer_limits(high=max_unsent // 4)

    def send(self, message: Message) -> None:
        """Send without waiting."""
        if self._writer.is_closing():
            return
        self._writer.write(encode_frame(message))
        if self._unsent > self._max_unsent + self._large_bytes:
            self._give_up()

    async def send_large(self, frame: bytes) -> None:
        """Wait until earlier messages are sent, send this one, and wait for it. One at a time.

        It takes the encoded message, which needs a fraction of the memory of the message itself.
        """
        async with self._large:
            await self._all_sent()
            if self._writer.is_closing():
                return
            self._large_bytes = len(frame)
            self._writer.write(frame)
            del frame
            await self._all_sent()
            self._large_bytes = 0

    def close(self) -> None:
        """Close once everything is sent."""
        self._writer.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()

    def end(self, *, orderly: bool) -> None:
        """Close or cut the connection, unless that is done already."""
        if not self._writer.is_closing():
            if orderly:
                self.close()
            else:
                self.abort()

    async def closed(self) -> None:
        """Wait until everything is sent and the connection is closed."""
        with contextlib.suppress(OSError):  # the other side closed first, which is as good
            await self._writer.wait_closed()

    @property
    def _unsent(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    async def _all_sent(self) -> None:
        """Wait until nearly everything is sent, as long as there is progress."""
        while not self._writer.is_closing():
            before = self._unsent
            try:
                async with asyncio.timeout(self._unread_limit_s):
                    await self._writer.drain()
            except TimeoutError:
                if self._unsent >= before:
                    self._give_up()
            except OSError:  # lost; whoever reads the session notices too
                return
            else:
                return
