"""Handles of trackers and peers."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Mount
from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.timeouts import EVENT_S
from scenarios.core.window import Window
from scenarios.families.folder_sync import folders
from scenarios.families.folder_sync.folders import OWN, State, Thing
from scenarios.families.folder_sync.specs import FOLDER_NAME, READY, PeerSpec

IN_STEP_S = 60.0
SCAN_S = 60.0


class Tracker:
    """A running tracker."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.addr = str(node.everything().wait_event(READY).data["addr"])

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    def rows(self, command: str, key: str) -> list[Mapping[str, Any]]:
        """Return the rows that a list has (`list-peers`: `peers`; `list-files`: `files`)."""
        return list(self.node.request(command)[key])


class Peer:
    """A running peer: what a user does in its folder, and what its program says."""

    def __init__(
        self, node: Node, spec: PeerSpec, mount: Mount, state: Path, step: Callable[[str], None]
    ) -> None:
        self.node = node
        self.spec = spec
        self.mount = mount
        self.folder = mount.host / FOLDER_NAME
        self.state_folder = state
        self.ready = node.everything().wait_event(READY)
        self.addr = str(self.ready.data["addr"])
        self.peer_id = str(self.ready.data["peer_id"])
        self._step = step

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Its name; the same after a restart."""
        return self.node.name

    # What a user does.

    def write(self, name: str, thing: Thing) -> None:
        """Write a file, folder or link, in place."""
        self._step(f"{self}: write {name!a}")
        folders.put(self.folder, name, thing)

    def save(self, name: str, thing: Thing) -> None:
        """Write a file beside the folder and rename it into place, as editors do."""
        self._step(f"{self}: save {name!a}")
        folders.put_at_once(self.folder, name, thing)

    def delete(self, name: str) -> None:
        """Delete a file, a link, or a folder with all that is in it."""
        self._step(f"{self}: delete {name!a}")
        path = self.folder / name
        if path.is_dir() and not path.is_symlink():
            for inner in sorted(path.rglob("*"), reverse=True):
                if inner.is_dir() and not inner.is_symlink():
                    inner.rmdir()
                else:
                    inner.unlink()
            path.rmdir()
        else:
            path.unlink()

    def rename(self, old: str, new: str) -> None:
        """Rename a file or a folder."""
        self._step(f"{self}: rename {old!a} to {new!a}")
        (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / old).rename(self.folder / new)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """Write bytes into a file, in place."""
        self._step(f"{self}: write {len(data)} bytes into {name!a} at {offset}")
        with (self.folder / name).open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def touch(self, name: str, mtime_ns: int) -> None:
        """Give a file another mtime."""
        self._step(f"{self}: touch {name!a}")
        os.utime(self.folder / name, ns=(mtime_ns, mtime_ns))

    def make_executable(self, name: str) -> None:
        """Set the x bit."""
        self._step(f"{self}: make {name!a} executable")
        (self.folder / name).chmod(0o755)

    # What is there.

    def now(self) -> State:
        """Return what is in its folder, but for what is the program's own."""
        return folders.state(self.folder)

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        return (self.folder / name).read_bytes()

    def has(self, name: str) -> bool:
        """Return whether something has this name."""
        return os.path.lexists(self.folder / name)

    def copies(self) -> list[str]:
        """Return the names of conflict copies."""
        return [name for name in self.now() if ".sync-conflict-" in name]

    def debris(self) -> list[str]:
        """Return the names of unfinished files that the program has left.

        What it has kept of conflicts is none.
        """
        own = self.folder / OWN
        found = []
        for path in sorted(Path(top) / name for top, _, names in os.walk(own) for name in names):
            with contextlib.suppress(FileNotFoundError):  # the program may remove it just now
                lasting = path.name == "marker" or path.is_relative_to(own / "kept")
                if not lasting and path.is_file() and path.stat().st_size:
                    found.append(path.relative_to(self.folder).as_posix())
        return found

    # What its program says.

    def window(self) -> Window:
        """Return a window that begins now."""
        return self.node.window()

    def told(self, *names: str, timeout: float = EVENT_S, **fields: Any) -> Event:
        """Return the first such event of its run, once it has come."""
        return self.node.everything().wait_event(*names, timeout=timeout, **fields)

    def scan(self) -> None:
        """Let it look at its whole folder; returns when it has."""
        self.node.request("scan", timeout=SCAN_S)

    def status(self) -> dict[str, Any]:
        """Return its status."""
        return self.node.request("status")

    def files(self, prefix: str = "") -> dict[str, Mapping[str, Any]]:
        """Return its files as it lists them, by path."""
        rows = self.node.request("list-files", prefix=prefix)["files"]
        return {row["path"]: row for row in rows}

    def shutdown(self) -> None:
        """End it as a user would."""
        self.node.shutdown()


def received(window: Window, path: str | None = None) -> int:
    """Return the bytes of content that came over the network for a file, or for all."""
    return sum(int(one.data["bytes"]) for one in finished(window, path))


def sent_by(window: Window, path: str) -> set[str]:
    """Return the ids of all whom a file came from."""
    return {source for one in finished(window, path) for source in one.data["from"]}


def finished(window: Window, path: str | None = None) -> list[Event]:
    """Return the fetches of a file, or of all, that have finished."""
    every = window.events("fetch-finished")
    return [one for one in every if path in (None, one.data["path"])]


def versions(one: Peer) -> dict[str, object]:
    """Return the version of each file of a peer, by path."""
    return {path: row["version"] for path, row in one.files().items()}
