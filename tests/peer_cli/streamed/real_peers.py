"""Real peers as child processes, asked and watched from outside; what they do to memory too."""

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peer_cli.catalog import CatalogEntry, write_catalog
from tests.headless.node_process import TIMEOUT_S, NodeProcess

GAME = "ggoo"
VERSION = "1"
SAMPLE_S = 0.005

Message = Mapping[str, Any]
FAILED = ("download-failed", "download-peers-gone")
INSTALLED = ("install-finished",)


class RealPeer(NodeProcess):
    """A running peer on loopback, with its folders below `folder`."""

    def __init__(self, folder: Path, catalog: Path, *flags: str) -> None:
        self.games = folder / "games"
        self.games.mkdir(parents=True, exist_ok=True)
        super().__init__(
            "peer_cli",
            *("--name", folder.name, "--games-dir", str(self.games)),
            *("--state-dir", str(folder / "state"), "--catalog-db", str(catalog)),
            *("--listen", "127.0.0.1", *flags),
        )
        self.addr = str(self.wait("local-peer-ready")["addr"])

    def children(self) -> list[int]:
        """Return the helpers that it runs now."""
        tasks = Path(f"/proc/{self.pid}/task")
        return [int(pid) for task in tasks.glob("*/children") for pid in task.read_text().split()]


class Lab:
    """A folder with a catalog of one game, and peers that share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._catalog = folder / "game.db"
        self._peers: list[RealPeer] = []
        write_catalog(self._catalog, [CatalogEntry(GAME, VERSION)])

    def peer(self, name: str, *flags: str) -> RealPeer:
        peer = RealPeer(self._folder / name, self._catalog, *flags)
        self._peers.append(peer)
        return peer

    def source(self, archives: Mapping[str, bytes | Path], *flags: str) -> RealPeer:
        """Start a peer that has the game, with these archives."""
        name = f"source{len(self._peers)}"
        root = self._folder / name / "games" / GAME
        root.mkdir(parents=True)
        for file, content in archives.items():
            if isinstance(content, bytes):
                (root / file).write_bytes(content)
            else:
                link_or_copy(content, root / file)
        (root / "version.ini").write_text(VERSION)
        return self.peer(name, *flags)

    def client(self, *sources: RealPeer, flags: tuple[str, ...] = ()) -> RealPeer:
        """Start a peer that knows these sources."""
        client = self.peer(f"client{len(self._peers)}", *flags)
        for source in sources:
            client.ask("connect", addr=source.addr)
            client.wait("remote-library-changed", game_count=1)
        return client

    def close(self) -> None:
        for peer in self._peers:
            peer.end()


def link_or_copy(original: Path, copy: Path) -> None:
    """Give a peer an archive; in a link its holes stay holes."""
    try:
        copy.hardlink_to(original)
    except OSError:
        shutil.copyfile(original, copy)


def stream(client: RealPeer, timeout: float = TIMEOUT_S) -> Message:
    """Stream the game and return its outcome, whatever it is."""
    since = client.mark()
    client.ask("stream-install", game_id=GAME)
    return client.wait(*INSTALLED, *FAILED, since=since, timeout=timeout)


def is_helper(pid: int) -> bool:
    """Tell whether a process runs the unpacking helper by now."""
    try:
        return b"peer_cli.install.unpack" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def peak_kib(pid: int) -> int:
    """Return the peak of a process's resident memory so far, in KiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def bytes_read(pid: int) -> int:
    """Return what a process, with its threads and the children it has waited for, has read."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["rchar"])


class HelperPeak:
    """The highest peak of any helper of a peer while this context lasts.

    A helper's peak only rises, so looking often misses nothing but its very last moment.
    """

    def __init__(self, peer: RealPeer) -> None:
        self.kib = 0
        self.seen = 0
        self._peer = peer
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "HelperPeak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            for pid in self._peer.children():
                # Between fork and exec a child still has the peer's own memory.
                if is_helper(pid):
                    self.seen += 1
                    self.kib = max(self.kib, peak_kib(pid))
