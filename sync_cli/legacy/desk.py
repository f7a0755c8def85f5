"""A tracker's side of the legacy wire."""

import asyncio
import socket
from collections.abc import Callable, Mapping

from headless.output import Output
from headless.tasks import end_tasks
from network.address import Address
from network.places import Places
from sync_cli import messages
from sync_cli.legacy import wire
from sync_cli.legacy.directory import Directory, Place
from sync_cli.legacy.stream import StalledError, Stream
from sync_cli.startup import report

MAX_PEERS = 1024
MAX_PEERS_PER_ADDRESS = 256


class LegacyDesk:
    """Takes what legacy peers announce, and answers each of their lines with the whole directory.

    `others` are files of peers that are no legacy ones. `on_change` is called when a legacy peer
    changes the directory.
    """

    def __init__(
        self,
        output: Output,
        others: Callable[[], Mapping[str, wire.Holder]],
        on_change: Callable[[], None],
        silence_s: float,
    ) -> None:
        self._silence_s = silence_s
        self._output = output
        self._others = others
        self._on_change = on_change
        self._directory = Directory()
        self._encoded: bytes | None = None
        self._sessions: Places[asyncio.Task[None]] = Places(MAX_PEERS, MAX_PEERS_PER_ADDRESS)
        # Who was heard, the longest silent first, and when each is forgotten.
        self._peers: dict[Place, asyncio.TimerHandle] = {}

    @property
    def places(self) -> list[Address]:
        """Where the legacy peers serve their files."""
        return [Address(*place) for place in sorted(self._peers)]

    @property
    def files(self) -> Mapping[str, wire.Holder]:
        """What legacy peers have announced."""
        return self._directory.files

    def directory(self) -> Mapping[str, wire.Holder]:
        """Return the files of all, the newest of each name."""
        merged = dict(self._directory.files)
        for name, holder in self._others().items():
            known = merged.get(name)
            if known is None or known.mtime < holder.mtime:
                merged[name] = holder
        return merged

    def others_changed(self) -> None:
        """Answer with the new files of the others from now on."""
        self._encoded = None

    async def stop(self) -> None:
        """End all connections."""
        await end_tasks(self._sessions.all())
        for timer in self._peers.values():
            timer.cancel()

    async def greet(self, connection: socket.socket, origin: Address) -> None:
        """Wait for the first word; whoever said it is a peer."""
        stream = Stream(connection)
        try:
            announced = await self._next(stream, wire.MAX_HELLO_BYTES)
            to_evict = self._sessions.newest_to_evict(origin.ip)
        except (OSError, StalledError, wire.WireError, LookupError):
            stream.close()
            return
        except asyncio.CancelledError:
            stream.close()
            raise
        if announced is None:
            stream.close()
            return
        if to_evict is not None:
            to_evict.cancel()
        task = asyncio.create_task(self._session(stream, origin, announced))
        self._sessions.add(task, origin.ip)
        task.add_done_callback(lambda done: self._sessions.remove(done, origin.ip))

    async def _next(self, stream: Stream, limit: int) -> wire.Announcement | None:
        """Return a peer's next word, None at the end. Raises StalledError after the silence."""
        while True:
            line = await stream.line(limit, self._silence_s)
            if line is None:
                return None
            if line.strip():
                return wire.decode_announcement(line)

    async def _session(
        self, stream: Stream, origin: Address, announced: wire.Announcement | None
    ) -> None:
        told: Place | None = None
        reason = "the connection ended"
        try:
            while announced is not None:
                await self._output.caught_up()
                place = Place(origin.ip, announced.port)
                if place != told:
                    told = place
                    self._tell(messages.PeerConnected, place)
                self._heard(place, announced)
                await stream.send(self._answer())
                announced = await self._next(stream, wire.MAX_HELLO_BYTES)
        except (OSError, StalledError, wire.WireError) as error:
            reason = str(error)
        finally:
            stream.close()
            if told is not None:
                self._tell(messages.PeerDisconnected, told, reason=reason)

    def _heard(self, place: Place, announced: wire.Announcement) -> None:
        """Take a peer's word. It is forgotten some time after its last one, connected or not."""
        known = self._peers.pop(place, None)
        if known is not None:
            known.cancel()
        elif len(self._peers) >= MAX_PEERS:
            self._forget(next(iter(self._peers)))  # silent for longer than all others
        loop = asyncio.get_running_loop()
        self._peers[place] = loop.call_later(self._silence_s, self._forget, place)
        if announced.files is not None:
            left_out = self._directory.announce(place, announced.files)
            if left_out:
                report(f"the directory is full: {left_out} files of {Address(*place)} are left out")
            self._changed()

    def _forget(self, place: Place) -> None:
        self._peers.pop(place).cancel()
        if self._directory.forget(place):
            self._changed()

    def _tell(
        self,
        kind: type[messages.PeerConnected] | type[messages.PeerDisconnected],
        place: Place,
        **more: str,
    ) -> None:
        self._output.emit(kind(peer_id=None, name="", addr=str(Address(*place)), **more))

    def _changed(self) -> None:
        self._encoded = None
        self._on_change()

    def _answer(self) -> bytes:
        if self._encoded is None:
            self._encoded = wire.encode_directory(self.directory())
        return self._encoded
