"""Folders that exchange all they have without a network, for tests of the content side."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from headless.envelope import Event
from sync_cli.folder import Folder, Options
from sync_cli.model import Entry, check_entry
from sync_cli.site import Site

MiB = 1024 * 1024


class Peer:
    """One folder, its state, and what it told."""

    def __init__(self, base: Path, name: str, options: Options) -> None:
        self.name = name
        self.peer_id = (name * 32)[:32]
        self.root = base / name / "folder"
        self.state = base / name / "state"
        self.options = options
        self.events: list[Event] = []
        self.reported: list[str] = []
        self.fetched_bytes = 0
        self.root.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self.folder = self._open()

    def _open(self) -> Folder:
        return Folder.open(
            self.root,
            self.state,
            self.peer_id,
            self.options,
            self.events.append,
            self.reported.append,
        )

    def restart(self) -> None:
        self.folder.close()
        self.folder = self._open()

    def write(self, path: str, data: bytes | str, mtime_ns: int | None = None) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        if mtime_ns is not None:
            os.utime(file, ns=(mtime_ns, mtime_ns))
        return file

    def scan(self) -> None:
        self.folder.scan()
        while restless := self.folder.restless():
            time.sleep(self.site.grain_ns / 1e9)  # until the disk's clock has gone on
            self.folder.scan(restless)

    def content(self) -> dict[str, object]:
        return content_of(self.root)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if type(event) is kind]

    def entry(self, path: str) -> Entry | None:
        row = self.site.index.row(os.fsencode(path))
        return row.entry if row else None

    @property
    def site(self) -> Site:
        return self.folder._site


class World:
    """Peers by name."""

    def __init__(self, base: Path, names: str, options: Options | None = None) -> None:
        self.peers = {name: Peer(base, name, options or Options()) for name in names}

    def __getitem__(self, name: str) -> Peer:
        return self.peers[name]

    def close(self) -> None:
        for peer in self.peers.values():
            peer.folder.close()

    def scan(self, names: Iterable[str] = ()) -> None:
        for peer in self._some(names):
            peer.scan()

    def sync(self, names: Iterable[str] = (), *, scan: bool = True) -> None:
        """Let peers exchange until none has anything new."""
        some = self._some(names)
        if scan:
            self.scan(names)
        for _ in range(30):
            changed = False
            for one in some:
                for other in some:
                    if one is not other:
                        changed |= tell(one, other)
            for one in some:
                changed |= fetch(one, {peer.peer_id: peer for peer in some})
            for one in some:
                for other in some:
                    if one is not other:
                        settled = other.folder.settled(one.peer_id)
                        one.folder.peer_settled(other.peer_id, settled)
            if not changed:
                return
        raise AssertionError("they never come to an end")

    def _some(self, names: Iterable[str]) -> list[Peer]:
        return [self.peers[name] for name in names] or list(self.peers.values())


def tell(source: Peer, target: Peer) -> bool:
    """Send what the target has not taken yet; tell whether there was any."""
    index_id, taken = target.folder.taken(source.peer_id)
    target.folder.meet(source.peer_id, source.folder.index_id, source.folder.taken(target.peer_id))
    if index_id != source.folder.index_id:
        taken = 0
    told = False
    while taken < (news := source.folder.news(taken, 100))[1]:
        entries, taken = news
        for _, entry in entries:
            check_entry(entry)
        target.folder.take(source.peer_id, entries, taken)
        told |= bool(entries)
    return told


def fetch(peer: Peer, others: dict[str, Peer]) -> bool:
    """Apply and fetch all that can be; tell whether anything changed."""
    changed = peer.folder.settle()
    given_up: set[bytes] = set()
    while needs := peer.folder.needs(50, given_up):
        batch = []
        for need in needs:
            incoming = peer.folder.begin(need)
            for block in incoming.missing():
                for holder in need.holders:
                    if holder not in others:
                        continue
                    data = others[holder].folder.read_block(need.entry.hash, block)
                    if data is not None and incoming.put(block, data):
                        peer.fetched_bytes += len(data)
                        break
            if incoming.is_complete():
                batch.append(incoming)
            else:
                peer.folder.give_up(incoming)
                given_up.add(need.entry.path)
        for outcome in peer.folder.apply(batch):
            if outcome.error is None:
                changed = True
            else:
                given_up.add(outcome.incoming.entry.path)
        changed |= peer.folder.settle()
    return changed


def content_of(root: Path) -> dict[str, object]:
    """Return what is in a folder: bytes of files, `-> target` of links, None of folders."""
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            relative = str(path.relative_to(root))
            if relative.split("/")[0] == ".sync":
                continue
            if path.is_symlink():
                found[relative] = f"-> {path.readlink()}"
            elif path.is_dir():
                found[relative] = None
            else:
                found[relative] = path.read_bytes()
    return found


def same(world: World) -> dict[str, object]:
    """Check that all have the same and know it; return what it is."""
    contents = [peer.content() for peer in world.peers.values()]
    assert all(content == contents[0] for content in contents)
    for peer in world.peers.values():
        assert peer.folder.out_of_step() == []
        assert peer.folder.in_step()
    return contents[0]
