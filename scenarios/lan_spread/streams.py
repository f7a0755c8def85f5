"""What the scenarios of streamed installs check alike."""

import time
from collections.abc import Iterable
from pathlib import Path

from scenarios.core.errors import CommandFailed
from scenarios.core.timeouts import EVENT_S
from scenarios.core.trees import tree
from scenarios.lan_spread.downloads import Download
from scenarios.lan_spread.lan import Lan
from scenarios.lan_spread.peers import Peer, streamed_row
from scenarios.lan_spread.rar5 import PackedEntry, read_headers

# Between two questions about something of which there is no event.
ASK_AGAIN_S = 0.02
STAGING = ".local.installing"
OUTCOMES = (
    "download-finished",
    "install-finished",
    "download-failed",
    "download-cancelled",
    "download-peers-gone",
    "install-failed",
)


def is_streamed(lan: Lan, client: Peer, *games: str) -> None:
    """Check that a peer has these games, each by a stream and as the contract wants it then."""
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
    """Check that nothing of any game is left at a peer: no file, no row, no operation."""
    lan.check.equal(f"the folder of {client} {when}", sorted(tree(client.games)), [])
    lan.check.equal(f"the games of {client} {when}", client.local(), [])
    lan.check.equal(f"operations of {client} {when}", client.operations(), [])


def arrived_in_order(lan: Lan, stream: Download, archives: Iterable[Path]) -> None:
    """Check that the chunks of a stream are the archives' entries, each once, in their order."""
    want = [
        (f"{stream.game_id}/{STAGING}/{entry.name}", 0, entry.size)
        for archive in archives
        for entry in read_headers(archive).entries
    ]
    got = [(chunk.path, chunk.offset, chunk.length) for chunk in stream.chunks()]
    lan.check.equal(f"entries of {stream.game_id} in the order in which they came", got, want)


def ends_as(lan: Lan, stream: Download, *names: str) -> None:
    """Check that these were the outcomes of a stream, in this order, and no others came.

    Call it when everything that could still come has come.
    """
    lan.check.equal(
        f"outcomes of the stream of {stream.game_id}",
        [event.name for event in stream.events(*OUTCOMES)],
        list(names),
    )


def outbound(peer: Peer) -> dict[str, int]:
    """Return the number of transfers that go out from a peer, by game id."""
    return dict(peer.status().get("active_outbound_transfers", {}))


def drains(lan: Lan, peer: Peer, timeout: float = EVENT_S) -> float:
    """Check that nothing goes out of a peer any more, soon; return the seconds until it was so.

    A sender has no event for it, so it is asked again and again.
    """
    began = lan.now()
    deadline = began + peer.node.log.scene.timeouts.stretched(timeout)
    while (sending := outbound(peer)) and lan.now() < deadline:
        time.sleep(ASK_AGAIN_S)
    took = lan.now() - began
    late = f"{took:.1f} s later it still counts {sending}"
    lan.check.true(f"{peer} sends nothing any more", not sending, late)
    return took


def bytes_read(peer: Peer) -> int | None:
    """Return what a metered peer and its helpers, as far as they have ended, have read so far.

    None where the system does not tell.
    """
    try:
        return int(peer.node.request("bytes-read")["bytes"])
    except CommandFailed as error:
        # The second one: a foreign peer in a container cannot be metered.
        if error.code not in ("not-told-here", "unknown-command"):
            raise
        return None


def spoil(archive: Path, entry: PackedEntry, start: int, length: int) -> None:
    """Invert bytes of an entry's packed data, in place; its headers stay right."""
    with archive.open("r+b") as file:
        file.seek(entry.start + start)
        good = file.read(length)
        file.seek(entry.start + start)
        file.write(bytes(byte ^ 0xFF for byte in good))
