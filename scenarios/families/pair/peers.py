"""Handles of a pair's nodes: a peer with its files, a pull, and what its user does on a mount."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount
from scenarios.core.errors import CommandFailed
from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.window import Window

TRANSFER_S = 60.0
# The mount says EIO within 10 s; a desk that gets no answer at all is waited for longer.
DESK_S = 30.0


def noise(size: int, seed: int) -> bytes:
    """Return bytes that look random and are the same for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - not for secrets


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull that was asked for; its window begins just before that."""

    path: str
    to: str
    window: Window
    reply: Mapping[str, Any]

    def finished(self) -> Event:
        """Wait until the file is there; a failure ends the wait."""
        return self.window.wait_event(
            "pull-finished", path=self.path, fails_on=("pull-failed",), timeout=TRANSFER_S
        )

    def failed(self) -> Event:
        """Wait until it has failed."""
        return self.window.wait_event(
            "pull-failed", path=self.path, fails_on=("pull-finished",), timeout=TRANSFER_S
        )


class Peer:
    """A peer with the folder that it shares, as its user has them."""

    other: "Peer"

    def __init__(self, node: Node, folder: Mount, state: Mount) -> None:
        self.node = node
        self.folder = folder
        self.state = state

    def __repr__(self) -> str:
        return self.node.label

    @property
    def fingerprint(self) -> str:
        """What the other has to know."""
        return str(self._ready["fingerprint"])

    @property
    def addr(self) -> str:
        """Return where it listens."""
        return str(self._ready["addr"])

    @property
    def _ready(self) -> Mapping[str, Any]:
        return self.node.everything().wait_event("pair-ready").data

    def file(self, path: str) -> Path:
        """Return the host's path of a file in its folder."""
        return self.folder.host / path

    def has(self, path: str, size: int, seed: int = 1) -> None:
        """Put a file of noise into its folder."""
        self.has_content(path, noise(size, seed))

    def has_content(self, path: str, content: bytes) -> None:
        """Put a file into its folder."""
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a file in its folder; a text that says so if there is none."""
        file = self.file(path)
        return digest(file.read_bytes()) if file.is_file() else f"there is no {path}"

    def add(self, path: str, **arguments: Any) -> dict[str, Any]:
        """Share a file or a folder."""
        return self.node.request("add", path=path, timeout=TRANSFER_S, **arguments)

    def shares(self, path: str, size: int, seed: int = 1) -> None:
        """Share a new file of noise; returns when the other has been told."""
        window = self.other.window()
        self.has(path, size, seed)
        self.add(path)
        window.wait_event("file-announced", path=path)

    def pull(self, path: str, to: str = "", **arguments: Any) -> Pull:
        """Begin to pull a file, by default to `pulled/PATH`."""
        target = to or f"pulled/{path}"
        pending = self.node.send("pull", path=path, to=target, **arguments)
        return Pull(path, target, pending.window, pending.data())

    def pulls(self, path: str, to: str = "", **arguments: Any) -> Event:
        """Pull a file; returns when it is there."""
        return self.pull(path, to, **arguments).finished()

    def listed(self, side: str) -> dict[str, int]:
        """Return the sizes of the files that a side shares, by path."""
        rows = self.node.request("list", side=side, timeout=TRANSFER_S)["files"]
        return {row["path"]: row["size"] for row in rows}

    def status(self) -> dict[str, Any]:
        """Return its status."""
        return self.node.request("status")

    def join(self, relay: str, fingerprint: str | None = None) -> dict[str, Any]:
        """Join the other."""
        wanted = self.other.fingerprint if fingerprint is None else fingerprint
        return self.node.request("join", fingerprint=wanted, relay=relay)

    def code_of(self, command: str, **arguments: Any) -> str:
        """Return the code with which a command is refused; "accepted" if it is not."""
        try:
            self.node.request(command, **arguments)
        except CommandFailed as error:
            return error.code
        return "accepted"

    def window(self) -> Window:
        """Return a window that begins now."""
        return self.node.window()

    # On its mount.

    def mounts(self) -> None:
        """Mount both sides' files."""
        window = self.window()
        where = self.node.request("desk-where")["folder"]
        self.node.request("mount", path=where, timeout=DESK_S)
        window.wait_event("mounted", fails_on=("mount-failed",))

    def tries(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Do something on the mount: `errno`, `seconds`, and what desk.py says."""
        return self.node.request(f"desk-{operation}", timeout=DESK_S, **arguments)


def parts(peer: Peer) -> list[str]:
    """Return the unfinished files in a peer's folder."""
    found = peer.folder.host.rglob("*.part")
    return sorted(str(file.relative_to(peer.folder.host)) for file in found)
