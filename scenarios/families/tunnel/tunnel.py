"""A tunnel with its ends: what a scenario of this family is given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scenarios.core.backends.base import Argument, NodeSpec, Program
from scenarios.core.log import Event
from scenarios.core.node import Node, PendingReply
from scenarios.core.trial import Trial
from scenarios.core.window import Window
from scenarios.families.tunnel.specs import (
    SERVER_URL,
    client_node,
    limited,
    measured,
    narrow_node,
    server_node,
    tcp_node,
)

# Each server listens for two tunnels, and so does each client.
FROM_SERVER = ("s2c-1", "s2c-2")
FROM_CLIENT = ("c2s-1", "c2s-2")
TRANSFER_S = 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP connection of the asker; it can be spoken to until it is closed."""

    tcp: Node
    number: int

    def send(self, count: int, seed: int = 1) -> str:
        """Send bytes; return their SHA-256."""
        sent = self.tcp.request("send", connection=self.number, count=count, seed=seed)
        return str(sent["sha256"])

    def read(self, count: int | None = None) -> dict[str, Any]:
        """Read so many bytes, or to the end: `sha256`, `count`, `ended`."""
        return self.reading(count).data(TRANSFER_S)

    def reading(self, count: int | None = None) -> PendingReply:
        """Begin to read."""
        return self.tcp.send("read", connection=self.number, count=count)

    def pouring(self) -> PendingReply:
        """Begin to send without end."""
        return self.tcp.send("pour", connection=self.number)

    def pings(self, count: int, size: int, gap_ms: float = 0.0) -> dict[str, Any]:
        """Send messages one after the other: `whole`, `right`, `median_ms`."""
        return self.tcp.request(
            "pings", connection=self.number, count=count, size=size, gap_ms=gap_ms,
            timeout=TRANSFER_S,
        )  # fmt: skip

    def finish(self) -> None:
        """Half-close."""
        self.tcp.request("finish", connection=self.number)

    def close(self) -> None:
        """Close."""
        self.tcp.request("close", connection=self.number)


class Tunnel:
    """A server, clients, and TCP programs at all ends."""

    def __init__(self, trial: Trial, program: Program, full_length: bool) -> None:
        self.times = 10 if full_length else 1  # as long, or as much, as in a normal run
        self.wait_s = 15.0 if full_length else 1.0  # D: how long listeners stay closed
        self.check = trial.check
        self.faults = trial.faults
        self.step = trial.step
        self.evidence = trial.evidence
        self.now = trial.scene.clock.now  # seconds since the run began, as events have them
        self.trial = trial
        self.clients: dict[int, Node] = {}
        self.program = program

    def start(
        self,
        clients: int = 2,
        *,
        reopen_after_s: float | None = None,
        kinds: Mapping[str, str] | None = None,
        count: int = 0,
        flags: tuple[Argument, ...] = (),
        server_files: int | None = None,
        is_measured: bool = False,
        narrow: Mapping[str, float] | None = None,
        ip: str | None = None,
    ) -> None:
        """Start TCP programs, server, then clients; returns when client 1, if any, is active.

        Listeners stay closed for ``wait_s`` if nothing else is said. The targets are echoes but for
        the tunnels in ``kinds``; of these, "none" is a port at which nobody listens, and ``count``
        is how much the others send. ``server_files`` is how many descriptors the server may have
        open. The links of the clients are as ``narrow`` says, if it is given (narrow_program.py).
        All listen at ``ip``, if one is given; an IPv6 address stands in brackets.
        """
        flags = ("--reopen-after", str(reopen_after_s or self.wait_s), *flags)
        self._kinds, self._count = kinds or {}, count
        [self.tcp] = self.trial.start(tcp_node(ip))
        at_server = {tunnel: self._target("server", tunnel) for tunnel in FROM_CLIENT}
        program = self.program if server_files is None else limited(self.program, server_files)
        program = measured(program) if is_measured else program
        [self.server] = self.trial.start(server_node(program, FROM_SERVER, at_server, flags, ip))
        ready = self.server.everything().wait_event("tunnel-ready")
        self.server_addr = str(ready.data["addr"])
        if narrow is not None:
            [link] = self.trial.start(narrow_node())
            self.server_addr = str(link.request("forward", addr=self.server_addr, **narrow)["addr"])
        numbers = range(1, clients + 1)
        nodes = self.trial.start(*(self._client(number, flags, ip) for number in numbers))
        self.clients.update(zip(numbers, nodes, strict=True))
        told = self.server.everything()
        for number in numbers:
            told.wait_event("client-online", client_id=number)
            for tunnel in FROM_CLIENT:
                self.addr(self.clients[number], tunnel)
        if clients:
            told.wait_event("active-changed", client_id=1)

    def restart_client(self, number: int) -> None:
        """Start a client that was killed once more."""
        self.clients[number] = self.trial.restart(self.clients[number])

    def restart_server(self) -> None:
        """Start a server that was killed once more, at the same address and port."""
        spec = self.server.spec
        url = f"http://{self.server_addr}"
        arguments = [url if part == SERVER_URL else part for part in spec.arguments]
        self.server = self.trial.restart(
            self.server, spec=replace(spec, arguments=tuple(arguments))
        )

    def twin_of(self, number: int, flags: tuple[Argument, ...] = ()) -> Node:
        """Start another client of the same id."""
        return self._further(number, f"twin-{number}", flags)

    def stranger(self, number: int, flags: tuple[Argument, ...] = ()) -> Node:
        """Start a client that may not be taken."""
        return self._further(number, f"stranger-{number}", flags)

    def serve(self, name: str, kind: str, count: int = 0) -> str:
        """Start a TCP server and return its address."""
        return str(self.tcp.request("serve", name=name, kind=kind, count=count)["addr"])

    def served(self, client: int | None, tunnel: str) -> int:
        """Return how many connections the echo of a client, or of the server, has taken."""
        name = f"server {tunnel}" if client is None else f"client-{client} {tunnel}"
        return int(self.tcp.request("served", name=name)["connections"])

    def addr(self, node: Node, tunnel: str, window: Window | None = None) -> str:
        """Return where a node listens for a tunnel, once it does (in a window, if one is given)."""
        window = window or node.everything()
        self.caught_up(node)
        if closings := window.events("listener-closed", tunnel=tunnel):
            window = window.since(closings[-1])  # where it listened before may not be where it does
        window.wait_event("listener-opened", tunnel=tunnel)
        [*_, last] = window.events("listener-opened", tunnel=tunnel)
        return str(last.data["addr"])

    def exchange(
        self, addr: str, count: int, seed: int = 1, *, all_first: bool = False
    ) -> dict[str, Any]:
        """Send bytes to an echo, and the end, and read to the end."""
        return self.tcp.request(
            "exchange", addr=addr, count=count, seed=seed, all_first=all_first, timeout=TRANSFER_S
        )

    def echoes(self, what: str, addr: str, count: int, *, all_first: bool = False) -> None:
        """Check that an exchange brings back what was sent, and an orderly end."""
        got = self.exchange(addr, count, all_first=all_first)
        self.check.equal(f"{what}: bytes", got["count"], count)
        self.check.equal(f"{what}: SHA-256", got["received"], got["sent"])
        self.check.equal(f"{what}: end", got["ended"], "eof")

    def dial(self, addr: str) -> Connection:
        """Connect to a listener."""
        return Connection(self.tcp, int(self.tcp.request("dial", addr=addr)["connection"]))

    def is_open(self, addr: str) -> bool:
        """Return whether anybody listens there."""
        return bool(self.tcp.request("probe", addr=addr)["open"])

    def make_active(self, client: int) -> Connection:
        """Make a standby active by first data on its listener; return that connection.

        Returns when the failover is over: all listeners are open again.
        """
        window = self.server.window()
        connection = self.begin_failover(client)
        window.wait_event("failover-finished")
        return connection

    def begin_failover(self, client: int, window: Window | None = None) -> Connection:
        """Send the first data on a standby's listener; returns when the server has told of it.

        With a window: of a failover that is in it.
        """
        window = window or self.server.window()
        connection = self.dial(self.addr(self.clients[client], FROM_CLIENT[0]))
        connection.send(1)
        connection.read(1)
        window.wait_event("failover-begin", client_id=client)
        return connection

    def caught_up(self, node: Node) -> None:
        """Return when all that a node has said so far has been read.

        To be asked for before events of one node are counted because of what another one said.
        """
        node.request("status")

    def active(self) -> int | None:
        """Return which client the server says is active."""
        active = self.server.request("status")["active_client"]
        return None if active is None else int(active)

    def _further(self, number: int, name: str, flags: tuple[Argument, ...]) -> Node:
        spec = client_node(self.program, number, self.server_addr, (), {}, flags)
        [node] = self.trial.start(replace(spec, name=name))
        return node

    def _target(self, node: str, tunnel: str) -> str:
        return self.serve(f"{node} {tunnel}", self._kinds.get(tunnel, "echo"), self._count)

    def _client(self, number: int, flags: tuple[Argument, ...], ip: str | None) -> NodeSpec:
        targets = {tunnel: self._target(f"client-{number}", tunnel) for tunnel in FROM_SERVER}
        server = self.server_addr
        return client_node(self.program, number, server, FROM_CLIENT, targets, flags, ip)


def seconds_between(first: Event, second: Event) -> float:
    """Return the seconds from one line to another, by the runner's clock."""
    return second.line.at - first.line.at
