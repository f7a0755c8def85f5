"""Streams as TCP has them, and what they may use: T59 to T62, T72, T74 to T76."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import contextlib
import itertools

from scenarios.core.backends.base import Capability
from scenarios.core.errors import CommandFailed
from scenarios.core.scenario import scenario
from scenarios.core.window import Window
from scenarios.families.tunnel.tunnel import (
    FROM_CLIENT,
    FROM_SERVER,
    TRANSFER_S,
    Connection,
    Tunnel,
)

MIB = 1 << 20
KB = 1000
MESSAGE = 500
OTHERS = 20
FILES = 48  # that the server may have open; some are in use from the start
ASKED = 60


@scenario(
    "T59", name="Half-close",
    proves="an answer that is sent after the asker's end arrives whole, through both tunnels",
)  # fmt: skip
def half_close(tunnel: Tunnel) -> None:
    tunnel.start(1, kinds={FROM_SERVER[0]: "answer", FROM_CLIENT[0]: "answer"}, count=MIB)
    for node, name in ((tunnel.server, FROM_SERVER[0]), (tunnel.clients[1], FROM_CLIENT[0])):
        asked = tunnel.dial(tunnel.addr(node, name))
        asked.send(MESSAGE)
        asked.finish()
        got = asked.read()
        tunnel.check.equal(f"{name}: bytes of the answer", got["count"], MIB)
        tunnel.check.equal(f"{name}: its end", got["ended"], "eof")


@scenario(
    "T60", name="Tails",
    proves="a target that sends 8 MiB and closes at once: every byte arrives, then the end",
)  # fmt: skip
def tails(tunnel: Tunnel) -> None:
    tunnel.start(1, kinds={FROM_SERVER[0]: "source", FROM_CLIENT[0]: "source"}, count=8 * MIB)
    for node, name in ((tunnel.server, FROM_SERVER[0]), (tunnel.clients[1], FROM_CLIENT[0])):
        got = tunnel.dial(tunnel.addr(node, name)).read()
        tunnel.check.equal(f"{name}: bytes", got["count"], 8 * MIB)
        tunnel.check.equal(f"{name}: end", got["ended"], "eof")


@scenario(
    "T61", name="Refused target",
    proves="a reset within a second, through both kinds of tunnel; the listener lives on",
)  # fmt: skip
def refused_target(tunnel: Tunnel) -> None:
    tunnel.start(1, kinds={FROM_SERVER[0]: "none", FROM_CLIENT[0]: "none"})
    for node, name in ((tunnel.server, FROM_SERVER[0]), (tunnel.clients[1], FROM_CLIENT[0])):
        addr = tunnel.addr(node, name)
        began = tunnel.now()
        tunnel.check.equal(f"{name}: how it ended", tunnel.dial(addr).read()["ended"], "reset")
        tunnel.check.between(f"{name}: seconds", tunnel.now() - began, 0, 1)
        closed = node.everything().wait_event("stream-closed", tunnel=name)
        tunnel.check.equal(f"{name}: reason", closed.data["reason"], "refused")
        tunnel.check.equal(f"{name}: the listener afterwards", tunnel.is_open(addr), True)


@scenario(
    "T62", name="A reader that stops",
    proves="it stalls its own sender within the budget, 20 other streams go on; it reads on: all "
    "bytes are right",
)  # fmt: skip
def reader_that_stops(tunnel: Tunnel) -> None:
    window = 8 * MIB
    flags = ("--window", str(window), "--memory", str(2 * window))
    tunnel.start(1, kinds={FROM_SERVER[0]: "stopped"}, flags=flags)
    stalled = tunnel.dial(tunnel.addr(tunnel.server, FROM_SERVER[0]))
    sending = tunnel.tcp.send("send", connection=stalled.number, count=64 * MIB, seed=1)
    addr = tunnel.addr(tunnel.server, FROM_SERVER[1])
    for seed in range(OTHERS):
        got = tunnel.exchange(addr, MIB, seed)
        tunnel.check.equal("SHA-256 of the others", got["received"], got["sent"])
    status = tunnel.clients[1].request("status")
    tunnel.check.between("bytes that wait at the client", status["buffered_bytes"], MIB, window)
    rows = tunnel.clients[1].request("list-streams")["streams"]
    tunnel.check.equal("streams that are open", [row["tunnel"] for row in rows], [FROM_SERVER[0]])
    tunnel.tcp.request("go-on", name=f"client-1 {FROM_SERVER[0]}")
    sent = sending.data(TRANSFER_S)["sha256"]
    stalled.finish()
    read = tunnel.tcp.everything().wait_event("served-ended", name=f"client-1 {FROM_SERVER[0]}")
    tunnel.check.equal("SHA-256 at the reader", read.data["sha256"], sent)
    closed = tunnel.clients[1].everything().wait_event("stream-closed", tunnel=FROM_SERVER[0])
    how = (closed.data["reason"], closed.data["bytes_in"])
    tunnel.check.equal("how it ended, and after how much", how, ("closed", 64 * MIB))


@scenario(
    "T75", name="Connect racing with close",
    proves="connections that close as soon as they open leave no stream and no socket behind",
)  # fmt: skip
def connect_racing_with_close(tunnel: Tunnel) -> None:
    tunnel.start(1)
    name = FROM_SERVER[0]
    addr = tunnel.addr(tunnel.server, name)
    window = tunnel.server.window()
    tunnel.exchange(addr, KB)  # the first one is like any other
    got = tunnel.tcp.request("race", addr=addr, count=1000, timeout=TRANSFER_S)
    tunnel.check.equal("connections that were taken", got["taken"], 1000)
    tunnel.echoes("the one behind them", addr, KB)
    all_closed(tunnel, window, name)
    for node in (tunnel.server, tunnel.clients[1]):
        status = node.request("status")
        tunnel.check.equal(f"streams at {node}", status["streams"], 0)
        tunnel.check.equal(f"bytes that wait at {node}", status["buffered_bytes"], 0)
    tunnel.tcp.request("idle", name=f"client-1 {name}")


@scenario(
    "T76", name="Drain and activate",
    proves="activate is a failover by hand; drain lets a stream end, hands over and exits",
)  # fmt: skip
def drain_and_activate(tunnel: Tunnel) -> None:
    tunnel.start()
    window = tunnel.server.window()
    tunnel.server.request("activate", client_id=2)
    changed = window.wait_event("active-changed", client_id=2)
    tunnel.check.equal("reason", changed.data["reason"], "command")
    window.wait_event("failover-finished", client_id=2)
    stream = tunnel.dial(tunnel.addr(tunnel.clients[2], FROM_CLIENT[0]))
    stream.send(MESSAGE)
    stream.read(MESSAGE)
    addr = tunnel.addr(tunnel.clients[2], FROM_CLIENT[1])
    window = tunnel.server.window()
    tunnel.clients[2].request("drain")
    window.wait_event("active-changed", client_id=1)
    tunnel.caught_up(tunnel.server)
    window.none_of("failover-begin", what="no failover by draining")
    tunnel.check.equal("new streams at the one that drains", tunnel.is_open(addr), False)
    lived = stream.pings(5, MESSAGE)
    tunnel.check.equal("messages on the old stream", lived["right"], 5)
    stream.close()
    tunnel.clients[2].wait_exit()


def all_closed(tunnel: Tunnel, window: Window, name: str) -> None:
    """Wait until the server has closed every stream of a tunnel that it has opened so far."""
    tunnel.caught_up(tunnel.server)
    opened = len(window.events("stream-opened", tunnel=name))
    nth = itertools.count(1)
    window.wait_event("stream-closed", tunnel=name, where=lambda _: next(nth) == opened)


def dialled(tunnel: Tunnel, addr: str) -> Connection | None:
    """Return a connection, or None when it was reset as soon as it was there."""
    try:
        return tunnel.dial(addr)
    except CommandFailed:
        return None


@scenario(
    "T72", name="Descriptors exhausted",
    proves="streams that cannot be served are ended, not left hanging; later new ones work",
)  # fmt: skip
def descriptors_exhausted(tunnel: Tunnel) -> None:
    tunnel.start(1, server_files=FILES)
    name = FROM_CLIENT[0]
    addr = tunnel.addr(tunnel.clients[1], name)
    window = tunnel.server.window()
    held = [one for _ in range(ASKED) if (one := dialled(tunnel, addr))]
    told = [one.reading(1) for one in held]
    served = 0
    for one, read in zip(held, told, strict=True):
        with contextlib.suppress(CommandFailed):  # reset before it could send
            one.send(1)
        served += read.data()["ended"] == "open"
    tunnel.check.between("connections that were served", served, FILES // 2, FILES)
    for one in held:
        one.close()
    all_closed(tunnel, window, name)  # before, the server has no descriptor to spare
    tunnel.echoes("a new one afterwards", addr, KB)


@scenario(
    "T74", name="IPv6",
    proves="link, listeners and targets at ::1: every byte through both tunnels",
    needs=(Capability.IPV6_LOOPBACK,),
)  # fmt: skip
def ipv6(tunnel: Tunnel) -> None:
    tunnel.start(1, ip="[::1]")
    for node, name in ((tunnel.server, FROM_SERVER[0]), (tunnel.clients[1], FROM_CLIENT[0])):
        tunnel.echoes(f"through {name}", tunnel.addr(node, name), MIB)
