"""What two nodes tell each other of their indexes, over one session."""

import asyncio

import msgspec

from network.frames import WireError
from sync_cli import wire
from sync_cli.folder import Folder
from sync_cli.model import BadEntry, Entry, check_entry
from sync_cli.session import Session
from sync_cli.worker import Worker

PAGE = 250  # entries that are read at once
UNACKNOWLEDGED = 2  # messages that may be under way
SETTLED_PAUSE_S = 0.02


class Conversation:
    """Sends our index to one peer or tracker from `begin` on, and takes in a peer's."""

    def __init__(
        self, session: Session, folder: Folder, worker: Worker, begin: int, taken: int
    ) -> None:
        self.session = session
        self._folder = folder
        self._worker = worker
        self._sent = [begin]  # what was sent and not acknowledged, after the last that was
        self._taken = taken
        self._told_settled = -1
        self._news = asyncio.Event()
        self._acknowledged = asyncio.Event()

    def changed(self) -> None:
        """Note that the folder's index, or what is in force of theirs, may have changed."""
        self._news.set()

    async def run(self) -> None:
        """Tell the other side of every change until cancelled."""
        while not self.session.ended:
            self._news.clear()
            await self._tell_settled()
            if await self._tell_entries():
                continue
            await self._news.wait()
            await asyncio.sleep(SETTLED_PAUSE_S)  # changes come in bursts

    async def on_entries(self, message: wire.Entries) -> None:
        """Take in what is new at the other side. Raises WireError."""
        try:
            await self._worker.run(lambda: self._take(message))
        except BadEntry as error:
            raise WireError(str(error)) from error
        self._taken = max(self._taken, message.upto)
        self._told_settled = await self._worker.run(self._settled)
        self.session.send(wire.Taken(upto=self._taken, settled=self._told_settled))

    async def on_taken(self, message: wire.Taken) -> None:
        """Note how far the other side is."""
        while len(self._sent) > 1 and self._sent[1] <= message.upto:
            del self._sent[0]
        self._acknowledged.set()
        if self.session.is_peer:
            settled = min(message.settled, message.upto)
            await self._worker.run(lambda: self._folder.peer_settled(self.session.peer_id, settled))

    def _take(self, message: wire.Entries) -> None:
        for _, entry in message.entries:
            check_entry(entry)
        self._folder.take(self.session.peer_id, message.entries, message.upto)

    def _settled(self) -> int:
        return self._folder.settled(self.session.peer_id)

    async def _tell_settled(self) -> None:
        if self.session.is_peer:
            settled = await self._worker.run(self._settled)
            if settled != self._told_settled:
                self._told_settled = settled
                self.session.send(wire.Taken(upto=self._taken, settled=settled))

    async def _tell_entries(self) -> bool:
        """Send one message of news; False if there are none."""
        begin = self._sent[-1]
        found, upto = await self._worker.run(lambda: self._folder.news(begin, PAGE))
        if upto <= begin:
            return False
        entries: list[tuple[int, Entry]] = []
        size = 0
        for number, entry in found:
            told = entry if self.session.is_peer else _without_blocks(entry)
            if entries and size + len(told.blocks) > wire.ENTRIES_BYTES:
                upto = entries[-1][0]
                break
            entries.append((number, told))
            size += len(told.blocks)
        self._acknowledged.clear()
        self._sent.append(upto)
        await self.session.send_large(wire.Entries(entries=entries, upto=upto))
        while len(self._sent) > UNACKNOWLEDGED and not self.session.ended:
            await self._acknowledged.wait()
            self._acknowledged.clear()
        return True


def _without_blocks(entry: Entry) -> Entry:
    """Return an entry as a tracker wants it: who fetches nothing needs no block hashes."""
    return msgspec.structs.replace(entry, blocks=b"")
