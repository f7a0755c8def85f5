"""The handle of a running peer: commands, queries and waits for scenarios."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount
from scenarios.core.checks import Checks
from scenarios.core.errors import CommandFailed
from scenarios.core.log import Event
from scenarios.core.node import Node, PendingReply
from scenarios.core.window import Window
from scenarios.families.lan_spread.downloads import Download
from scenarios.families.lan_spread.games import catalog_version, served_size
from scenarios.families.lan_spread.specs import PeerSpec

Row = Mapping[str, Any]

# The fields of each row in docs/contract.md; a peer may add others.
LOCAL = ("id", "version", "downloaded", "installed", "availability", "size")
REMOTE = ("id", "peer_count", "eti_game_version", "size")
ADVERTISED = ("id", "eti_version", "availability", "downloaded", "installed", "size")
OPERATION = ("game_id", "operation")
KNOWN = ("peer_id", "name", "addr", "game_count")


class Peer:
    """One run of a peer; a restart returns a new handle (``Lan.restart``)."""

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
        """The peer id that it reported."""
        return str(self._ready.get("peer_id"))

    @property
    def addr(self) -> str:
        """The "IP:port" that it reported listening on."""
        return str(self._ready.get("addr"))

    def root(self, game_id: str) -> Path:
        """Return a game's folder on the host."""
        return self.games / game_id

    def everything(self) -> Window:
        """Return the window of its whole run."""
        return self.node.everything()

    def window(self) -> Window:
        """Return a window that begins now."""
        return self.node.window()

    # Queries. Rows have only the fields of the contract.

    def status(self) -> Row:
        """Return the reply to `status`."""
        return self.node.request("status")

    def local(self) -> list[dict[str, Any]]:
        """Return the rows of its own library."""
        return rows(self.node.request("list-games").get("local"), LOCAL)

    def remote(self) -> list[dict[str, Any]]:
        """Return the rows of the games that its sources offer."""
        return rows(self.node.request("list-games").get("remote"), REMOTE)

    def sources_of(self, game_id: str) -> int:
        """Return how many sources it counts for a game; 0 if it lists none."""
        return sum(int(row["peer_count"]) for row in self.remote() if row["id"] == game_id)

    def known(self) -> list[dict[str, Any]]:
        """Return the rows of its known peers, without their games."""
        return rows(self.node.request("list-peers").get("peers"), KNOWN)

    def advertised_by(self, other: "Peer") -> list[dict[str, Any]]:
        """Return the games it lists for ``other``, unfiltered; empty for an unknown peer."""
        return [
            game
            for row in _dicts(self.node.request("list-peers").get("peers"))
            if row.get("peer_id") == other.peer_id
            for game in rows(row.get("games"), ADVERTISED)
        ]

    def operations(self) -> list[dict[str, Any]]:
        """Return the running operations that `status` lists, by game."""
        return rows(self.node.request("status").get("active_operations"), OPERATION)

    def small_disk(self) -> set[str]:
        """Return the relative paths on its small disk, read from inside the node."""
        limit = self.spec.disk_bytes
        return set(self.node.listing(Mount(self.games, writable=True, limit_bytes=limit)))

    # Commands. An unexpected refusal fails the scenario.

    def connect(self, *others: "Peer") -> None:
        """Connect to unknown peers; on return both sides know each other's library."""
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

    def connect_through(self, other: "Peer", addr: str) -> None:
        """Connect to an unknown peer through the address of a relay."""
        window = self.window()
        self._accepted(self.node.send("connect", addr=addr), f"connect to {other} by {addr}")
        self.learns_of(other, window)

    def learns_of(self, other: "Peer", window: Window) -> None:
        """Wait until it knows another peer and that peer's current library."""
        window.wait_event("peer-connected", peer_id=other.peer_id, what=f"{self} learns of {other}")
        own = _dicts(other.node.request("list-games").get("local"))
        if count := sum(not row.get("problem") for row in own):  # not advertised
            window.wait_event(
                "remote-library-changed",
                peer_id=other.peer_id,
                game_count=count,
                what=f"{self} learns of the games of {other}",
            )

    def download(self, game_id: str, *, install: bool | None = None) -> Download:
        """Start a download; ``install=None`` uses the peer's default."""
        chosen = {} if install is None else {"install": install}
        reply = self.node.send("download", game_id=game_id, **chosen)
        self._accepted(reply, f"download of {game_id}")
        return Download(self.node, game_id, reply.window, self._check)

    def stream_install(self, game_id: str) -> Download:
        """Start a streamed install, whose outcome is that of a download. Raises CommandFailed."""
        reply = self.node.send("stream-install", game_id=game_id)
        reply.data()
        return Download(self.node, game_id, reply.window, self._check)

    def install(self, game_id: str) -> Event:
        """Install a downloaded game, and wait until it is installed."""
        return self._carry_out("install", game_id)

    def uninstall(self, game_id: str) -> Event:
        """Uninstall a game, and wait until it is uninstalled."""
        return self._carry_out("uninstall", game_id)

    def remove(self, game_id: str) -> Event:
        """Delete a game's downloaded files, and wait until they are gone."""
        return self._carry_out("remove", game_id)

    def refuses(self, command: str, containing: str, **arguments: Any) -> CommandFailed:
        """Check that it refuses a command with an error containing this text; return it."""
        return self.node.refused(
            command,
            containing=containing,
            what=f"{self} refuses {command}: {containing}",
            **arguments,
        )

    def shutdown(self) -> None:
        """Shut it down as a user would; an always-on check looks at the exit code."""
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
        except CommandFailed as error:
            self._check.true(f"{self} accepts {asked}", False, f"{error.code}: {error.error}")
            raise


def rows(found: Any, fields: Iterable[str]) -> list[dict[str, Any]]:
    """Return a reply's rows with only these fields; a missing field is None."""
    wanted = tuple(fields)
    return [{name: row.get(name) for name in wanted} for row in _dicts(found)]


def local_row(root: Path, *, installed: bool = False) -> dict[str, Any]:
    """Return the expected row of `list-games.local` for a game downloaded into ``root``."""
    return {
        "id": root.name,
        "version": catalog_version(root.name),
        "downloaded": True,
        "installed": installed,
        "availability": "Ready",
        "size": served_size(root),
    }


def streamed_row(game_id: str) -> dict[str, Any]:
    """Return the expected row of `list-games.local` for a streamed install.

    Without `version`: the contract does not define it where there is no version.ini.
    """
    return {
        "id": game_id,
        "downloaded": False,
        "installed": True,
        "availability": "LocalOnly",
        "size": 0,
    }


def remote_row(root: Path, sources: int) -> dict[str, Any]:
    """Return the expected row of `list-games.remote` for a source's game."""
    return {
        "id": root.name,
        "peer_count": sources,
        "eti_game_version": catalog_version(root.name),
        "size": served_size(root),
    }


def advertised_row(root: Path) -> dict[str, Any]:
    """Return how the owner of a downloaded game should advertise it."""
    row = local_row(root)
    return {"eti_version": row.pop("version"), **row}


def known_row(peer: Peer, game_count: int) -> dict[str, Any]:
    """Return the expected row of `list-peers` for a peer."""
    return {
        "peer_id": peer.peer_id,
        "name": peer.spec.name,
        "addr": peer.addr,
        "game_count": game_count,
    }


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
