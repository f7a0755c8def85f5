"""A disk that is full although it says that it has room, as one with a quota does."""

import errno
import os
from collections.abc import Callable

import pytest

from sync_cli.folder import Need
from sync_cli.messages.events import LowSpace
from tests.sync_cli.world import MiB, Peer, World, fetch, same, tell

Worlds = Callable[..., World]


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def wanted(worlds: Worlds, size: int) -> tuple[World, Peer, Need]:
    """Return a world in which `b` needs a file of `a`."""
    made = worlds("ab")
    made["a"].write("large", os.urandom(size))
    made.sync()
    made["a"].write("large", os.urandom(size))
    made.scan()
    tell(made["a"], made["b"])
    made["b"].folder.settle()
    [need] = made["b"].folder.needs(10)
    return made, made["b"], need


def unfinished(peer: Peer) -> list[str]:
    return [path.name for path in (peer.root / ".sync/tmp").iterdir()]


def test_a_fetch_that_finds_no_room_leaves_nothing_and_says_so_once(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, b, need = wanted(worlds, 3 * MiB)
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", no_room)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                b.folder.begin(need)
            assert b.folder.needs(10) == [need], "it is tried again"
    assert unfinished(b) == []
    assert len(b.told(LowSpace)) == 1


def test_it_goes_on_when_there_is_room(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world, b, need = wanted(worlds, 3 * MiB)
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", no_room)
        with pytest.raises(OSError, match="No space"):
            b.folder.begin(need)
    assert fetch(b, {peer.peer_id: peer for peer in world.peers.values()})
    world.sync()
    same(world)
    world["a"].write("large", os.urandom(3 * MiB))
    world["a"].scan()
    tell(world["a"], b)
    b.folder.settle()
    [need] = b.folder.needs(10)
    b.folder.give_up(b.folder.begin(need), keep=False, is_full=True)
    assert len(b.told(LowSpace)) == 2, "it was not low any more"
    assert unfinished(b) == []


def test_what_finds_no_room_at_its_end_leaves_nothing(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, b, need = wanted(worlds, MiB)
    incoming = b.folder.begin(need)
    data = world["a"].folder.read_block(need.entry.hash, 0)
    assert data is not None
    assert incoming.put(0, data)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", no_room)
        [outcome] = b.folder.apply([incoming])
    assert outcome.error == "no-space"
    assert unfinished(b) == []
    assert len(b.told(LowSpace)) == 1
    assert b.folder.needs(10) == [need]
