"""A peer whose other side is hostile, or sends nonsense."""

import asyncio
import threading
from pathlib import Path

import pytest

from pair_cli import messages
from pair_cli.files import merge, wire
from pair_cli.files.wire import (
    Acknowledge,
    Agree,
    Announce,
    BlockWanted,
    HashesWanted,
    Refused,
    encode,
)
from pair_cli.interfaces import ChannelClosed
from pair_cli.messages import AnnouncementRefused
from pair_cli.wire import ProtocolError
from tests.pair_cli.fake_channel import FakeChannel, FakePeer, fake_pair
from tests.pair_cli.files.test_merge import change
from tests.pair_cli.files.test_pull import share


class Recorder(FakeChannel):
    """A channel that keeps what it is told to send."""

    def __init__(self, peer: str) -> None:
        super().__init__(peer)
        self.said: list[wire.Message] = []
        self._new = threading.Condition()
        self.blocks: list[bytes] = []

    def send(self, message: bytes) -> None:
        if self.closed:
            raise ChannelClosed
        with self._new:
            self.said.append(wire.decode(message))
            self._new.notify_all()

    def refusals(self, count: int) -> None:
        """Wait until so many requests were refused."""
        with self._new:
            assert self._new.wait_for(
                lambda: len([one for one in self.said if isinstance(one, Refused)]) == count, 20
            )

    def send_block(self, number: int, data: memoryview) -> None:
        self.blocks.append(bytes(data))


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xc1",
        b"\x00",
        b"\x91\xa5agree",
        b"\x92\xa8announce\x01",
        encode(Announce(0, 1, [change()])),  # before the journals are agreed on
        encode(Agree(b"j" * 65, 0, b"", 0)),
        encode(Agree(b"j", -1, b"", 0)),
        encode(Acknowledge(7)),
        encode(BlockWanted(1 << 32, "a", bytes(32), 0, False)),
        encode(HashesWanted(-1, "a", bytes(32), 0, 1)),
    ],
)
def test_nonsense_ends_the_connection(tmp_path: Path, nonsense: bytes) -> None:
    async def run() -> None:
        peer = FakePeer(tmp_path, "alpha")
        await peer.files.start()
        channel = Recorder("bravo")
        peer.files.connected(channel)
        with pytest.raises(ProtocolError):
            await peer.files.message(channel, nonsense)
        peer.files.disconnected(channel)
        await peer.files.stop()

    asyncio.run(run())


def test_what_is_not_shared_cannot_be_had(tmp_path: Path) -> None:
    async def run() -> None:
        async with fake_pair(tmp_path) as pair:
            pair.connect()
            await share(pair, "a", b"content")
            (pair.one.folder / "secret").write_bytes(b"secret")
            row = await pair.other.do(messages.List(side="remote"), messages.ListResult)
            root = bytes.fromhex(row.files[0].hash)
            await pair.cut()
            channel = Recorder("bravo")
            pair.one.files.connected(channel)
            for number, (path, wanted, index) in enumerate(
                [
                    ("secret", bytes(32), 0),
                    ("../../etc/passwd", bytes(32), 0),
                    ("a", root, 1),
                    ("a", root, -1),
                    ("a", root, 1 << 40),
                    ("a", bytes(32), 0),
                ]
            ):
                message = encode(BlockWanted(number, path, wanted, index, False))
                await pair.one.files.message(channel, message)
            for number, (first, count) in enumerate([(0, 2), (-1, 1), (0, 0), (1 << 40, 1)]):
                message = encode(HashesWanted(100 + number, "a", root, first, count))
                await pair.one.files.message(channel, message)
            await pair.one.files.message(channel, encode(Refused(1 << 40, "gone")))
            await asyncio.to_thread(channel.refusals, 10)
            assert channel.blocks == []
            pair.one.files.disconnected(channel)

    asyncio.run(run())


def test_too_many_announcements_are_refused_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "MAX_ENTRIES", 100)

    async def run() -> None:
        peer = FakePeer(tmp_path, "alpha")
        await peer.files.start()
        channel = Recorder("bravo")
        peer.files.connected(channel)
        await peer.files.message(channel, encode(Agree(b"j", 1000, b"", 0)))
        for start in range(0, 200, 50):
            changes = [change(str(number), clock=number + 1) for number in range(start, start + 50)]
            await peer.files.message(channel, encode(Announce(start, start + 50, changes)))
        assert [one for one in channel.said if isinstance(one, Acknowledge)] == [
            Acknowledge(50),
            Acknowledge(100),
        ]
        refused = await peer.event(AnnouncementRefused)
        assert (refused.code, refused.side) == ("too-many", "remote")
        listed = await peer.do(messages.List(side="remote"), messages.ListResult)
        assert len(listed.files) == 100
        peer.files.disconnected(channel)
        await peer.files.stop()

    asyncio.run(run())
