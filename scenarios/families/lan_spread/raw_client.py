"""The handle of a raw client (raw/), which sends requests that no honest peer sends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from scenarios.core.errors import CommandFailed, UnsupportedCommand
from scenarios.core.node import Node
from scenarios.families.lan_spread.games import catalog_version
from scenarios.families.lan_spread.peers import Peer

# The code for a program that answers, but not with the handshake of docs/wire-protocol.md.
OTHER_PROTOCOL = "other-protocol"
NO_BYTES = sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request for bytes: the code of the denial, or "" and what was received."""

    denied: str
    received: int  # bytes
    sha256: str
    reason: str = field(default="", compare=False)


def denied(code: str) -> Answer:
    """Return the answer of a peer that denies with this code and sends nothing."""
    return Answer(code, 0, NO_BYTES)


def sent(*files: Path) -> Answer:
    """Return the answer of a peer that sends these files, one after the other."""
    content = b"".join(file.read_bytes() for file in files)
    return Answer("", len(content), sha256(content).hexdigest())


def advertised(game_id: str, version: str = "1", times: int = 1) -> dict[str, Any]:
    """Return a library's row for a game."""
    owned = {"availability": "Ready", "downloaded": True, "installed": False, "size": 1}
    return {"id": game_id, "version": version, "times": times, **owned}


class RawClient:
    """A stranger on the network, at an address of its own."""

    def __init__(self, node: Node, *, foreign: bool = False) -> None:
        """``foreign`` peers may speak a different wire protocol."""
        self.node = node
        self._foreign = foreign

    def dial(
        self,
        peer: Peer,
        *,
        public_key: str = "",
        swarm_key: str = "",
        fresh: bool = False,
        name: str = "raw client",
    ) -> "RawSession":
        """Shake hands with its own key, a fresh one, or another peer's public key.

        Raises CommandFailed, and UnsupportedCommand if a foreign peer speaks another protocol.
        """
        try:
            data = self.node.request(
                "dial",
                addr=peer.addr,
                public_key=public_key,
                swarm_key=swarm_key,
                fresh=fresh,
                name=name,
            )
        except CommandFailed as error:
            raise self._unsupported(peer, "dial", error) from error
        return RawSession(self.node, peer, data)

    def redeem(self, peer: Peer, ticket: str) -> Answer:
        """Redeem a ticket, possibly issued to another client, and receive everything."""
        try:
            data = self.node.request("redeem", addr=peer.addr, ticket=ticket)
        except CommandFailed as error:
            return Answer(error.code, 0, NO_BYTES, error.error)
        return Answer("", int(data["received"]), str(data["sha256"]))

    def offer(
        self,
        game_id: str,
        *,
        files: Mapping[str, bytes] | None = None,
        entries: Sequence[tuple[str, bytes]] = (),
        endless: str = "",
        hashes: Mapping[str, tuple[int, int]] | None = None,
        news: Sequence[tuple[int, int]] = (),
        rows: int = 0,
    ) -> None:
        """Have files, or the entries of a stream, for whoever asks for a game.

        ``endless`` is the kind of a stream that makes no progress and never ends; ``hashes`` maps
        requests to the step and total of hashing that never ends, ``news`` are reports of how far
        it has hashed before it answers (raw/commands.py). With ``rows`` each answer is a manifest
        of so many files.
        """
        self.node.request(
            "offer",
            game_id=game_id,
            version=catalog_version(game_id),
            files={path: content.hex() for path, content in (files or {}).items()},
            entries=[(name, content.hex()) for name, content in entries],
            endless=endless,
            hashes=hashes or {},
            news=list(news),
            rows=rows,
        )

    def is_asked(self, game_id: str) -> None:
        """Wait until a peer has asked for a game that is on offer."""
        self.node.request("asked", game_id=game_id)

    def hold(self, peer: Peer, tickets: Sequence[str]) -> None:
        """Redeem tickets, and read a byte a second of what each opens from now on."""
        self.node.request("hold", addr=peer.addr, tickets=list(tickets))

    def knock(self, peer: Peer, *, swarm_key: str = "") -> dict[str, Any]:
        """Shake hands; return the types of all messages (`told`) and the `code` of a refusal.

        Raises like `dial`.
        """
        try:
            return self.node.request("knock", addr=peer.addr, swarm_key=swarm_key)
        except CommandFailed as error:
            raise self._unsupported(peer, "knock", error) from error

    def _unsupported(
        self, peer: Peer, command: str, error: CommandFailed
    ) -> CommandFailed | UnsupportedCommand:
        """Return the error: `unsupported` if a foreign peer speaks another protocol."""
        if self._foreign and error.code == OTHER_PROTOCOL:
            return UnsupportedCommand(peer.name, command, error.code, error.error)
        return error


class RawSession:
    """An open control session."""

    def __init__(self, node: Node, peer: Peer, dialled: dict[str, Any]) -> None:
        self.peer_id = str(dialled["peer_id"])  # proven by the handshake
        self.public_key = str(dialled["public_key"])
        self._node = node
        self._peer = peer
        self._session = dialled["session"]

    def advertise(self, *games: dict[str, Any]) -> None:
        """Advertise a library: rows with `id`, `version`, …, each repeated `times` times."""
        self._ask("advertise", games=list(games))

    def library(self) -> list[dict[str, Any]]:
        """Return the library that the peer advertised last."""
        games: list[dict[str, Any]] = self._ask("library")["games"]
        return games

    def manifest(self, game_id: str) -> dict[str, Any]:
        """Return `version` and `files` of a game. Raises CommandFailed with the peer's code."""
        return self._ask("get-manifest", game_id=game_id)

    def manifest_code(self, game_id: str) -> str:
        """Return the code with which the peer denies a manifest, or "" if it does not."""
        try:
            self.manifest(game_id)
        except CommandFailed as error:
            return error.code
        return ""

    def ticket(self, game_id: str, version: str, *wanted: tuple[str, int]) -> str:
        """Return a ticket for the first bytes of files. Raises CommandFailed."""
        ranges = [{"path": path, "offset": 0, "length": length} for path, length in wanted]
        answer = self._ask("open-transfer", game_id=game_id, version=version, ranges=ranges)
        return str(answer["ticket"])

    def tickets(
        self, count: int, game_id: str, version: str, *wanted: tuple[str, int]
    ) -> list[str]:
        """Request tickets one after the other; return those that were granted."""
        return _given(count, lambda: self.ticket(game_id, version, *wanted))

    def stream_tickets(self, count: int, game_id: str) -> list[str]:
        """Request tickets to a stream one after the other; return those that were granted."""
        asked = {"game_id": game_id, "version": catalog_version(game_id)}
        return _given(count, lambda: str(self._ask("open-stream", **asked)["ticket"]))

    def press(self, game_id: str, wanted: Sequence[Sequence[str]]) -> None:
        """Request at once a ticket for the first byte of each of these files, and wait for none."""
        version = catalog_version(game_id)
        ranges = [[{"path": path, "offset": 0, "length": 1} for path in paths] for paths in wanted]
        game = {"game_id": game_id, "version": version}
        asked = [{**game, "ranges": wanted} for wanted in ranges]
        self._ask("press", kind="open-transfer", asked=asked, times=1)

    def press_manifests(self, game_id: str, times: int) -> None:
        """Request a game's manifest many times at once, and wait for none."""
        self._ask("press", kind="get-manifest", asked=[{"game_id": game_id}], times=times)

    def stop_reading(self) -> None:
        """Read nothing of this session any more."""
        self._ask("stop-reading")

    def pressed(self, count: int = 0) -> list[tuple[int, float]]:
        """Return the answers to that so far, at least ``count``, in the order in which they came.

        Of each, the place of its request, and the seconds since the requests were sent.
        """
        # What is asked for may have to be hashed first.
        answers = self._ask("pressed", count=count, timeout=30.0)["answers"]
        return [(place, after) for place, after in answers]

    def fetch(self, game_id: str, version: str, *wanted: tuple[str, int]) -> Answer:
        """Request the first bytes of files, and receive everything, allowed or not."""
        ranges = [{"path": path, "offset": 0, "length": length} for path, length in wanted]
        try:
            ticket = self._ask("open-transfer", game_id=game_id, version=version, ranges=ranges)
            data = self._node.request("redeem", addr=self._peer.addr, ticket=ticket["ticket"])
        except CommandFailed as error:
            return Answer(error.code, 0, NO_BYTES, error.error)
        return Answer("", int(data["received"]), str(data["sha256"]))

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self._node.request(command, session=self._session, **arguments)


def _given(count: int, ask: Callable[[], str]) -> list[str]:
    given = []
    for _ in range(count):
        try:
            given.append(ask())
        except UnsupportedCommand:
            raise
        except CommandFailed:
            continue
    return given
