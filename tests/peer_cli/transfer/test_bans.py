import pytest

from peer_cli.network import wire
from peer_cli.transfer import bans as bans_module
from peer_cli.transfer.bans import Bans


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
