"""The handle of a running peer: what scenarios ask of it and wait for."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount
from scenarios.core.checks import Checks
from scenarios.core.errors import CommandFailed, UnsupportedCommand
from scenarios.core.log import Event
from scenarios.core.node import Node, PendingReply
from scenarios.core.window import Window
from scenarios.lan_spread.downloads import Download
from scenarios.lan_spread.games import catalog_version, served_size
from scenarios.lan_spread.specs import PeerSpec

Row = Mapping[str, Any]

# The fields that CONTRACT gives each row; a peer may add others.
LOCAL = ("id", "version", "downloaded", "installed", "availability", "size")
REMOTE = ("id", "peer_count", "eti_game_version", "size")
ADVERTISED = ("id", "eti_version", "availability", "downloaded", "installed", "size")
OPERATION = ("game_id", "operation")
KNOWN = ("peer_id", "name", "addr", "game_count")


class Peer:
    """One run of a peer; a restart makes another handle (``Lan.restart``)."""

    def __init__(self, spec: PeerSpec, node: Node, games: Path, state: Path, check: Checks) -> None:
        self.spec = spec
        self.node = node
        self.name = node.label
        self.games = games  # on the host
        self.state = state
        self._check = check
        self._ready = node.everything().wait_event("local-peer-ready").data

    def __repr__(self) -> str:
        return self.name

    @property
    def peer_id(self) -> str:
        """The id that it said it has."""
        return str(self._ready.get("peer_id"))

    @property
    def addr(self) -> str:
        """The "IP:port" that it said it listens on."""
        return str(self._ready.get("addr"))

    def root(self, game_id: str) -> Path:
        """Return a game's folder on the host."""
        return self.games / game_id

    def everything(self) -> Window:
        """Return the window of its whole life."""
        return self.node.everything()

    def window(self) -> Window:
        """Return a window that begins now."""
        return self.node.window()

    # What it says of itself and of others, as rows with the contract's fields.

    def status(self) -> Row:
        """Return the reply to `status`."""
        return self.node.request("status")

    def local(self) -> list[dict[str, Any]]:
        """Return the rows of its own library."""
        return rows(self.node.request("list-games").get("local"), LOCAL)

    def remote(self) -> list[dict[str, Any]]:
        """Return the rows of what its sources offer."""
        return rows(self.node.request("list-games").get("remote"), REMOTE)

    def sources_of(self, game_id: str) -> int:
        """Return how many sources it counts for a game; 0 when it offers none."""
        return sum(int(row["peer_count"]) for row in self.remote() if row["id"] == game_id)

    def known(self) -> list[dict[str, Any]]:
        """Return the rows of the peers it knows, without their games."""
        return rows(self.node.request("list-peers").get("peers"), KNOWN)

    def advertised_by(self, other: "Peer") -> list[dict[str, Any]]:
        """Return the games that it says ``other`` advertises, raw; none of an unknown peer."""
        return [
            game
            for row in _dicts(self.node.request("list-peers").get("peers"))
            if row.get("peer_id") == other.peer_id
            for game in rows(row.get("games"), ADVERTISED)
        ]

    def operations(self) -> list[dict[str, Any]]:
        """Return what `status` says is being done with which game."""
        return rows(self.node.request("status").get("active_operations"), OPERATION)

    def small_disk(self) -> set[str]:
        """Return what is on its small disk, as it sees it: relative paths."""
        limit = self.spec.disk_bytes
        return set(self.node.listing(Mount(self.games, writable=True, limit_bytes=limit)))

    # What it is told to do. A refusal fails the scenario, unless it is asked for.

    def connect(self, *others: "Peer") -> None:
        """Connect to peers that it does not know yet; both sides then know each other's library."""
        under_way = [
            (other, other.window(), self.node.send("connect", addr=other.addr)) for other in others
        ]
        for other, theirs, reply in under_way:
            data = self._accepted(reply, f"connect to {other}")
            self._check.always_equal(
                "connect tells id and address",
                (data.get("peer_id"), data.get("addr")),
                (other.peer_id, other.addr),
            )
            self.learns_of(other, reply.window)
            other.learns_of(self, theirs)

    def learns_of(self, other: "Peer", window: Window) -> None:
        """Wait until it knows another peer and all that this one has now."""
        window.wait_event("peer-connected", peer_id=other.peer_id, what=f"{self} learns of {other}")
        if count := len(other.local()):
            window.wait_event(
                "remote-library-changed",
                peer_id=other.peer_id,
                game_count=count,
                what=f"{self} learns of the games of {other}",
            )

    def download(self, game_id: str, *, install: bool | None = None) -> Download:
        """Begin a download; ``install`` None leaves it to the peer."""
        chosen = {} if install is None else {"install": install}
        reply = self.node.send("download", game_id=game_id, **chosen)
        self._accepted(reply, f"download of {game_id}")
        return Download(self.node, game_id, reply.window, self._check)

    def stream_install(self, game_id: str) -> Download:
        """Begin a streamed install; its outcome is a download's. Raises CommandFailed."""
        reply = self.node.send("stream-install", game_id=game_id)
        reply.data()
        return Download(self.node, game_id, reply.window, self._check)

    def install(self, game_id: str) -> Event:
        """Install a downloaded game, and wait until that is done."""
        return self._carry_out("install", game_id)

    def uninstall(self, game_id: str) -> Event:
        """Uninstall a game, and wait until that is done."""
        return self._carry_out("uninstall", game_id)

    def refuses(self, command: str, containing: str, **arguments: Any) -> CommandFailed:
        """Check that it refuses a command with these words; return its error."""
        return self.node.refused(
            command,
            containing=containing,
            what=f"{self} refuses {command}: {containing}",
            **arguments,
        )

    def shutdown(self) -> None:
        """End it as a user would; the exit code is an always-on check's business."""
        self.node.shutdown()

    def _carry_out(self, command: str, game_id: str) -> Event:
        reply = self.node.send(command, game_id=game_id)
        self._accepted(reply, f"{command} of {game_id}")
        return reply.window.wait_event(
            f"{command}-finished",
            game_id=game_id,
            fails_on=[f"{command}-failed"],
            what=f"{self}: {command} of {game_id} finishes",
        )

    def _accepted(self, reply: PendingReply, asked: str) -> dict[str, Any]:
        try:
            return reply.data()
        except UnsupportedCommand:
            raise
        except CommandFailed as error:
            self._check.true(f"{self} accepts {asked}", False, f"{error.code}: {error.error}")
            raise


def rows(found: Any, fields: Iterable[str]) -> list[dict[str, Any]]:
    """Return a reply's rows with these fields only; a field that is not there is None."""
    wanted = tuple(fields)
    return [{name: row.get(name) for name in wanted} for row in _dicts(found)]


def local_row(root: Path, *, installed: bool = False) -> dict[str, Any]:
    """Return the row that `list-games.local` should have of a game downloaded into ``root``."""
    return {
        "id": root.name,
        "version": catalog_version(root.name),
        "downloaded": True,
        "installed": installed,
        "availability": "Ready",
        "size": served_size(root),
    }


def streamed_row(game_id: str) -> dict[str, Any]:
    """Return what `list-games.local` should have of a game installed by a stream.

    Without `version`: nothing says what it should be where there is no version.ini.
    """
    return {
        "id": game_id,
        "downloaded": False,
        "installed": True,
        "availability": "LocalOnly",
        "size": 0,
    }


def remote_row(root: Path, sources: int) -> dict[str, Any]:
    """Return the row that `list-games.remote` should have of a source's game."""
    return {
        "id": root.name,
        "peer_count": sources,
        "eti_game_version": catalog_version(root.name),
        "size": served_size(root),
    }


def advertised_row(root: Path) -> dict[str, Any]:
    """Return how the owner of a game that is downloaded should advertise it."""
    row = local_row(root)
    return {"eti_version": row.pop("version"), **row}


def known_row(peer: Peer, game_count: int) -> dict[str, Any]:
    """Return the row that `list-peers` should have of a peer."""
    return {
        "peer_id": peer.peer_id,
        "name": peer.spec.name,
        "addr": peer.addr,
        "game_count": game_count,
    }


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
