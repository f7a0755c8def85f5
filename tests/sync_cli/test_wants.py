"""What a peer wants is never forgotten, in whatever order news, fetches and edits come."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sync_cli.folder import Incoming, Options
from tests.sync_cli.world import Peer, World, fetch, same, tell

Worlds = Callable[..., World]
PATHS = ("x", "d", "d/y")

# An edit (by whom, where, which), news (to whom, of whom), or a part of a fetch (whose, which).
steps = st.one_of(
    st.tuples(st.sampled_from("abc"), st.sampled_from(PATHS), st.sampled_from(["file", "gone"])),
    st.tuples(st.sampled_from("abc"), st.sampled_from(PATHS), st.sampled_from(["link", "own"])),
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.just("hears")),
    st.tuples(st.sampled_from("abc"), st.just(""), st.sampled_from(["begin", "apply", "settle"])),
)


def complete(peer: Peer, incoming: Incoming, holders: tuple[str, ...], world: World) -> None:
    """Bring what is missing of one file, as far as its holders have it."""
    for block in incoming.missing():
        for other in world.peers.values():
            if other.peer_id in holders:
                data = other.folder.read_block(incoming.entry.hash, block)
                if data is not None and incoming.put(block, data):
                    break


def begin(peer: Peer, running: list[Incoming], world: World) -> None:
    """Fetch what is needed, but do not apply it."""
    peer.folder.settle()
    for need in peer.folder.needs(50, [one.entry.path for one in running]):
        incoming = peer.folder.begin(need)
        complete(peer, incoming, need.holders, world)
        if incoming.is_complete():
            running.append(incoming)
        else:
            peer.folder.give_up(incoming)


def edit(peer: Peer, path: str, what: str, number: int) -> None:
    """Do something to a path, with content that nobody has had."""
    target = peer.root / path
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    if what == "gone" or not target.parent.is_dir():
        return
    if what == "link":
        target.symlink_to(f"to {number}")
    else:
        target.write_text("the same" if what == "own" else f"of step {number}")


@settings(max_examples=30, deadline=None)
@given(st.lists(steps, max_size=30))
def test_all_come_into_step_whatever_came_first(steps: list[tuple[str, str, str]]) -> None:
    base = Path(tempfile.mkdtemp())
    world = World(base, "abc")
    running: dict[str, list[Incoming]] = {name: [] for name in "abc"}
    try:
        for number, (name, other, what) in enumerate(steps):
            peer = world[name]
            if what == "hears":
                if other != name:
                    tell(world[other], peer)
            elif what == "begin":
                begin(peer, running[name], world)
            elif what == "apply":
                peer.folder.apply(running[name])
                running[name].clear()
            elif what == "settle":
                peer.folder.settle()
            else:
                edit(peer, other, what, number)
                peer.scan()
        for name, peer in world.peers.items():
            peer.folder.apply(running[name])
            peer.scan()
        # No scan from here on: it would look again at all that is wanted.
        world.sync(scan=False)
        same(world)
    finally:
        world.close()
        shutil.rmtree(base)


def test_a_file_that_is_deleted_while_it_is_fetched_goes(worlds: Worlds) -> None:
    world = worlds("ab")
    a, b = world["a"], world["b"]
    a.write("x", "old")
    world.sync()
    a.write("x", "new")
    a.scan()
    tell(a, b)
    running: list[Incoming] = []
    begin(b, running, world)
    (a.root / "x").unlink()
    a.scan()
    tell(a, b)
    (outcome,) = b.folder.apply(running)
    assert outcome.error == "outdated"
    world.sync(scan=False)
    assert same(world) == {}


def test_a_deletion_is_looked_at_again_when_the_change_that_beat_it_is_withdrawn(
    worlds: Worlds,
) -> None:
    world = worlds("abc")
    a, b, c = world["a"], world["b"], world["c"]
    a.write("x", "old")
    world.sync()
    a.write("x", "changed")
    (b.root / "x").unlink()
    world.scan("ab")
    tell(a, c)
    tell(b, c)
    c.folder.settle()
    assert c.content() == {"x": b"old"}  # the change wins, and has to be fetched
    a.folder.close()  # it is never back, and a new peer of its name has nothing
    shutil.rmtree(a.state)
    shutil.rmtree(a.root)
    a.root.mkdir()
    a.state.mkdir()
    a.folder = a._open()
    a.scan()
    tell(a, c)
    fetch(c, {b.peer_id: b})
    assert c.content() == {}


def test_numbers_of_forgotten_paths_are_taken_too(worlds: Worlds) -> None:
    world = worlds("ab", Options(tombstone_s=0.001))
    a, b = world["a"], world["b"]
    a.write("x", "x")
    a.scan()
    (a.root / "x").unlink()
    a.scan()
    time.sleep(0.002)  # until the deletion is too old
    a.folder.expire(())
    assert a.entry("x") is None
    tell(a, b)
    assert b.folder.settled(a.peer_id) == a.folder.sequence
