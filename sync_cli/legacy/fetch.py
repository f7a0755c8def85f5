"""Fetches one file from a legacy peer."""

import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from headless.errors import CodedError
from headless.threads import run_to_end
from network.errors import plain
from network.limits import RateLimiter
from sync_cli.legacy import wire
from sync_cli.legacy.files import CannotStoreError, Incoming
from sync_cli.legacy.stream import SLICE_BYTES, StalledError, Stream, connect, pay

HEADER_TIMEOUT_S = 30.0  # a peer sends its header a byte at a time if it likes


class FetchFailedError(CodedError):
    """The file did not arrive; the text says why."""


class Fetched(NamedTuple):
    """`mtime` is what the disk made of the wanted one."""

    length: int
    mtime: int


class Fetcher:
    """Fetches files, from `own_ip`; `incoming` makes one of a name and a length."""

    def __init__(
        self,
        incoming: Callable[[str, int], Incoming],
        own_ip: str | None,
        download: RateLimiter,
    ) -> None:
        self._incoming = incoming
        self._own_ip = own_ip
        self._download = download
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let no thread wait for the rate limit any longer."""
        self._stopped.set()

    async def fetch(
        self, name: str, holder: wire.Holder, on_begin: Callable[[int], None]
    ) -> Fetched:
        """Fetch a file; `on_begin` gets its length. Raises FetchFailedError."""
        try:
            stream = await connect((holder.ip, holder.port), self._own_ip)
            try:
                return await self._fetch(stream, name, holder.mtime, on_begin)
            finally:
                stream.close()
        except CannotStoreError as error:
            raise FetchFailedError(error.code, str(error)) from error
        except StalledError as error:
            raise FetchFailedError("stalled", str(error)) from error
        except wire.WireError as error:
            raise FetchFailedError("bad-answer", str(error)) from error
        except OSError as error:
            raise FetchFailedError("source-lost", plain(error)) from error

    async def _fetch(
        self, stream: Stream, name: str, mtime: int, on_begin: Callable[[int], None]
    ) -> Fetched:
        await stream.send(wire.encode_request(name))
        header = await stream.line(wire.MAX_HEADER_BYTES, HEADER_TIMEOUT_S)
        if header is None:
            raise FetchFailedError("missing", "the source does not have it")
        length = wire.decode_header(header)
        on_begin(length)
        incoming = self._incoming(name, length)
        try:
            await run_to_end(None, incoming.open)
            await self._receive(stream, incoming, length)
            return Fetched(length, await run_to_end(None, partial(incoming.finish, mtime)))
        finally:
            incoming.close()

    async def _receive(self, stream: Stream, incoming: Incoming, length: int) -> None:
        memory = memoryview(bytearray(min(length, SLICE_BYTES)))
        offset = 0
        while offset < length:
            filled, wanted = 0, min(len(memory), length - offset)
            while filled < wanted:
                size = self._download.slice_size(wanted - filled)
                count = await stream.receive_into(memory[filled : filled + size])
                if count == 0:
                    raise FetchFailedError(
                        "cut-off", f"the source sent {offset + filled} of {length} bytes"
                    )
                filled += count
                await pay(self._download, count, self._stopped)
            await run_to_end(None, partial(incoming.write, memory[:filled], offset))
            offset += filled
