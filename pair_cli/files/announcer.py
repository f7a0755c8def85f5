"""Keeps the two journals in step: tells the other what it has not heard, takes what it tells."""

import asyncio
from collections.abc import Callable, Iterable

from headless.envelope import Event
from headless.program import Emit
from headless.tasks import end_tasks
from pair_cli.files.merge import MAX_ENTRIES, News, TooManyEntries, merge
from pair_cli.files.tree import Entry, Tree
from pair_cli.files.wire import Acknowledge, Agree, Announce, TooMany, encode, say
from pair_cli.interfaces import Channel, ChannelClosed
from pair_cli.messages import (
    AnnouncementRefused,
    FileAnnounced,
    FileChanged,
    FileRemoved,
    FileRenamed,
    Side,
)
from pair_cli.wire import ProtocolError

UNACKNOWLEDGED = 4096
"""So many numbers of the journal may be on their way."""


class Announcer:
    """The announcements of one pair, on the event loop."""

    def __init__(
        self, tree: Tree, fingerprint: str, emit: Emit, on_news: Callable[[], None]
    ) -> None:
        self._tree = tree
        self._fingerprint = fingerprint
        self._emit = emit
        self._on_news = on_news
        self._told = asyncio.Event()  # something to send, or acknowledged
        self._channel: Channel | None = None
        self._agreed = False
        self._refusing = False
        self._acknowledged = 0
        self._telling: asyncio.Task[None] | None = None

    def published(self) -> None:
        """This side's journal has grown."""
        self._told.set()

    def connected(self, channel: Channel) -> None:
        """Begin to agree with the other over this channel."""
        if channel.peer != self._tree.other():
            self._tree.start_with(channel.peer)
        self._channel, self._agreed, self._refusing = channel, False, False
        self._send_agree(channel)

    async def disconnected(self) -> None:
        """The channel is gone."""
        self._channel = None
        if self._telling is not None:
            telling, self._telling = self._telling, None
            await end_tasks([telling])

    async def agree(self, channel: Channel, theirs: Agree) -> None:
        """Take what the other says of both journals. Raises ProtocolError."""
        if min(theirs.last, theirs.have) < 0 or len(theirs.journal) > 64:
            raise ProtocolError("a journal is out of bounds")
        journal, upto = self._tree.heard()
        if journal != theirs.journal:
            gone = self._tree.forget_others() if journal else []
            self._tree.set_heard_now(theirs.journal, 0)
            self._tell(News("removed", entry.path, entry) for entry in gone if not entry.folder)
        elif theirs.last < upto:
            raise ProtocolError("its journal is shorter than what it announced")
        known = theirs.have_journal == self._tree.journal
        if known and theirs.have > self._tree.last:
            # A power cut took the end of this journal: the other hears all of a new one.
            self._tree.renumber()
            self._send_agree(channel)
            known = False
        self._agreed = True
        self._acknowledged = theirs.have if known else 0
        if self._telling is not None:
            await end_tasks([self._telling])
        self._telling = asyncio.create_task(self._tell_the_rest(channel, self._acknowledged))

    async def announced(self, channel: Channel, announce: Announce) -> None:
        """Take an announcement of the other's. Raises ProtocolError."""
        if not self._agreed:
            raise ProtocolError("an announcement before the journals are agreed on")
        if self._refusing:
            return
        try:
            news = await asyncio.to_thread(
                merge,
                self._tree,
                self._tree.heard()[0],
                announce,
                other_wins_ties=channel.peer < self._fingerprint,
            )
        except TooManyEntries:
            self._refusing = True
            say(channel, TooMany(MAX_ENTRIES))
            self._refuse("remote")
            return
        self._tell(news)
        say(channel, Acknowledge(announce.upto))

    def acknowledged(self, upto: int) -> None:
        """The other has stored everything up to this number."""
        if not self._acknowledged <= upto <= self._tree.last:
            raise ProtocolError("an acknowledgement of what was not announced")
        self._acknowledged = upto
        self._told.set()

    async def refused(self) -> None:
        """The other takes no more."""
        self._refuse("local")
        if self._telling is not None:
            await end_tasks([self._telling])

    async def _tell_the_rest(self, channel: Channel, sent: int) -> None:
        """Announce what the other has not heard, now and whenever there is more."""
        while not channel.closed:
            self._told.clear()
            if sent - self._acknowledged < UNACKNOWLEDGED:
                upto, changes = await asyncio.to_thread(self._tree.unheard, sent)
                if changes:
                    await channel.room()
                    try:
                        channel.send(encode(Announce(sent, upto, changes)))
                    except ChannelClosed:
                        return
                    sent = upto
                    continue
            await self._told.wait()

    def _send_agree(self, channel: Channel) -> None:
        journal, upto = self._tree.heard()
        say(channel, Agree(self._tree.journal, self._tree.last, journal, upto))

    def _tell(self, news: Iterable[News]) -> None:
        for one in news:
            self._emit(_event(one))
        self._on_news()

    def _refuse(self, side: Side) -> None:
        self._emit(
            AnnouncementRefused(
                path=None,
                side=side,
                code="too-many",
                reason=f"a peer holds at most {MAX_ENTRIES} entries of the other's, gone ones "
                "included; what was announced after them is not shared",
            )
        )


def _event(news: News) -> Event:
    entry: Entry = news.entry
    side: Side = "local" if entry.mine else "remote"
    match news.kind:
        case "announced":
            return FileAnnounced(path=news.path, size=entry.size, hash=entry.root.hex())
        case "changed":
            return FileChanged(path=news.path, size=entry.size, hash=entry.root.hex())
        case "removed":
            return FileRemoved(path=news.path, side=side)
        case "renamed":
            return FileRenamed(path=news.path, to=news.to, side=side)
        case "refused":
            return AnnouncementRefused(
                path=news.path, side="remote", code="unsafe-name", reason=news.to
            )
