"""A legacy peer's connection to its tracker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from network.address import Address
from network.errors import plain
from sync_cli.legacy import wire
from sync_cli.legacy.stream import StalledError, Stream, connect

FIRST_WORD_S = 2.0  # after connecting
PAUSE_S = 5.0  # between the end of a round and the next word
LONGEST_ROUND_S = 60.0  # without a word to the tracker, which forgets a peer after 180
SILENCE = "Failed waiting for the tracker to response"  # as the original says it


class TrackerLostError(Exception):
    """The tracker cannot be reached, is silent, gone, or talks nonsense; the text says which."""


class TrackerLink:
    """Tells the tracker of this peer, and passes on what the tracker tells."""

    def __init__(self, tracker: Address, own_ip: str | None, port: int, silence_s: float) -> None:
        """`silence_s`: how long the tracker may take to answer."""
        self._tracker = tracker
        self._own_ip = own_ip
        self._port = port
        self._silence_s = silence_s

    async def run(
        self,
        on_connected: Callable[[], None],
        files: Callable[[], Mapping[str, int]],
        round_of: Callable[[wire.Directory], Awaitable[None]],
    ) -> None:
        """Announce `files` once; then one round for each answer. Raises TrackerLostError."""
        try:
            stream = await connect(self._tracker, self._own_ip)
        except (StalledError, OSError) as error:
            text = plain(error) if isinstance(error, OSError) else str(error)
            raise TrackerLostError(
                f"the tracker {self._tracker} cannot be reached: {text}"
            ) from error
        try:
            on_connected()
            await asyncio.sleep(FIRST_WORD_S)
            directory = await self._ask(stream, files())
            while True:
                await self._round(stream, round_of(directory))
                await asyncio.sleep(PAUSE_S)
                directory = await self._ask(stream, None)
        finally:
            stream.close()

    async def _round(self, stream: Stream, work: Awaitable[None]) -> None:
        """Do the round. A long one must not make the tracker forget this peer."""
        running = asyncio.ensure_future(work)
        try:
            while True:
                await asyncio.wait([running], timeout=LONGEST_ROUND_S)
                if running.done():
                    return running.result()
                await self._ask(stream, None)
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _ask(self, stream: Stream, files: Mapping[str, int] | None) -> wire.Directory:
        try:
            await stream.send(wire.encode_announcement(self._port, files))
            line = b""
            while line == b"":
                answer = await stream.line(wire.MAX_DIRECTORY_BYTES, self._silence_s)
                if answer is None:
                    raise TrackerLostError(f"the tracker {self._tracker} has ended the connection")
                line = answer.strip()
            return wire.decode_directory(line)
        except StalledError as error:
            raise TrackerLostError(f"{SILENCE}: {self._tracker} is {error}") from error
        except wire.WireError as error:
            raise TrackerLostError(f"the tracker {self._tracker} talks nonsense: {error}") from None
        except OSError as error:
            raise TrackerLostError(
                f"the tracker {self._tracker} was lost: {plain(error)}"
            ) from error
