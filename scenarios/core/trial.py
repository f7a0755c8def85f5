"""The trial of one scenario: starts its nodes, judges them and removes them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from scenarios.core.always import generic_findings
from scenarios.core.backends.base import Backend, BackendError, Capture, NodeSpec
from scenarios.core.checks import Checks
from scenarios.core.errors import Cause, CheckFailed, CommandFailed, NodeGone, WaitFailed
from scenarios.core.faults import Faults
from scenarios.core.log import NodeLog
from scenarios.core.node import Node
from scenarios.core.scene import Clock, Scene, file_stem
from scenarios.core.timeouts import EXIT_S, Timeouts
from scenarios.core.words import Words

# How long nodes may take to exit by themselves after the scenario has failed.
EXIT_AFTER_FAILURE_S = 2.0
AlwaysCheck = Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class _Added:
    what: str
    check: AlwaysCheck
    while_running: bool


class Trial:
    """Owns the nodes of one scenario. As a context manager it finishes, or abandons on an error."""

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        *,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        pcap: bool = False,
        goes_on: bool = False,
        words: Words | None = None,
    ) -> None:
        """With ``goes_on`` the scenario runs to its end even if checks fail."""
        self.backend = backend
        self.folder = folder
        self.scene = Scene(folder, timeouts=timeouts, clock=clock, goes_on=goes_on, words=words)
        self.check = Checks(self.scene)
        self.faults = Faults(self.scene)
        self.nodes: list[Node] = []
        self._pcap = pcap
        self._captures: dict[str, Capture] = {}  # by label of the node
        self.evidence_lines: list[str] = []
        self._always: list[_Added] = []

    def step(self, text: str) -> None:
        """Announce what the scenario does next, for the terminal and the report."""
        self.scene.record("step", text=text)

    def evidence(self, text: str) -> None:
        """Summarise in one line, with figures, what was proven."""
        self.evidence_lines.append(text)
        self.scene.record("evidence", text=text)

    def add_always(self, what: str, check: AlwaysCheck, *, while_running: bool = False) -> None:
        """Add a check for the end of the scenario; it returns one sentence per violation.

        It runs after all nodes have ended, or, with ``while_running``, before they are asked to.
        """
        self._always.append(_Added(f"always: {what}", check, while_running))

    def start(self, *specs: NodeSpec) -> list[Node]:
        """Start nodes concurrently and wait until all are ready; addresses ascend in this order.

        Raises BackendError, or WaitFailed if one does not become ready.
        """
        nodes = [self._new_node(spec) for spec in specs]
        # Leased here and not in the threads, to keep the order.
        addresses = [spec.address or self.backend.new_address() for spec in specs]
        if nodes:
            with ThreadPoolExecutor(len(nodes), thread_name_prefix="start") as pool:
                # list(): waits for all, then raises the error of the first that failed.
                list(pool.map(self._start_one, nodes, addresses))
        for node in nodes:
            node.wait_ready()
        return nodes

    def restart(
        self, node: Node, *, new_address: bool = False, spec: NodeSpec | None = None
    ) -> Node:
        """Restart a node that has ended, on the same folders; return the new Node.

        It gets its old address or the next new one. ``spec`` replaces the old spec. Raises
        NodeGone if the old one still runs.
        """
        if node.running:
            raise NodeGone(f"{node.label} still runs; end it before it is started again.")
        # Leased before the old lease ends, since the pool could return the same address.
        address = self.backend.new_address() if new_address else node.address
        node.remove()
        return self.start(replace(spec or node.spec, address=address))[0]

    def finish(self) -> None:
        """End all nodes as a user would, run the always-on checks, and remove everything.

        Raises CheckFailed with all findings of the always-on checks, after those of earlier checks
        if the scenario went on from them.
        """
        try:
            findings = [("faults", self.faults.settle()), *self._added(while_running=True)]
            self._end_nodes(EXIT_S)
            findings += [*self._generic(), *self._added(while_running=False)]
        finally:
            self.remove()
        if self.scene.goes_on:
            findings = [*self._failed_checks(), *findings]
        wrong = [(what, found) for what, found in findings if found]
        if not wrong:
            return
        text = "\n".join(f"{what}:\n  " + "\n  ".join(found) for what, found in wrong)
        first = wrong[0][0]
        cause: Cause = "fault-failed" if first == "faults" else "check"
        raise CheckFailed(first, f"\n{text}", cause, self.scene.picture())

    def abandon(self, error: BaseException) -> None:
        """Clean up after a failure; findings of the always-on checks become notes of ``error``.

        After Ctrl-C or a skip (not an Exception) nothing is judged.
        """
        try:
            self.faults.withdraw_all()
            if isinstance(error, Exception):
                # Before they end, since the picture should show the moment of the failure.
                picture = self.scene.picture()
                findings = self._added(while_running=True)
                self._end_nodes(EXIT_AFTER_FAILURE_S)
                findings += [*self._generic(), *self._added(while_running=False)]
                for what, found in findings:
                    if found:
                        error.add_note("Also, " + what + ":\n  " + "\n  ".join(found))
                if isinstance(error, CheckFailed):
                    error.picture = error.picture or picture
                else:
                    error.add_note(picture)
        finally:
            self.remove()

    def cause_of(self, error: BaseException) -> Cause:
        """Return why the scenario failed: the first problem, which may precede the error."""
        trouble = self.scene.trouble
        return self.scene.lost_by or (trouble.cause if trouble else cause_of(error))

    def captured(self, node: Node) -> bytes:
        """Return the packets of a node that has ended, as the capture's file has them."""
        self._captures[node.label].stop()
        return self._file(node.label, "pcap").read_bytes()

    def remove(self) -> None:
        """Remove all nodes concurrently, and close the record. Idempotent."""
        try:
            if self.nodes:
                with ThreadPoolExecutor(len(self.nodes), thread_name_prefix="remove") as pool:
                    # list(): waits for all, then raises the error of the first that failed.
                    list(pool.map(Node.remove, self.nodes))
        finally:
            for capture in self._captures.values():
                capture.stop()
            self.scene.close()

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.abandon(error)

    def _new_node(self, spec: NodeSpec) -> Node:
        earlier = [node for node in self.nodes if node.name == spec.name]
        if any(node.running for node in earlier):
            raise ValueError(f"There is a running node {spec.name!r} already; choose another name.")
        number = len(earlier) + 1
        label = spec.name if number == 1 else f"{spec.name}#{number}"
        node = Node(
            spec, label, NodeLog(label, self.scene, self._file(label, "jsonl")), self.faults
        )
        self.nodes.append(node)
        return node

    def _file(self, label: str, suffix: str) -> Path:
        return self.folder / f"{file_stem(label)}.{suffix}"

    def _start_one(self, node: Node, address: str) -> None:
        self.scene.record("node-starting", node=node.label, name=node.name, address=address)
        if self._pcap or node.spec.captured:
            file = self._file(node.label, "pcap")
            capture = self.backend.capture(address, file, whole=node.spec.captured)
            self._captures[node.label] = capture
        handle = self.backend.start(node.spec, address, node)
        node.attach(handle)
        self.scene.record("node-started", node=node.label, name=node.name, address=address)

    def _end_nodes(self, timeout: float) -> None:
        for first in (True, False):
            self._end([node for node in self.nodes if node.spec.ends_first is first], timeout)

    def _end(self, nodes: Sequence[Node], timeout: float) -> None:
        for node in nodes:
            if node.frozen:
                node.discard()
            elif node.running and node.ending is None and node.spec.expected_exit == 0:
                # It ended in between; the check of the exit code reports that.
                with suppress(NodeGone):
                    node.send("shutdown")
        for node in nodes:
            # The check of the exit code reports one that is late.
            with suppress(WaitFailed):
                if node.running:
                    node.wait_exit(timeout)

    def _failed_checks(self) -> list[tuple[str, list[str]]]:
        return [
            (check.what, [check.detail])
            for check in self.scene.checks
            if check.kind == "check" and not check.passed
        ]

    def _generic(self) -> list[tuple[str, list[str]]]:
        findings = generic_findings([node.story() for node in self.nodes])
        for what, found in findings:
            self.check.always(what, found)
        return findings

    def _added(self, *, while_running: bool) -> list[tuple[str, list[str]]]:
        findings = []
        for added in self._always:
            if added.while_running is not while_running:
                continue
            try:
                found = added.check()
            except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, and
                found = [f"the check itself failed: {error!r}"]  # the others still have to run
            self.check.always(added.what, found)
            findings.append((added.what, found))
        return findings


def cause_of(error: BaseException) -> Cause:
    """Return the cause that an error itself tells of."""
    match error:
        case CheckFailed():
            return error.cause
        case CommandFailed():
            return "command-refused"
        case NodeGone():
            return "node-ended"
        case BackendError():
            return "backend-failed"
    return "scenario-broken"
