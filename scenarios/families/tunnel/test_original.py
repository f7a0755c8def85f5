"""What the tests of the public tcp-over-websocket do to a tunnel: T78 to T82.

T23 to T31 have one thing more of theirs: 100 MB that are sent before a byte is read.
"""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import itertools
import json
from collections.abc import Mapping
from typing import Any

from scenarios.core.backends.base import Capability, Mount, NodeSpec, Placed
from scenarios.core.errors import CommandFailed
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.core.window import Window
from scenarios.families.tunnel.specs import tcp_node
from scenarios.families.tunnel.tunnel import (
    FROM_CLIENT,
    FROM_SERVER,
    Connection,
    Tunnel,
    seconds_between,
)

KB = 1000
PROBES = 50
WAITING = 100
WAITS_S = 12  # ten times as long at full length
BEATS_PER_S = 2
QUIET = ("--ping", "0.5", "--dead-after", "1.5")
NO_BUNDLES = {
    "enableMutualTLS": False,
    "tlsBundleFilePath": "/no/such/key-cert-ca-root-chain.pem",
    "mutualTLSTrustedCACertificateBundleFilePath": "/no/such/trusted-ca.pem",
    "mutualTLSTrustedPeerCertificateBundleFilePath": "/no/such/certs-of-peers.pem",
}
LOGGING = {"level": "DEBUG", "daysToKeep": 14, "logToStdout": True, "syslog": {}}


def configured(
    tunnel: Tunnel, name: str, own: Mapping[str, Any], url: str, listens: tuple[str, ...],
    targets: Mapping[str, str], hosts: Mapping[str, str],
) -> NodeSpec:  # fmt: skip
    """Return a node that is started with a file of the original's form and nothing else."""
    document = {
        **own,
        "dataExchange": {"serverUrl": url, **NO_BUNDLES},
        "logging": LOGGING,
        "standbySocketCloseDurationSecs": int(tunnel.wait_s),
        "tcpTunnelListens": [
            {"tunnelName": one, "listenBindAddress": "0.0.0.0", "listenPort": 0}  # noqa: S104
            for one in listens
        ],
        "tcpTunnelConnects": [
            {"tunnelName": one, "connectToHost": "tests", "connectToPort": port_of(addr)}
            for one, addr in targets.items()
        ],
    }
    folder = tunnel.trial.folder / "configuration" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(document, indent=4))
    where = Placed(Mount(folder))
    return NodeSpec(
        name, tunnel.program, ("--config", where), hosts=hosts, ready_event="tunnel-ready"
    )


def port_of(addr: str) -> int:
    """Return an address's port."""
    return int(addr.rpartition(":")[2])


def at(tunnel: Tunnel, node: Node, name: str) -> str:
    """Return where to dial a node that listens at all of its addresses."""
    return f"{node.address}:{port_of(tunnel.addr(node, name))}"


@scenario(
    "T78", name="The original's files",
    proves="a server and two clients that have a file of the original's form and host names, and "
    "nothing else: every byte through all tunnels, and a failover as long as the file says",
    needs=(Capability.HOST_NAMES,),
)  # fmt: skip
def original_files(tunnel: Tunnel) -> None:
    [tunnel.tcp] = tunnel.trial.start(tcp_node())
    hosts = {"tests": tunnel.tcp.address}
    targets = {name: tunnel.serve(f"server {name}", "echo") for name in FROM_CLIENT}
    own: dict[str, Any] = {"weAreServer": True}
    url = "http://localhost:0"  # by which a server means all of its addresses
    spec = configured(tunnel, "server", own, url, FROM_SERVER, targets, hosts)
    [tunnel.server] = tunnel.trial.start(spec)
    told = tunnel.server.everything()
    port = port_of(str(told.wait_event("tunnel-ready").data["addr"]))
    hosts = {**hosts, "server": tunnel.server.address}
    for number in (1, 2):
        targets = {name: tunnel.serve(f"client-{number} {name}", "echo") for name in FROM_SERVER}
        own = {"weAreServer": False, "clientId": number}
        url = f"http://server:{port}"
        spec = configured(tunnel, f"client-{number}", own, url, FROM_CLIENT, targets, hosts)
        [tunnel.clients[number]] = tunnel.trial.start(spec)
        told.wait_event("client-online", client_id=number)
    for name in FROM_SERVER:
        tunnel.echoes(f"through {name}", at(tunnel, tunnel.server, name), KB)
        tunnel.check.equal("target of the active client", tunnel.served(1, name), 1)
    for name in FROM_CLIENT:
        tunnel.echoes(f"through {name}", at(tunnel, tunnel.clients[1], name), KB)
    tunnel.echoes("through the standby", at(tunnel, tunnel.clients[2], FROM_CLIENT[0]), KB)
    end = told.wait_event("failover-finished", client_id=2)
    took = seconds_between(told.wait_event("failover-begin", client_id=2), end)
    wait_s = tunnel.wait_s
    tunnel.check.between("seconds of the failover", took, wait_s - 0.2, wait_s + 1)
    tunnel.echoes("afterwards", at(tunnel, tunnel.server, FROM_SERVER[1]), KB)
    tunnel.check.equal("target of the active client", tunnel.served(2, FROM_SERVER[1]), 1)


@scenario(
    "T79", name="Port probes",
    proves="hundreds of connections that close at once, at every port of every node, change "
    "nothing",
)  # fmt: skip
def port_probes(tunnel: Tunnel) -> None:
    tunnel.start()
    stream = tunnel.dial(tunnel.addr(tunnel.clients[1], FROM_CLIENT[0]))
    stream.send(KB)
    stream.read(KB)
    window = tunnel.server.window()
    for name in FROM_SERVER:
        probe(tunnel, tunnel.addr(tunnel.server, name))
    for number, client in tunnel.clients.items():
        for name in FROM_CLIENT:
            if probe(tunnel, tunnel.addr(client, name)):
                seen(window, number, name, PROBES // 2)  # some may be reset before they are seen
    tunnel.check.equal("messages on a stream beside them", stream.pings(5, KB)["right"], 5)
    tunnel.caught_up(tunnel.server)
    window.none_of("failover-begin", what="no failover by a port probe")
    tunnel.check.equal("active client", tunnel.active(), 1)
    tunnel.echoes("afterwards", tunnel.addr(tunnel.server, FROM_SERVER[0]), KB)


def probe(tunnel: Tunnel, addr: str) -> bool:
    """Connect and close at once, many times; check that all were taken."""
    taken = tunnel.tcp.request("race", addr=addr, count=PROBES)["taken"]
    tunnel.check.equal("probes that were taken", taken, PROBES)
    return bool(taken == PROBES)


def seen(window: Window, client: int, name: str, count: int) -> None:
    """Wait until the server has told of so many streams."""
    nth = itertools.count(1)
    window.wait_event(
        "stream-opened", client_id=client, tunnel=name, where=lambda _: next(nth) == count
    )


@scenario(
    "T80", name="A trigger that closes at once",
    proves="a connection to a standby that closes right after its only write makes it active, and "
    "its byte reaches the target; 2, 1, 2",
)  # fmt: skip
def trigger_that_closes(tunnel: Tunnel) -> None:
    tunnel.start()
    for nth, client in enumerate((2, 1, 2), 1):
        window, at_target = tunnel.server.window(), tunnel.tcp.window()
        trigger(tunnel, tunnel.addr(tunnel.clients[client], FROM_CLIENT[0]))
        window.wait_event("stream-closed", client_id=client)
        tunnel.check.equal("who is active when the trigger is over", tunnel.active(), client)
        served = at_target.wait_event("served-ended", name=f"server {FROM_CLIENT[0]}")
        tunnel.check.equal("bytes of triggers at the target", served.data["bytes_in"], nth)
        window.wait_event("failover-finished", client_id=client)


def trigger(tunnel: Tunnel, addr: str, after: str = "") -> bool:
    """Write a byte to a standby's listener and close; return whether it took the connection."""
    return bool(tunnel.tcp.request("race", addr=addr, count=1, size=1, after=after)["taken"])


@scenario(
    "T81", name="A failover as soon as ports are open",
    proves="who probes the server's port and uses the standby the moment it is open finds it open "
    "too, and it becomes active; 2, 1, 2, 1",
)  # fmt: skip
def failover_as_soon_as_open(tunnel: Tunnel) -> None:
    tunnel.start()
    probed = tunnel.addr(tunnel.server, FROM_SERVER[1])
    # Asked for now, since that waits for whoever does not listen.
    standbys = {one: tunnel.addr(tunnel.clients[one], FROM_CLIENT[0]) for one in (1, 2)}
    for client in (2, 1, 2, 1):
        window = tunnel.server.window()
        took = trigger(tunnel, standbys[client], after=probed)
        tunnel.check.equal("the standby is open when the server is", took, True)
        if not took:
            return
        window.wait_event("failover-begin", client_id=client)
        for name in FROM_SERVER:
            window.wait_event("listener-closed", tunnel=name)
        tunnel.check.equal("active client", tunnel.active(), client)


@scenario(
    "T82", name="Streams that wait for their turn",
    proves="100 streams that are all opened first and then carry data one after the other, the "
    "last of them after a long time: every byte is right",
)  # fmt: skip
def streams_that_wait(tunnel: Tunnel) -> None:
    tunnel.start(flags=QUIET)
    entries = (
        tunnel.addr(tunnel.server, FROM_SERVER[0]),
        tunnel.addr(tunnel.clients[1], FROM_CLIENT[0]),
    )
    waiting = [tunnel.dial(entries[nth % 2]) for nth in range(WAITING)]
    beside = tunnel.dial(entries[0])
    for _ in range(tunnel.times):
        beats = beside.pings(WAITS_S * BEATS_PER_S, KB, gap_ms=1000 / BEATS_PER_S)
        tunnel.check.equal("messages meanwhile", beats["right"], WAITS_S * BEATS_PER_S)
    right = [echoes_in_turn(one, seed) for seed, one in enumerate(waiting)]
    tunnel.check.equal("streams that were right", sum(right), WAITING)
    tunnel.check.equal("active client", tunnel.active(), 1)


def echoes_in_turn(stream: Connection, seed: int) -> bool:
    """Return whether a stream brings back what it is given."""
    try:
        sent = stream.send(10 * KB, seed)
    except CommandFailed:  # it is over
        return False
    return bool(stream.read(10 * KB)["sha256"] == sent)
