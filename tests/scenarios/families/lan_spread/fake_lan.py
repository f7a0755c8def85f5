"""A LAN of fake peers, and the events of a download."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenarios.core.errors import CheckFailed
from scenarios.core.timeouts import Timeouts
from scenarios.core.trial import Trial
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer
from tests.scenarios.core.fake_backend import FakeBackend, FakeNode

Act = Callable[[FakeNode, dict[str, Any]], None]


class FakeLan:
    """A network of fakes. ``on`` has what a peer does on a command, by "name command"."""

    def __init__(self, folder: Path) -> None:
        self.on: dict[str, Act] = {}
        self.backend = FakeBackend(self._start)
        # Every wait that fails here fails for what is there already.
        self.trial = Trial(self.backend, folder / "log", timeouts=Timeouts(0.01))
        self.lan = Lan(self.trial, folder / "work")
        self.games = 0

    def finish(self) -> str:
        """End the scenario; return what the always-on checks say, "" when they are content."""
        try:
            self.trial.finish()
        except CheckFailed as failure:
            return str(failure)
        return ""

    def start(self, *names: str) -> list[Peer]:
        return self.lan.start(*(peer(name) for name in names))

    def _start(self, node: FakeNode) -> None:
        name = node.spec.name
        if name == "raw":
            node.event("ready")
        else:
            node.event("local-peer-ready", peer_id=f"id-{name}", name=name, addr=addr(node))
        node.behave(self._behave)

    def _behave(self, node: FakeNode, line: bytes) -> None:
        message = json.loads(line)
        act = self.on.get(f"{node.spec.name} {message['cmd']}")
        if act is not None:
            act(node, message)
        elif message["cmd"] == "list-games":
            rows = [{"id": f"g{number}"} for number in range(self.games)]
            node.result(message["id"], local=rows, remote=[])
        else:
            node.result(message["id"])
            if message["cmd"] == "shutdown":
                node.exit(0)


def addr(node: FakeNode) -> str:
    return f"{node.address}:4000"


def downloading(*events: tuple[str, dict[str, Any]]) -> Act:
    """Accept the download and say these events of game "g"."""

    def act(node: FakeNode, message: dict[str, Any]) -> None:
        node.result(message["id"])
        for name, data in events:
            node.event(name, game_id="g", **data)

    return act


def chunk(who: str, ip: str, offset: int = 0) -> tuple[str, dict[str, Any]]:
    where = {"relative_path": "g/a", "offset": offset, "length": 5}
    return "download-chunk-finished", {"peer_id": f"id-{who}", "peer_addr": f"{ip}:4000", **where}


FILES = ("got-game-files", {"file_descriptions": [{"relative_path": "g/a", "size": 5}]})
BEGIN = ("download-begin", {"total_bytes": 5})
FINISHED = ("download-finished", {"throughput": {"bytes": 5, "chunks": 1}})
