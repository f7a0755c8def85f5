from types import SimpleNamespace
from typing import cast

import pytest

from network.address import Address
from peer_cli.install.entries import malformed
from peer_cli.install.errors import InstallError, SenderError
from peer_cli.network import wire
from peer_cli.network.session import DeniedError, NoAnswerError, Session, SessionLostError
from peer_cli.transfer import bans as bans_module
from peer_cli.transfer.bans import Bans
from peer_cli.transfer.dataplane import NoProgressError, TransferLostError
from peer_cli.transfer.fetch import Source, deserves_ban
from peer_cli.transfer.manifest import ManifestError
from peer_cli.transfer.receive import CorruptSourceError


def library(**sizes: int) -> dict[str, wire.Game]:
    return {
        name: wire.Game(
            id=name, version="1", availability="Ready", downloaded=True, installed=False, size=size
        )
        for name, size in sizes.items()
    }


def test_a_ban_is_of_one_peer_for_one_game() -> None:
    bans = Bans()
    bans.add("g", "liar", library(g=1, h=2))
    assert bans.holds("g", "liar", library(g=1, h=2))
    assert bans.holds("g", "liar", library(h=2, g=1))  # in whatever order
    assert not bans.holds("h", "liar", library(g=1, h=2))
    assert not bans.holds("g", "honest", library(g=1, h=2))


def test_another_library_lifts_it_for_good() -> None:
    bans = Bans()
    bans.add("g", "liar", library(g=1))
    assert not bans.holds("g", "liar", library(g=2))
    assert not bans.holds("g", "liar", library(g=1))


def test_how_many_are_kept_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 2)
    bans = Bans()
    for number in range(3):
        bans.add("g", f"liar {number}", library(g=1))
    assert [bans.holds("g", f"liar {n}", library(g=1)) for n in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    ("error", "asleep", "awake"),
    [
        (CorruptSourceError("wrong bytes"), True, True),
        (ManifestError("impossible"), True, True),
        (malformed("frames without data"), True, True),
        (NoProgressError("it trickles"), False, True),
        (NoAnswerError("it only hashes"), False, True),
        (SenderError("malformed-stream", "Its own words."), False, False),
        (InstallError("crc-mismatch", "The archive is damaged."), False, False),
        (InstallError("stream-not-authentic", "Somebody in the path."), False, False),
        (DeniedError("busy", "Not now."), False, False),
        (TransferLostError("gone"), False, False),
        (SessionLostError("gone"), False, False),
    ],
)
def test_only_who_is_to_blame_is_banned(error: Exception, *, asleep: bool, awake: bool) -> None:
    for responsive, banned in ((False, asleep), (True, awake)):
        session = cast("Session", SimpleNamespace(is_responsive=responsive))
        source = Source("a", Address("10.0.0.1", 1), session)
        assert deserves_ban(source, error) == banned, responsive
