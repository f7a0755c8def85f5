"""The `lan` fixture: a local network of peers for a scenario."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from scenarios.core.always import NodeStory
from scenarios.core.backends.base import Mount, Placed, Program
from scenarios.core.node import Node
from scenarios.core.scene import findings_of
from scenarios.core.trees import Entry, tree
from scenarios.core.trial import Trial
from scenarios.families.lan_spread import always, fixtures
from scenarios.families.lan_spread.content import content_digest
from scenarios.families.lan_spread.games import fill, not_served
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.raw_client import RawClient
from scenarios.families.lan_spread.specs import (
    PEER,
    PeerSpec,
    flood_client_node,
    peer_node,
    raw_client_node,
    reference_unrar_node,
    relay_node,
)
from scenarios.families.lan_spread.version_watch import VersionWatch, watcher


@dataclass(frozen=True, slots=True)
class _Life:
    """One run of a peer on its own folder."""

    peer: Peer
    began: float  # unix seconds


class Lan:
    """Starts peers on their own folders or on fixtures, and watches all of them."""

    def __init__(
        self, trial: Trial, work: Path, program: Program = PEER, *, foreign: bool = False
    ) -> None:
        """``foreign``: the program is neither this project's peer nor a mutant of it."""
        self.check = trial.check
        self.faults = trial.faults
        self.step = trial.step
        self.evidence = trial.evidence
        self.now = trial.scene.clock.now  # seconds since the run began, like the times of events
        self._trial = trial
        self._work = work
        self._program = program
        self._foreign = foreign
        self._lives: list[_Life] = []
        self._watcher = watcher()
        self._watches: dict[Path, VersionWatch] = {}
        self._fixtures: dict[Path, dict[str, always.Stamp]] = {}
        trial.add_always("no chunk finished twice", lambda: self._each(always.no_chunk_twice))
        trial.add_always(
            "finished bytes are the manifest's", lambda: self._each(always.finished_is_manifest)
        )
        trial.add_always("version.ini comes last", self._version_files_last)
        trial.add_always("no staging left", self._nothing_staged)
        trial.add_always("fixtures unchanged", self._fixtures_unchanged)

    @property
    def peers(self) -> list[Peer]:
        """Every peer started so far, in order; a restarted one counts once per run."""
        return [life.peer for life in self._lives]

    def start(self, *specs: PeerSpec) -> list[Peer]:
        """Start peers concurrently; returns when all are ready. Addresses ascend in this order."""
        folders = [self._folders(spec) for spec in specs]
        nodes = [
            peer_node(spec, games, state, self._program)
            for spec, (games, state) in zip(specs, folders, strict=True)
        ]
        began = time.time()
        started = self._trial.start(*nodes)
        return [
            self._taken(spec, node, games.host, state.host, began)
            for spec, node, (games, state) in zip(specs, started, folders, strict=True)
        ]

    def restart(self, peer: Peer, *, new_address: bool = False) -> Peer:
        """Restart a peer that has ended, on its old folders; it gets a new port."""
        began = time.time()
        node = self._trial.restart(peer.node, new_address=new_address)
        return self._taken(peer.spec, node, peer.games, peer.state, began)

    def start_refused(
        self, name: str, *, games: Path | None = None, state: Path | None = None
    ) -> Node:
        """Start a peer on a folder that another peer uses. It must refuse; returns after it exits.

        If it starts nevertheless, it reads EOF on stdin and so exits too.
        """
        own_games, own_state = self._folders(PeerSpec(name))
        spec = peer_node(
            PeerSpec(name),
            Mount(games, writable=True) if games else own_games,
            Mount(state, writable=True) if state else own_state,
            self._program,
        )
        [node] = self._trial.start(replace(spec, ready_event=None, expected_exit=2))
        node.close_stdin()
        node.wait_exit()
        return node

    def moved(self, peer: Peer) -> Peer:
        """Start a second run of a peer, on a copy of its state, at the next address.

        Freeze the first run before the second sends anything. To other peers this looks like a
        machine that moved to another network while its old connections linger.
        """
        name = f"{peer.spec.name}-moved"
        state = self._work / name / "state"
        shutil.copytree(peer.state, state)
        spec = peer_node(peer.spec, Mount(peer.games), Mount(state, writable=True), self._program)
        began = time.time()
        [node] = self._trial.start(replace(spec, name=name))
        return self._taken(peer.spec, node, peer.games, state, began)

    def restart_elsewhere(self, peer: Peer) -> Peer:
        """Move the games of a peer that has ended, start it on an empty folder, and switch it."""
        self._watches[peer.games].stop()
        home = Mount(peer.games.parent, writable=True)
        empty, moved = home.host / "empty", peer.games.rename(home.host / "moved")
        empty.mkdir()
        self._watches[moved] = VersionWatch(moved, self._watcher)
        state = Mount(peer.state, writable=True)
        spec = peer_node(peer.spec, Mount(empty, writable=True), state, self._program)
        began = time.time()
        [node] = self._trial.start(replace(spec, name=f"{spec.name}-elsewhere", mounts=(home,)))
        node.request("set-games-dir", path=f"{node.path_of(home)}/{moved.name}")
        return self._taken(peer.spec, node, moved, peer.state, began)

    def file(self, name: str, content: str) -> Placed:
        """Write a file outside all games folders; return it as an argument for a peer's flags."""
        path = self._work / name
        path.write_text(content, encoding="utf-8")
        return Placed(Mount(path))

    def raw_client(self, name: str = "raw") -> RawClient:
        """Start a raw client."""
        [node] = self._trial.start(raw_client_node(name))
        return RawClient(node, foreign=self._foreign)

    def relay(self, name: str = "relay") -> Node:
        """Start a relay in the path; its commands are in relay.py."""
        [node] = self._trial.start(relay_node(name))
        return node

    def catalog(self, digest_of: Path) -> Placed:
        """Return the fixtures' catalog with this game's digest added, as an argument."""
        path = self._work / f"catalog-of-{digest_of.name}.db"
        path.write_bytes(fixtures.catalog_path().read_bytes())
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "UPDATE games SET content_digest = ? WHERE game_id = ?",
                (content_digest(digest_of), digest_of.name),
            )
        return Placed(Mount(path))

    def catalog_with(self, game_id: str, *, version: str) -> Placed:
        """Return a catalog of this one game, as an argument."""
        path = self._work / "catalog-of-one.db"
        path.write_bytes(fixtures.catalog_path().read_bytes())
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("DELETE FROM games")
            database.execute(
                "INSERT INTO games(game_id, version) VALUES (?, ?)", (game_id, version)
            )
        return Placed(Mount(path))

    def catalog_in_wal_mode(self) -> Placed:
        """Return the fixtures' catalog in a folder of its own, in WAL mode, as an argument."""
        folder = self._work / "catalog"
        folder.mkdir()
        path = folder / fixtures.catalog_path().name
        path.write_bytes(fixtures.catalog_path().read_bytes())
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
        return Placed(Mount(folder), path.name)

    def flood_client(self, name: str = "flood") -> Node:
        """Start a flooding stranger; its commands are in flood_client.py."""
        [node] = self._trial.start(flood_client_node(name))
        return node

    def reference_unrar(self, archive: Path) -> Node:
        """Start the reference UnRAR; its commands are in reference_unrar.py."""
        [node] = self._trial.start(reference_unrar_node(archive))
        return node

    def same_game(self, game_id: str, got: Peer, want: Peer) -> None:
        """Check that a game's served files are identical at two peers."""
        self.check.same_files(
            f"{game_id} at {got} is as at {want}", got.root(game_id), want.root(game_id), not_served
        )

    def installed_as(self, game_id: str, peer: Peer, fixture: str) -> None:
        """Check that exactly the files in the fixture's archives are installed."""
        self.installed_is(game_id, peer, fixtures.contents(fixture, game_id))

    def installed_is(
        self, game_id: str, peer: Peer, contents: Mapping[str, fixtures.EntryDigest]
    ) -> None:
        """Check that exactly these files are installed."""
        want = {
            path: Entry("file", content.size, content.blake3) for path, content in contents.items()
        }
        for path in list(want):
            for parent in PurePosixPath(path).parents[:-1]:
                want[str(parent)] = Entry("folder")
        local = peer.root(game_id) / "local"
        got = tree(local) if local.is_dir() else {}
        self.check.same_tree(f"what is installed of {game_id} at {peer}", got, want)

    def close(self) -> None:
        """Stop watching. Idempotent."""
        for watch in self._watches.values():
            watch.abandon()
        self._watcher.close()

    def _folders(self, spec: PeerSpec) -> tuple[Mount, Mount]:
        state = self._work / spec.name / "state"
        state.mkdir(parents=True)
        if spec.fixture:
            games = fixtures.games_dir(spec.fixture)
            self._fixtures.setdefault(games, always.stamps(games))
            return Mount(games), Mount(state, writable=True)
        games = self._work / spec.name / "games"
        games.mkdir()
        if spec.disk_bytes is not None:  # inside the container, so the host cannot watch it
            return Mount(games, True, spec.disk_bytes), Mount(state, writable=True)
        fill(games, spec.things)
        self._watches[games] = VersionWatch(games, self._watcher)
        return Mount(games, writable=True), Mount(state, writable=True)

    def _taken(self, spec: PeerSpec, node: Node, games: Path, state: Path, began: float) -> Peer:
        peer = Peer(spec, node, games, state, self.check)
        self._lives.append(_Life(peer, began))
        return peer

    def _each(self, check: Callable[[NodeStory], list[str]]) -> list[str]:
        stories = [peer.node.story() for peer in self.peers]
        return [one for story in stories for one in findings_of(story.node, check(story))]

    def _version_files_last(self) -> list[str]:
        found = []
        for number, life in enumerate(self._lives):
            watch = self._watches.get(life.peer.games)
            if watch is None:
                continue
            later = [
                other.began
                for other in self._lives[number + 1 :]
                if other.peer.games == life.peer.games
            ]
            seen = [each for each in watch.stop() if not later or each.wall < later[0]]
            story = life.peer.node.story()
            found += findings_of(story.node, always.version_file_last(story, seen))
        return found

    def _nothing_staged(self) -> list[str]:
        found = []
        last = {life.peer.games: life.peer for life in self._lives}
        for games in self._watches:
            # A killed peer cannot clean up; its next run does.
            if games in last and last[games].node.ending != "killed":
                names = [path.relative_to(games).as_posix() for path in games.rglob("*")]
                name = last[games].name
                found += findings_of(name, always.nothing_staged(name, games, names))
        return found

    def _fixtures_unchanged(self) -> list[str]:
        return [
            finding
            for games, before in self._fixtures.items()
            for finding in always.unchanged(games.name, before, always.stamps(games))
        ]
