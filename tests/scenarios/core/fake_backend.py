"""A backend without anything behind it: the tests of the core and of the runner drive it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from scenarios.core.backends.base import (
    AddressPool,
    BackendError,
    Capability,
    Capture,
    Ended,
    EndKind,
    LineSplitter,
    Mount,
    NodeSpec,
    Sink,
)

KILLED = -9


class FakeNode:
    """A node that says what a test tells it to. It is the handle of the backend as well."""

    def __init__(self, spec: NodeSpec, address: str, sink: Sink) -> None:
        self.spec = spec
        self.address = address
        self.received: list[bytes] = []
        self.done: list[str] = []  # what was done to it: "kill", "freeze", …
        self.removed = False
        self.over = False
        self._sink = sink
        self._seq = 0
        self._input = LineSplitter()
        self._behaviour: Behaviour = answer_politely

    def behave(self, behaviour: "Behaviour") -> None:
        """Choose what it does with each line it gets from now on."""
        self._behaviour = behaviour

    def event(self, name: str, /, **data: Any) -> None:
        """Say an event with the next seq."""
        message = {"type": "event", "event": name, "seq": self._seq, "ts": 1.5, "data": data}
        self._seq += 1
        self.say(json.dumps(message))

    def result(self, request_id: object, **data: Any) -> None:
        """Say a reply."""
        self.say(json.dumps({"type": "result", "id": request_id, "data": data}))

    def error(self, request_id: object, code: str, error: str) -> None:
        """Say an error reply."""
        self.say(json.dumps({"type": "error", "id": request_id, "error": error, "code": code}))

    def say(self, text: str, *, complete: bool = True) -> None:
        """Write a line to stdout, whatever it is."""
        self._sink.line("out", text.encode(), complete=complete)

    def complain(self, text: str) -> None:
        """Write a line to stderr."""
        self._sink.line("err", text.encode(), complete=True)

    def exit(self, code: int | None = 0, cause: str = "", kind: EndKind = "exited") -> None:
        """End, once."""
        if not self.over:
            self.over = True
            self._sink.ended(Ended(code, cause, kind))

    def write(self, data: bytes) -> None:
        """Let the behaviour see each line; in the caller's thread."""
        for line in self._input.feed(data):
            self.received.append(line)
            if not self.over:
                self._behaviour(self, line)

    def close_stdin(self) -> None:
        """End with 0, as the contract wants it."""
        self.done.append("close_stdin")
        self.exit(0)

    def terminate(self) -> None:
        """End with 0, as the contract wants it."""
        self.done.append("terminate")
        self.exit(0)

    def kill(self) -> None:
        """End as if by SIGKILL."""
        self.done.append("kill")
        self.exit(KILLED)

    def freeze(self) -> None:
        """Note it."""
        self.done.append("freeze")

    def thaw(self) -> None:
        """Note it."""
        self.done.append("thaw")

    def disconnect(self) -> None:
        """Note it."""
        self.done.append("disconnect")

    def reconnect(self, address: str | None) -> None:
        """Note it and take the address."""
        self.done.append("reconnect")
        self.address = address or self.address

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative path of everything below a mount."""
        return frozenset(str(path.relative_to(mount.host)) for path in mount.host.rglob("*"))

    def path_of(self, mount: Mount) -> str:
        """Return the host's path."""
        return str(mount.host)

    def remove(self) -> None:
        """End it."""
        self.exit(KILLED)
        self.removed = True


# Gets each line that the node is sent.
Behaviour: TypeAlias = Callable[[FakeNode, bytes], None]
# Called when a node was started: says the first lines, chooses the behaviour.
OnStart: TypeAlias = Callable[[FakeNode], None]


def answer_politely(node: FakeNode, line: bytes) -> None:
    """Answer every command with an empty result, and end on `shutdown`."""
    message = json.loads(line)
    node.result(message.get("id"))
    if message.get("cmd") == "shutdown":
        node.exit(0)


def say_ready(node: FakeNode) -> None:
    """Say the event that the spec waits for."""
    if node.spec.ready_event is not None:
        node.event(node.spec.ready_event, name=node.spec.name, addr=f"{node.address}:4000")


class FakeBackend:
    """Starts FakeNodes; ``nodes`` has the latest of each name."""

    name = "fake"

    def __init__(
        self, on_start: OnStart = say_ready, refuses: frozenset[str] = frozenset()
    ) -> None:
        self.nodes: dict[str, FakeNode] = {}
        self.closed = False
        self._on_start = on_start
        self._refuses = refuses
        self._pool = AddressPool("10.0.0.0/24", first=2, last=254)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Everything, since nothing is real."""
        return frozenset(Capability)

    def new_address(self) -> str:
        """Lease the next address; none ever comes back."""
        return self._pool.lease()

    def start(self, spec: NodeSpec, address: str, sink: Sink) -> FakeNode:
        """Make a FakeNode and let ``on_start`` have it."""
        if spec.name in self._refuses:
            raise BackendError(f"{spec.name} could not be started: it is refused.")
        node = FakeNode(spec, address, sink)
        self.nodes[spec.name] = node
        self._on_start(node)
        return node

    def capture(self, address: str, file: Path, *, whole: bool = False) -> Capture:
        """Raise BackendError: no packet ever passes."""
        raise BackendError("A fake node sends no packets.")

    def versions(self) -> dict[str, str]:
        """Return nothing worth knowing."""
        return {"fake": "1"}

    def close(self) -> None:
        """End every node."""
        for node in self.nodes.values():
            node.remove()
        self.closed = True
