"""A relay, two peers and what is between them: what a scenario of this family is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenarios.core.backends.base import Argument, Mount, Program
from scenarios.core.node import Node
from scenarios.core.scene import Finding, place
from scenarios.core.trial import Trial
from scenarios.families.pair.peers import TRANSFER_S, Peer
from scenarios.families.pair.specs import middle_node, peer_node, relay_client_node, relay_node

NAMES = ("alpha", "bravo")
# So that what is gone is noticed soon.
QUICK = ("--heartbeat", "0.3")


class Pair:
    """Two peers and their relay."""

    alpha: Peer
    bravo: Peer
    relay: Node
    middle: Node

    def __init__(
        self, trial: Trial, program: Program, work: Path, full_length: bool = False
    ) -> None:
        self.trial = trial
        self.program = program
        self.full_length = full_length  # as long as specified, not shorter
        self.check = trial.check
        self.faults = trial.faults
        self.step = trial.step
        self.evidence = trial.evidence
        self.now = trial.scene.clock.now  # seconds since the run began, as events have them
        self._work = work
        self._disks: dict[str, int] = {}
        self._middle_addr = ""
        trial.add_always("nothing stays mounted", self._still_mounted)

    def start(
        self,
        *,
        flags: tuple[Argument, ...] = (),
        desks: tuple[str, ...] = (),
        disks: Mapping[str, int] | None = None,
        relay: tuple[Argument, ...] | None = (),
        middle: bool = False,
        captured: bool = False,
        join: bool = True,
    ) -> None:
        """Start a relay with these flags (None: none yet) and both peers; they join each other.

        ``desks`` are those that may mount, and ``disks`` those whose folder is so small, in bytes.
        With ``middle`` all that they say goes through one: to the relay and to each other.
        """
        self._disks = dict(disks or {})
        if relay is not None:
            self.start_relay(relay, captured=captured)
        made = [self._made(name, flags, name in desks, captured) for name in NAMES]
        nodes = self.trial.start(*(spec for spec, _, _ in made))
        peers = [
            Peer(node, folder, state) for node, (_, folder, state) in zip(nodes, made, strict=True)
        ]
        self.alpha, self.bravo = peers
        self.alpha.other, self.bravo.other = self.bravo, self.alpha
        if middle:
            self.start_middle()
        if join:
            self.join()

    def start_relay(
        self, flags: tuple[Argument, ...] = (), *, captured: bool = False, again: bool = False
    ) -> None:
        """Start the relay, or another one at its address when it is gone."""
        port = int(self.relay_addr.rpartition(":")[2]) if again else 0
        spec = relay_node(self.program, flags, name="relay", port=port, captured=captured)
        if again:
            self.relay = self.trial.restart(self.relay, spec=spec)
        else:
            [self.relay] = self.trial.start(spec)

    def start_middle(self) -> None:
        """Put a man in the middle, who sees and passes on everything."""
        [self.middle] = self.trial.start(middle_node())
        told = self.middle.request("relay", upstream=self.relay_addr)
        self._middle_addr = str(told["addr"])
        for peer in self.peers:
            self.swap(peer, "address")

    def swap(self, peer: Peer, what: str) -> None:
        """Let the man in the middle change a peer's registration (middle.py)."""
        self.middle.request("swap", fingerprint=peer.fingerprint, what=what)

    def client(self, name: str = "stranger") -> Node:
        """Start a client of the relay that is no peer."""
        [node] = self.trial.start(relay_client_node(name))
        return node

    @property
    def peers(self) -> tuple[Peer, Peer]:
        """Return both."""
        return self.alpha, self.bravo

    @property
    def lower(self) -> Peer:
        """Return the one with the lower fingerprint: it listens, and initiates reconnects."""
        return min(self.peers, key=lambda peer: peer.fingerprint)

    @property
    def relay_addr(self) -> str:
        """Return where the relay is."""
        return str(self.relay.everything().wait_event("relay-ready").data["addr"])

    @property
    def relay_url(self) -> str:
        """Return what peers are told: the relay's, or that of the man in the middle."""
        return f"http://{self._middle_addr or self.relay_addr}"

    def join(self, *order: Peer) -> None:
        """Let both join each other; returns when both are connected."""
        windows = [peer.window() for peer in self.peers]
        for peer in order or self.peers:
            peer.join(self.relay_url)
        for window in windows:
            window.wait_event("peer-connected", timeout=TRANSFER_S)

    def restart(self, peer: Peer) -> Peer:
        """Start a peer that has ended on its folders again; returns it, not joined yet."""
        again = Peer(self.trial.restart(peer.node), peer.folder, peer.state)
        again.other, peer.other.other = peer.other, again
        if peer is self.alpha:
            self.alpha = again
        else:
            self.bravo = again
        return again

    def same(self, what: str, got: Peer, path: str, want: Peer, original: str) -> None:
        """Check that two files have the same content."""
        self.check.equal(what, got.sha256(path), want.sha256(original))

    def ok(self, what: str, peer: Peer, operation: str, **arguments: Any) -> dict[str, Any]:
        """Do something on a mount, and check that it works."""
        told = peer.tries(operation, **arguments)
        self.check.always_equal("a mount does what it is asked", (what, told["errno"]), (what, ""))
        return told

    def refused(self, what: str, errno: str, peer: Peer, operation: str, **arguments: Any) -> None:
        """Check that something on a mount is refused with an error."""
        self.check.equal(what, peer.tries(operation, **arguments)["errno"], errno)

    def _made(self, name: str, flags: tuple[Argument, ...], at_desk: bool, captured: bool) -> Any:
        places = {kind: self._work / name / kind for kind in ("folder", "state", "mnt")}
        for made in places.values():
            made.mkdir(parents=True)
        folder = Mount(places["folder"], writable=True, limit_bytes=self._disks.get(name))
        state = Mount(places["state"], writable=True)
        desk = Mount(places["mnt"], writable=True) if at_desk else None
        spec = peer_node(name, self.program, folder, state, flags, desk=desk, captured=captured)
        return spec, folder, state

    def _still_mounted(self) -> list[str]:
        return [
            Finding(f"{node.label}: {line.text}", place(node.label, line.index), node.label)
            for node in self.trial.nodes
            for line in node.log.lines()
            if line.stream == "err" and line.text.startswith("still mounted: ")
        ]
