"""A handle of a node of the legacy wire that is not ours (raw/)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenarios.core.node import Node, PendingReply
from scenarios.families.folder_sync.folders import State, state


class RawNode:
    """A tracker, a holder of files, or a peer; bytes are texts with one character each."""

    def __init__(self, node: Node, folder: Path | None) -> None:
        self.node = node
        self.folder = folder
        self.addr = ""  # where it listens, as a tracker or a holder

    @property
    def ip(self) -> str:
        """Its address without a port."""
        return self.node.address

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.addr.rpartition(":")[2])

    def now(self) -> State:
        """Return what is in its folder."""
        return state(self.folder) if self.folder else {}

    # As a tracker.

    def track(self, kind: str = "honest", *answers: str, single: bool = False) -> "RawNode":
        """Listen as a tracker; kinds are in raw/tracker.py."""
        self.addr = str(self.node.request("track")["addr"])
        self.behave(kind, *answers, single=single)
        return self

    def behave(self, kind: str, *answers: str, single: bool = False) -> None:
        """Change what kind of tracker it is."""
        self.node.request("behave", kind=kind, answers=answers, single=single)

    def know(self, name: str, addr: str, mtime: object) -> None:
        """Let a tracker's directory have a file."""
        self.node.request("know", name=name, addr=addr, mtime=mtime)

    def directory(self) -> dict[str, Any]:
        """Return a tracker's directory."""
        return dict(self.node.request("directory")["directory"])

    # As a holder of files.

    def serve(self) -> "RawNode":
        """Listen for those who want files."""
        self.addr = str(self.node.request("serve")["addr"])
        return self

    def hold(self, name: str, **how: Any) -> str:
        """Have a file (how: raw/holder.py); return its SHA-256."""
        return str(self.node.request("hold", name=name, **how)["sha256"])

    def ask(self, addr: str, request: str, *, single: bool = False) -> dict[str, Any]:
        """Ask a peer for a file in these words: `header`, `count`, `sha256`, `begins`, `ended`."""
        return self.asking(addr, request, single=single).data(60.0)

    def asking(self, addr: str, request: str, *, single: bool = False) -> PendingReply:
        """Begin to ask."""
        return self.node.send("ask", addr=addr, request=request, single=single)

    # As a peer towards a tracker.

    def join(self, addr: str) -> "RawConnection":
        """Connect to a tracker."""
        return RawConnection(self.node, int(self.node.request("join", addr=addr)["connection"]))

    def take_part(self, addr: str) -> None:
        """Be an honest peer, with the files of its folder."""
        self.addr = str(self.node.request("take-part", tracker=addr)["addr"])


class RawConnection:
    """A raw peer's connection to a tracker."""

    def __init__(self, node: Node, number: int) -> None:
        self._node = node
        self._number = number

    def say(self, text: str, *, single: bool = False, times: int = 1) -> None:
        """Send this, so many times, or until the other side has ended the connection."""
        self._node.request(
            "say", connection=self._number, text=text, single=single, times=times, timeout=20.0
        )

    def hear(self) -> str:
        """Return the next line with its newline; empty at the end."""
        return str(self._node.request("hear", connection=self._number, timeout=20.0)["text"])

    def asks(self, text: str, *, single: bool = False) -> str:
        """Send this, and return the next line."""
        self.say(text, single=single)
        return self.hear()

    def leave(self) -> None:
        """End it."""
        self._node.request("leave", connection=self._number)


def first_message(port: int, files: Mapping[str, object]) -> str:
    """Return a peer's first message; ``files`` are names with mtimes."""
    rows = [{"name": name, "mtime": mtime} for name, mtime in files.items()]
    return json.dumps({"port": port, "files": rows}) + "\n"


def keepalive(port: int) -> str:
    """Return a peer's further messages."""
    return json.dumps({"port": port}) + "\n"
