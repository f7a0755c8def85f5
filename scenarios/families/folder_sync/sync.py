"""The `sync` fixture: trackers and peers with folders, for a scenario."""

import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from scenarios.core.backends.base import Argument, Mount, OwnAddress, Placed, Program
from scenarios.core.node import Node
from scenarios.core.scene import Finding
from scenarios.core.timeouts import EVENT_S
from scenarios.core.trial import Trial
from scenarios.families.folder_sync import folders
from scenarios.families.folder_sync.folders import State, differences, without_times
from scenarios.families.folder_sync.peers import IN_STEP_S, Peer, Tracker
from scenarios.families.folder_sync.raw_node import RawNode
from scenarios.families.folder_sync.specs import (
    FOLDER_NAME,
    LEGACY,
    Launch,
    PeerSpec,
    launched,
    peer,
    peer_node,
    raw_node,
    tracker_node,
)
from scenarios.families.folder_sync.watch import until

KEY = "8f1d2c3b4a59687786950a1b2c3d4e5f60718293a4b5c6d7e8f9010203040506"
MEET_S = 60.0  # large files are read first
# What a scenario itself puts beside a peer's folder.
MAY_BE_BESIDE = ("elsewhere", "away")


class Sync:
    """Starts trackers and peers, and compares their folders."""

    def __init__(self, trial: Trial, work: Path, program: Program, full_length: bool) -> None:
        self.check = trial.check
        self.faults = trial.faults
        self.step = trial.step
        self.evidence = trial.evidence
        self.scene = trial.scene
        self.trial = trial
        self.work = work
        self.full_length = full_length  # as many files as specified, not fewer
        self.peers: list[Peer] = []  # a restarted one counts once per run
        self._program = program
        trial.add_always("nothing beside the folders", self._nothing_beside)
        trial.add_always("no unfinished files left", self._no_debris, while_running=True)
        trial.add_always("no unfinished files left", self._no_legacy_debris)

    # Starting.

    def tracker(self, *flags: Argument, name: str = "tracker") -> Tracker:
        """Start a tracker."""
        state = self.work / name / "state"
        state.mkdir(parents=True)
        mount = Mount(state, writable=True)
        spec = tracker_node(self._program, name, mount, OwnAddress(suffix=":0"), flags)
        return Tracker(self.trial.start(spec)[0])

    def start(
        self,
        *specs: PeerSpec,
        tracker: Tracker | RawNode | str | None,
        flags: Sequence[Argument] = (),
    ) -> list[Peer]:
        """Start peers at once; returns when all are ready."""
        addr = tracker if tracker is None or isinstance(tracker, str) else tracker.addr
        mounts = [self._folders(spec) for spec in specs]
        nodes = self.trial.start(
            *(
                peer_node(self._program, spec, folder, state, addr, flags)
                for spec, (folder, state) in zip(specs, mounts, strict=True)
            )
        )
        started = [
            Peer(node, spec, folder, state.host, self.step)
            for node, spec, (folder, state) in zip(nodes, specs, mounts, strict=True)
        ]
        self.peers += started
        return started

    def swarm(
        self,
        *specs: PeerSpec | str,
        flags: Sequence[Argument] = (),
        times: bool = True,
        compare: bool = True,
    ) -> list[Peer]:
        """Start a tracker and peers; returns when all peers have met and are in step."""
        self.the_tracker = self.tracker(*flags)
        made = [peer(one) if isinstance(one, str) else one for one in specs]
        started = self.start(*made, tracker=self.the_tracker, flags=flags)
        self.met(*started)
        self.in_step(*started, times=times, compare=compare)
        return started

    def legacy(self, *specs: PeerSpec, tracker: Tracker | RawNode | str) -> list[Peer]:
        """Start legacy peers."""
        return self.start(*specs, tracker=tracker, flags=LEGACY)

    def shared_address(self) -> str | None:
        """Return an address that several nodes can have; None where each has one of its own."""
        backend = self.trial.backend
        return backend.new_address() if backend.name == "process" else None

    def restart(
        self,
        one: Peer,
        *,
        launch: Launch | None = None,
        tracker: Tracker | None = None,
        moved: bool = False,
    ) -> Peer:
        """Start a peer that has ended once more, on its folder.

        It is launched like this, at another address if it is ``moved``, with another tracker if one
        is given.
        """
        program = launched(self._program, launch) if launch else self._program
        spec = replace(one.node.spec, program=program)
        if tracker is not None:
            arguments = list(spec.arguments)
            arguments[arguments.index("--tracker") + 1] = tracker.addr
            spec = replace(spec, arguments=tuple(arguments))
        node = self.trial.restart(one.node, spec=spec, new_address=moved)
        again = Peer(node, replace(one.spec, launch=launch), one.mount, one.state_folder, self.step)
        self.peers.append(again)
        return again

    def die_at(self, step: str, one: Peer) -> Node:
        """Start a peer that has ended, to be killed at a step of its work; returns at once.

        The step is "NAME:N": before the N-th change of what has this name (launched.py).
        """
        killed = -signal.SIGKILL if self.trial.backend.name == "process" else 128 + signal.SIGKILL
        launch = launched(self._program, Launch(die_at=step))
        spec = replace(one.node.spec, program=launch, ready_event=None, expected_exit=killed)
        return self.trial.restart(one.node, spec=spec)

    def dies_or_becomes(self, one: Peer, node: Node, want: State, timeout: float) -> bool:
        """Wait until a peer's node has ended, or its folder is like this; tell whether it ended.

        One that has not is killed.
        """
        until(self.scene, one.folder, lambda: not node.running or one.now() == want, bool, timeout)
        died = not node.running
        if not died:
            node.kill()
        return died

    def again(self, one: Peer, node: Node) -> Peer:
        """Start a peer whose last run was this node."""
        spec = replace(one.node.spec, program=self._program)
        again = Peer(
            self.trial.restart(node, spec=spec), one.spec, one.mount, one.state_folder, self.step
        )
        self.peers.append(again)
        return again

    def restart_tracker(self, one: Tracker) -> Tracker:
        """Start a tracker that has ended once more, at the same address and port."""
        spec = one.node.spec
        listen = OwnAddress(suffix=":0")
        arguments = tuple(one.addr if part == listen else part for part in spec.arguments)
        return Tracker(self.trial.restart(one.node, spec=replace(spec, arguments=arguments)))

    def raw(self, name: str, things: folders.Things | None = None) -> RawNode:
        """Start a node of the legacy wire that is not ours, with a folder if it has things."""
        mount = None
        if things is not None:
            mount = Mount(self.work / name / "folder", writable=True)
            mount.host.mkdir(parents=True)
            folders.fill(mount.host, things)
        [node] = self.trial.start(raw_node(name, mount))
        return RawNode(node, mount.host if mount else None)

    def key(self, text: str = KEY, name: str = "key") -> Placed:
        """Return a file with a shared key, as an argument."""
        path = self.work / f"{name}.txt"
        path.write_text(f"{text}\n", encoding="ascii")
        return Placed(Mount(path))

    # Waiting and comparing.

    def met(self, *peers: Peer) -> None:
        """Wait until each of these peers is connected to all others."""
        for one in peers:
            for other in peers:
                if other is not one:
                    one.told("peer-connected", peer_id=other.peer_id, timeout=MEET_S)

    def in_step(
        self,
        *peers: Peer,
        what: str = "",
        times: bool = True,
        compare: bool = True,
    ) -> State:
        """Wait until peers say that they are in step, and check that their folders are the same.

        Returns what they hold. Without ``times`` mtimes may differ, without ``compare`` all may.
        """
        for one in (peers[0], peers[-1]):  # each asks all to look at their folders first
            one.node.request(
                "wait-in-step", timeout_ms=int(1000 * IN_STEP_S), timeout=IN_STEP_S + 5
            )
        return self.same(*peers, what=what, times=times) if compare else peers[0].now()

    def same(self, *peers: Peer, what: str = "", times: bool = True) -> State:
        """Check that folders have the same content now; return it.

        Without ``what``, as all scenarios do in the end, it is an always-on check.
        """
        with ThreadPoolExecutor(len(peers)) as pool:
            held = list(pool.map(Peer.now, peers))
        if not times:
            held = [without_times(one) for one in held]
        found = [
            f"{other}, compared to {peers[0]}: {one}"
            for other, theirs in zip(peers[1:], held[1:], strict=True)
            for one in differences(theirs, held[0])
        ]
        if what:
            self.check.equal(what, found, [])
        else:
            self.check.always_equal("all hold the same", found, [])
        return held[0]

    def alike(self, *peers: Peer, what: str = "", timeout: float = 30.0) -> State:
        """Wait until the folders of peers are the same, whatever others have; return what is there.

        For peers that know others who are away: they never say that all are in step.
        """
        first, *others = peers
        for _ in range(2):  # the first one may have been the last to change
            for one in others:
                until(
                    self.scene, one.folder, one.now, lambda got: got == first.now(), timeout, what
                )
        return self.same(*peers, what=what)

    def becomes(
        self, one: Peer, want: State, what: str, timeout: float = EVENT_S, *, times: bool = True
    ) -> float:
        """Wait until a folder is like this, and check that; return after how many seconds it was.

        Seen from outside, whatever the program says.
        """

        def look() -> State:
            return one.now() if times else without_times(one.now())

        wanted = want if times else without_times(want)
        seen, took = until(self.scene, one.folder, look, lambda got: got == wanted, timeout, what)
        self.check.equal(what, differences(seen, wanted), [])
        return took

    def all_become(
        self, peers: Sequence[Peer], want: State, what: str, timeout: float = EVENT_S
    ) -> float:
        """Wait until several folders are like this, and check that; return after how long."""
        found, took = self.wait_until_alike(peers, want, what, timeout)
        self.check.equal(what, found, [])
        return took

    def wait_until_alike(
        self, peers: Sequence[Peer], want: State, what: str, timeout: float = EVENT_S
    ) -> tuple[list[str], float]:
        """Wait until several folders are like this; return how they differ then.

        Also after how many seconds the last was. ``what`` names the check of it.
        """
        with ThreadPoolExecutor(len(peers)) as pool:
            waits = [
                pool.submit(until, self.scene, one.folder, one.now, want.__eq__, timeout, what)
                for one in peers
            ]
        seen = [wait.result() for wait in waits]
        found = [
            f"{one}: {difference}"
            for one, (got, _) in zip(peers, seen, strict=True)
            for difference in differences(got, want)
        ]
        return found, max(took for _, took in seen)

    def _folders(self, spec: PeerSpec) -> tuple[Mount, Mount]:
        home, state = (self.work / spec.name / part for part in ("home", "state"))
        # A folder in a mount can be moved away under its peer; a small disk is a mount itself.
        (home if spec.disk_bytes else home / FOLDER_NAME).mkdir(parents=True)
        state.mkdir()
        folders.fill(home / FOLDER_NAME, spec.things)
        return Mount(home, True, spec.disk_bytes), Mount(state, writable=True)

    def last_runs(self) -> list[Peer]:
        """Return every peer as it ran last."""
        return list({one.name: one for one in self.peers}.values())

    def _nothing_beside(self) -> list[str]:
        return [
            Finding(f"{one}: {path.name} is beside its folder", node=one.node.label)
            for one in self.last_runs()
            for path in one.mount.host.iterdir()
            if path.name not in (FOLDER_NAME, *MAY_BE_BESIDE) and not one.spec.disk_bytes
        ]

    def _no_debris(self) -> list[str]:
        running = [
            one
            for one in self.last_runs()
            if one.node.running and not one.node.frozen and not _is_legacy(one)
        ]
        for one in running:
            one.scan()  # deletes what fetches have left that nobody needs any more
        return _debris_of(running)

    def _no_legacy_debris(self) -> list[str]:
        """Look when they have ended: until then they may be fetching, whatever has become true."""
        return _debris_of(
            one for one in self.last_runs() if _is_legacy(one) and one.node.exit_code == 0
        )


def _is_legacy(one: Peer) -> bool:
    return LEGACY[0] in one.node.spec.arguments


def _debris_of(peers: Iterable[Peer]) -> list[str]:
    return [
        Finding(f"{one} left {name}", node=one.node.label) for one in peers for name in one.debris()
    ]
