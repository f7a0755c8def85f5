"""Checks shared by the scenarios of streamed installs."""

from collections.abc import Iterable
from pathlib import Path

from scenarios.core.errors import UnsupportedCommand
from scenarios.core.timeouts import EVENT_S
from scenarios.core.trees import tree
from scenarios.families.lan_spread import attempts
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer, streamed_row
from scenarios.families.lan_spread.rar5 import PackedEntry, read_headers

# How often a peer is asked about something that has no event.
ASK_AGAIN_S = 0.02
STAGING = ".local.installing"
OUTCOMES = (*attempts.OUTCOMES, "install-finished", "install-failed")


def is_streamed(lan: Lan, client: Peer, *games: str) -> None:
    """Check that a peer has exactly these games, each with the state of a streamed install."""
    local = [
        {name: value for name, value in row.items() if name != "version"} for row in client.local()
    ]
    want = [streamed_row(game_id) for game_id in sorted(games)]
    lan.check.equal(f"the games of {client}", local, want)
    lan.check.equal(f"operations of {client}", client.operations(), [])
    for game_id in games:
        names = sorted(path.name for path in client.root(game_id).iterdir())
        lan.check.equal(f"what the root of {game_id} holds at {client}", names, ["local"])


def is_empty(lan: Lan, client: Peer, when: str) -> None:
    """Check that a peer has nothing left of any game: no file, no row, no operation."""
    lan.check.equal(f"the folder of {client} {when}", sorted(tree(client.games)), [])
    lan.check.equal(f"the games of {client} {when}", client.local(), [])
    lan.check.equal(f"operations of {client} {when}", client.operations(), [])


def arrived_in_order(lan: Lan, stream: Download, archives: Iterable[Path]) -> None:
    """Check that the chunks of a stream are the archives' entries, each once and in order."""
    want = [
        (f"{stream.game_id}/{STAGING}/{entry.name}", 0, entry.size)
        for archive in archives
        for entry in read_headers(archive).entries
    ]
    got = [(chunk.path, chunk.offset, chunk.length) for chunk in stream.chunks()]
    lan.check.equal(f"entries of {stream.game_id} in the order in which they came", got, want)


def ends_as(lan: Lan, stream: Download, *names: str) -> None:
    """Check that a stream had exactly these outcomes, in this order.

    Call it once no further event can come.
    """
    lan.check.equal(
        f"outcomes of the stream of {stream.game_id}",
        [event.name for event in stream.events(*OUTCOMES)],
        list(names),
    )


def outbound(peer: Peer) -> dict[str, int]:
    """Return the number of a peer's outgoing transfers, by game id."""
    return dict(peer.status().get("active_outbound_transfers", {}))


def drains(lan: Lan, peer: Peer, timeout: float = EVENT_S) -> float:
    """Check that a peer soon stops sending; return how many seconds that took.

    The contract has no event for this, so the peer is asked again and again. The pauses end early
    when a node ends or a fault fails, and the next question then fails with the reason.
    """
    scene = peer.node.log.scene
    what = f"{peer} sends nothing any more"
    began = lan.now()
    deadline = began + scene.timeouts.stretched(timeout, what)
    while (sending := outbound(peer)) and lan.now() < deadline:
        with scene.waiting():
            scene.condition.wait(ASK_AGAIN_S)
    took = lan.now() - began
    late = f"{took:.1f} s later it still counts {sending}"
    lan.check.true(what, not sending, late)
    return took


def bytes_read(peer: Peer) -> int | None:
    """Return the bytes read so far by a launched peer, once it rests, and its exited helpers.

    None where the system does not report it.
    """
    try:
        peer.node.request("rests")  # it may still read its own modules
        told = peer.node.request("bytes-read").get("bytes")
    except UnsupportedCommand:  # the launcher cannot wrap a foreign peer in a container
        return None
    return None if told is None else int(told)


def spoil(archive: Path, entry: PackedEntry, start: int, length: int) -> None:
    """Invert bytes of an entry's packed data, in place; its headers stay valid."""
    with archive.open("r+b") as file:
        file.seek(entry.start + start)
        good = file.read(length)
        file.seek(entry.start + start)
        file.write(bytes(byte ^ 0xFF for byte in good))
