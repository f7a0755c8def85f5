"""The handle of a raw client (wire_client.py): what a peer answers to what no peer would ask."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from scenarios.core.errors import CommandFailed, UnsupportedCommand
from scenarios.core.node import Node
from scenarios.lan_spread.peers import Peer

# The code for whoever is there but does not begin the handshake of docs/wire-protocol.md.
OTHER_PROTOCOL = "other-protocol"
NO_BYTES = sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for bytes: the code of the denial, or "" and what was sent."""

    denied: str
    received: int  # bytes
    sha256: str
    reason: str = field(default="", compare=False)


def denied(code: str) -> Answer:
    """Return the answer of a peer that refuses with this code and sends nothing."""
    return Answer(code, 0, NO_BYTES)


def sent(*files: Path) -> Answer:
    """Return the answer of a peer that sends these files, one after the other."""
    content = b"".join(file.read_bytes() for file in files)
    return Answer("", len(content), sha256(content).hexdigest())


class RawClient:
    """A stranger on the network, at an address of its own."""

    def __init__(self, node: Node, *, foreign: bool = False) -> None:
        """``foreign`` peers are free to speak another wire protocol than this project's."""
        self.node = node
        self._foreign = foreign

    def dial(self, peer: Peer, *, public_key: str = "") -> "RawSession":
        """Shake hands, with its own key or while presenting another one's.

        Raises CommandFailed, and UnsupportedCommand when a foreign peer speaks something else.
        """
        try:
            data = self.node.request("dial", addr=peer.addr, public_key=public_key)
        except CommandFailed as error:
            if self._foreign and error.code == OTHER_PROTOCOL:
                raise UnsupportedCommand(peer.name, "dial", error.code, error.error) from error
            raise
        return RawSession(self.node, peer, data)


class RawSession:
    """An open control session."""

    def __init__(self, node: Node, peer: Peer, dialled: dict[str, Any]) -> None:
        self.peer_id = str(dialled["peer_id"])  # proven by the handshake
        self.public_key = str(dialled["public_key"])
        self._node = node
        self._peer = peer
        self._session = dialled["session"]

    def library(self) -> list[dict[str, Any]]:
        """Return what the peer advertised last."""
        games: list[dict[str, Any]] = self._ask("library")["games"]
        return games

    def manifest(self, game_id: str) -> dict[str, Any]:
        """Return `version` and `files` of a game. Raises CommandFailed with the peer's code."""
        return self._ask("get-manifest", game_id=game_id)

    def manifest_code(self, game_id: str) -> str:
        """Return the code with which a manifest is denied, "" when it is not."""
        try:
            self.manifest(game_id)
        except UnsupportedCommand:
            raise
        except CommandFailed as error:
            return error.code
        return ""

    def fetch(self, game_id: str, version: str, *wanted: tuple[str, int]) -> Answer:
        """Ask for the first so many bytes of files, and take all that comes, allowed or not."""
        ranges = [{"path": path, "offset": 0, "length": length} for path, length in wanted]
        try:
            ticket = self._ask("open-transfer", game_id=game_id, version=version, ranges=ranges)
            data = self._node.request("redeem", addr=self._peer.addr, ticket=ticket["ticket"])
        except UnsupportedCommand:
            raise
        except CommandFailed as error:
            return Answer(error.code, 0, NO_BYTES, error.error)
        return Answer("", int(data["received"]), str(data["sha256"]))

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self._node.request(command, session=self._session, **arguments)
