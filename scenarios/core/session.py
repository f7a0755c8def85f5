"""The nodes of one scenario: started together, judged together, gone together."""

from collections.abc import Callable
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

# How long a node of a scenario that failed already may take to end by itself.
EXIT_AFTER_FAILURE_S = 2.0
AlwaysCheck = Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class _Added:
    what: str
    check: AlwaysCheck
    while_running: bool


class Session:
    """Owns everything of one scenario. As a context manager it finishes or abandons itself."""

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        *,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        pcap: bool = False,
        goes_on: bool = False,
    ) -> None:
        """With ``goes_on`` a failed check ends the scenario only when it has gone all its way."""
        self.backend = backend
        self.folder = folder
        self.scene = Scene(folder, timeouts=timeouts, clock=clock, goes_on=goes_on)
        self.check = Checks(self.scene)
        self.faults = Faults(self.scene)
        self.nodes: list[Node] = []
        self._pcap = pcap
        self._captures: list[Capture] = []
        self.evidence_lines: list[str] = []
        self._always: list[_Added] = []

    def step(self, text: str) -> None:
        """Say what the scenario does next: for the live view and the report."""
        self.scene.record("step", text=text)

    def evidence(self, text: str) -> None:
        """Say in one line, with figures, what was proven."""
        self.evidence_lines.append(text)
        self.scene.record("evidence", text=text)

    def add_always(self, what: str, check: AlwaysCheck, *, while_running: bool = False) -> None:
        """Add a check for the end: it returns one sentence for each thing that is wrong.

        It runs when all nodes have ended, or ``while_running``: before they are asked to.
        """
        self._always.append(_Added(f"always: {what}", check, while_running))

    def start(self, *specs: NodeSpec) -> list[Node]:
        """Start nodes, all at once, and wait until each is ready; addresses ascend in this order.

        Raises BackendError, or WaitFailed when one does not become ready.
        """
        nodes = [self._new_node(spec) for spec in specs]
        # Leased here, in order, and not in the threads.
        addresses = [spec.address or self.backend.new_address() for spec in specs]
        if nodes:
            with ThreadPoolExecutor(len(nodes), thread_name_prefix="start") as pool:
                # list: raises what the first failed start raised, after all have ended.
                list(pool.map(self._start_one, nodes, addresses))
        for node in nodes:
            node.wait_ready()
        return nodes

    def restart(
        self, node: Node, *, new_address: bool = False, spec: NodeSpec | None = None
    ) -> Node:
        """Start a node that has ended once more, on the same folders; return the new Node.

        It comes back under its old address or the next new one. ``spec`` replaces how it is
        started. Raises NodeGone when the old one still runs.
        """
        if node.running:
            raise NodeGone(f"{node.label} still runs; end it before it is started again.")
        # Leased before the old lease ends, or the pool could give the same one again.
        address = self.backend.new_address() if new_address else node.address
        node.remove()
        return self.start(replace(spec or node.spec, address=address))[0]

    def finish(self) -> None:
        """End all nodes as a user would, judge what they said, and remove everything.

        Raises CheckFailed with all findings of the always-on checks, behind those of the checks
        that the scenario has gone on from.
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
        """Clean up after a failure; what the always-on checks find becomes notes of ``error``.

        After Ctrl-C or a skip (no Exception) nothing is judged.
        """
        try:
            self.faults.withdraw_all()
            if isinstance(error, Exception):
                # Before they end: what is to be seen is the moment of the failure.
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
        """Return why the scenario failed: what went wrong first, which the error may not tell."""
        trouble = self.scene.trouble
        return self.scene.lost_by or (trouble.cause if trouble else cause_of(error))

    def remove(self) -> None:
        """Remove all nodes, in parallel, and close the record; again: no effect."""
        try:
            if self.nodes:
                with ThreadPoolExecutor(len(self.nodes), thread_name_prefix="remove") as pool:
                    # list: raises what the first failed removal raised, after all have ended.
                    list(pool.map(Node.remove, self.nodes))
        finally:
            for capture in self._captures:
                capture.stop()
            self.scene.close()

    def __enter__(self) -> "Session":
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
        if self._pcap:
            self._captures.append(self.backend.capture(address, self._file(node.label, "pcap")))
        handle = self.backend.start(node.spec, address, node)
        node.attach(handle)
        self.scene.record("node-started", node=node.label, name=node.name, address=address)

    def _end_nodes(self, timeout: float) -> None:
        for node in self.nodes:
            if node.frozen:
                node.discard()
            elif node.running and node.ending is None and node.spec.expected_exit == 0:
                # Gone between the question and the command: the exit code's check will tell.
                with suppress(NodeGone):
                    node.send("shutdown")
        for node in self.nodes:
            # One that is late is found by the exit code's check.
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
    """Return the name of what an error says."""
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
