"""Who is active, what closes when that changes, and what streams see: T10 to T22, T48 to T52.

D is how long listeners stay closed; "within" is a second more.
"""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import hashlib

from scenarios.core.log import Event
from scenarios.core.node import Node
from scenarios.core.scenario import scenario
from scenarios.core.window import Window
from scenarios.families.tunnel.tcp_program import PIECE, content
from scenarios.families.tunnel.tunnel import (
    FROM_CLIENT,
    FROM_SERVER,
    Connection,
    Tunnel,
    seconds_between,
)

CLOSES_WITHIN_S = 1.0
ENDS_WITHIN_S = 1.0
MESSAGE = 500
LIVES_S = 3  # messages, one a second; ten times as many at full length
GAP_MS = 1000.0


@scenario(
    "T10", name="Reset",
    proves="from either state client 1 can be made active; nothing changes where it is already",
)  # fmt: skip
def reset(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.server.request("activate", client_id=1)
    tunnel.check.equal("active client, as before", tunnel.active(), 1)
    tunnel.server.everything().none_of("failover-begin", what="no failover to the active client")
    tunnel.make_active(2)
    window = tunnel.server.window()
    tunnel.server.request("activate", client_id=1)
    window.wait_event("failover-finished")
    tunnel.check.equal("active client", tunnel.active(), 1)


def causing_stream_lives(tunnel: Tunnel, *clients: int) -> None:
    """Check that the stream that caused the last of these failovers goes on, and ends well."""
    tunnel.start()
    *before, last = clients
    for client in before:
        tunnel.make_active(client)
    window = tunnel.server.window()
    connection = tunnel.begin_failover(last)
    lived = connection.pings(LIVES_S * tunnel.times, MESSAGE, GAP_MS)
    tunnel.check.equal("messages echoed", lived["right"], LIVES_S * tunnel.times)
    window.wait_event("failover-finished")
    connection.finish()
    rest = connection.read()
    tunnel.check.equal("bytes behind the last message", rest["count"], 0)
    tunnel.check.equal("its end", rest["ended"], "eof")


@scenario("T11", name="The causing stream lives", proves="failover to 2: every message is echoed")
def causing_stream_of_two(tunnel: Tunnel) -> None:
    causing_stream_lives(tunnel, 2)


@scenario("T12", name="The causing stream lives, back", proves="failover to 1, from 2")
def causing_stream_of_one(tunnel: Tunnel) -> None:
    causing_stream_lives(tunnel, 2, 1)


@scenario("T13", name="The causing stream lives, again", proves="failover to 2 once more")
def causing_stream_of_two_again(tunnel: Tunnel) -> None:
    causing_stream_lives(tunnel, 2, 1, 2)


@scenario("T14", name="The causing stream lives, back again", proves="failover to 1 once more")
def causing_stream_of_one_again(tunnel: Tunnel) -> None:
    causing_stream_lives(tunnel, 2, 1, 2, 1)


def closed_and_reopened(
    tunnel: Tunnel, node: Node, tunnels: tuple[str, ...], window: Window, addrs: dict[str, str]
) -> None:
    """Check a node's listeners through a failover that has begun: gone in time, back in time."""
    [began] = tunnel.server.everything().events("failover-begin")[-1:]
    for name in tunnels:
        closed = window.wait_event("listener-closed", tunnel=name)
        tunnel.check.between(
            f"seconds until {name} closes", seconds_between(began, closed), -0.5, CLOSES_WITHIN_S
        )
        tunnel.check.equal(f"{name} while it is closed", tunnel.is_open(addrs[name]), False)
    for name in tunnels:
        [closed] = window.events("listener-closed", tunnel=name)
        opened = window.wait_event("listener-opened", tunnel=name)
        took = seconds_between(closed, opened)
        tunnel.check.between(
            f"seconds until {name} reopens", took, tunnel.wait_s - 1, tunnel.wait_s + 1
        )
        tunnel.check.equal(f"where {name} is", str(opened.data["addr"]), addrs[name])
        tunnel.check.equal(f"{name} afterwards", tunnel.is_open(addrs[name]), True)


def server_s_listeners(tunnel: Tunnel, *clients: int) -> None:
    """Check the server's listeners through the last of these failovers."""
    tunnel.start()
    *before, last = clients
    for client in before:
        tunnel.make_active(client)
    addrs = {name: tunnel.addr(tunnel.server, name) for name in FROM_SERVER}
    window = tunnel.server.window()
    probe = tunnel.dial(tunnel.addr(tunnel.clients[last], FROM_CLIENT[0]))
    window.wait_event("stream-opened", client_id=last)
    tunnel.caught_up(tunnel.server)
    window.none_of("failover-begin", what="no failover by a port probe")
    probe.close()
    tunnel.begin_failover(last, window)
    closed_and_reopened(tunnel, tunnel.server, FROM_SERVER, window, addrs)


@scenario("T15", name="The server's ports", proves="close within 1 s of first data and reopen at D")
def server_s_ports(tunnel: Tunnel) -> None:
    server_s_listeners(tunnel, 2)


@scenario("T16", name="The server's ports, back", proves="the same for a failover to 1")
def server_s_ports_back(tunnel: Tunnel) -> None:
    server_s_listeners(tunnel, 2, 1)


@scenario("T17", name="The server's ports, again", proves="the same for 2 once more")
def server_s_ports_again(tunnel: Tunnel) -> None:
    server_s_listeners(tunnel, 2, 1, 2)


@scenario("T18", name="The server's ports, back again", proves="the same for 1 once more")
def server_s_ports_back_again(tunnel: Tunnel) -> None:
    server_s_listeners(tunnel, 2, 1, 2, 1)


def standby_s_listeners(tunnel: Tunnel, *clients: int) -> None:
    """Check the new standby's listeners, and that they are open again before the server's."""
    tunnel.start()
    *before, last = clients
    for client in before:
        tunnel.make_active(client)
    standby = tunnel.clients[3 - last]
    addrs = {name: tunnel.addr(standby, name) for name in FROM_CLIENT}
    window, at_server = standby.window(), tunnel.server.window()
    tunnel.begin_failover(last)
    closed_and_reopened(tunnel, standby, FROM_CLIENT, window, addrs)
    at_server.wait_event("failover-finished")
    reopened = [event.line.at for event in window.events("listener-opened")]
    server = [event.line.at for event in at_server.events("listener-opened")]
    tunnel.check.true(
        "the standby's listeners are open before the server's",
        max(reopened) <= min(server) + 0.1,  # two processes' lines are read by two threads
        f"the standby's at {reopened}, the server's at {server}",
    )


@scenario(
    "T19", name="The standby's ports",
    proves="close within 1 s, and reopen at D, not later than the server's",
)  # fmt: skip
def standby_s_ports(tunnel: Tunnel) -> None:
    standby_s_listeners(tunnel, 2)


@scenario("T20", name="The standby's ports, back", proves="the same for a failover to 1")
def standby_s_ports_back(tunnel: Tunnel) -> None:
    standby_s_listeners(tunnel, 2, 1)


@scenario("T21", name="The standby's ports, again", proves="the same for 2 once more")
def standby_s_ports_again(tunnel: Tunnel) -> None:
    standby_s_listeners(tunnel, 2, 1, 2)


@scenario("T22", name="The standby's ports, back again", proves="the same for 1 once more")
def standby_s_ports_back_again(tunnel: Tunnel) -> None:
    standby_s_listeners(tunnel, 2, 1, 2, 1)


# --- failover and open streams --------------------------------------------------------------------


def sha256_of_flood(count: int) -> str:
    """Return the SHA-256 of the first bytes that a flood sends."""
    piece = content(PIECE, 0)
    whole, rest = divmod(count, len(piece))
    digest = hashlib.sha256()
    for _ in range(whole):
        digest.update(piece)
    digest.update(piece[:rest])
    return digest.hexdigest()


def spoken(tunnel: Tunnel, addr: str) -> Connection:
    """Return a connection that has carried data both ways."""
    connection = tunnel.dial(addr)
    connection.send(MESSAGE)
    connection.read(MESSAGE)
    return connection


@scenario(
    "T48", name="Idle streams of the old active",
    proves="at a failover they end orderly within 1 s, at both ends, of both kinds of tunnel",
)  # fmt: skip
def idle_streams(tunnel: Tunnel) -> None:
    tunnel.start()
    idle = [
        spoken(tunnel, tunnel.addr(tunnel.server, FROM_SERVER[0])),
        spoken(tunnel, tunnel.addr(tunnel.clients[1], FROM_CLIENT[1])),
    ]
    reads = [one.reading() for one in idle]
    at_ends = tunnel.tcp.window()
    tunnel.begin_failover(2)
    for read in reads:
        got = read.data()
        tunnel.check.equal("bytes after the failover", got["count"], 0)
        tunnel.check.equal("how it ended", got["ended"], "eof")
    ended_in_time(tunnel, at_ends)


def ended_in_time(tunnel: Tunnel, window: Window) -> Event:
    """Check when client 1's streams of both kinds ended, at both ends.

    Returns what the target of the client's tunnel had read by then.
    """
    [began] = tunnel.server.everything().events("failover-begin")
    at_client = window.wait_event("served-ended", name=f"client-1 {FROM_SERVER[0]}", open=0)
    at_server = window.wait_event("served-ended", name=f"server {FROM_CLIENT[1]}", open=0)
    for end in (*window.events("connection-ended"), at_client, at_server):
        took = seconds_between(began, end)
        tunnel.check.between("seconds until it ended", took, -0.5, ENDS_WITHIN_S)
    return at_server


@scenario(
    "T49", name="Streams of the old active in full transfer",
    proves="at a failover they end within 1 s, at both ends: what came before it is right, nothing "
    "comes behind the end, and no target's connection is left",
)  # fmt: skip
def streams_in_full_transfer(tunnel: Tunnel) -> None:
    tunnel.start(kinds={FROM_SERVER[0]: "flood", FROM_CLIENT[1]: "sink"})
    reader = tunnel.dial(tunnel.addr(tunnel.server, FROM_SERVER[0]))
    sender = tunnel.dial(tunnel.addr(tunnel.clients[1], FROM_CLIENT[1]))
    pouring = sender.pouring()
    reader.read(PIECE)  # so a piece begins where the next read does
    sender.read(1)  # so its target reads
    reading = reader.reading()
    window = tunnel.tcp.window()
    tunnel.begin_failover(2)
    got = reading.data()
    tunnel.check.equal("SHA-256 of what was read", got["sha256"], sha256_of_flood(got["count"]))
    tunnel.check.equal("how it ended for the reader", got["ended"], "eof")
    pouring.data()  # and for the sender
    sink = ended_in_time(tunnel, window)
    want = sha256_of_flood(sink.data["bytes_in"])
    tunnel.check.equal("SHA-256 of what the target got", sink.data["sha256"], want)


@scenario(
    "T50", name="Streams of the new active",
    proves="streams that it has taken before are untouched by the failover, to the byte",
)  # fmt: skip
def streams_of_the_new_active(tunnel: Tunnel) -> None:
    tunnel.start()
    waiting = tunnel.dial(tunnel.addr(tunnel.clients[2], FROM_CLIENT[1]))
    tunnel.clients[2].everything().wait_event("stream-opened", tunnel=FROM_CLIENT[1])
    tunnel.make_active(2)
    lived = waiting.pings(20, MESSAGE)
    tunnel.check.equal("messages echoed", lived["right"], 20)
    waiting.finish()
    tunnel.check.equal("its end", waiting.read()["ended"], "eof")


@scenario(
    "T51", name="New streams during the wait",
    proves="they are refused, not swallowed, at the server and at the standby",
)  # fmt: skip
def new_streams_during_the_wait(tunnel: Tunnel) -> None:
    tunnel.start()
    at_server = tunnel.addr(tunnel.server, FROM_SERVER[0])
    at_standby = tunnel.addr(tunnel.clients[1], FROM_CLIENT[0])
    server, standby = tunnel.server.window(), tunnel.clients[1].window()
    tunnel.begin_failover(2)
    server.wait_event("listener-closed", tunnel=FROM_SERVER[0])
    standby.wait_event("listener-closed", tunnel=FROM_CLIENT[0])
    for addr in (at_server, at_standby):
        tunnel.check.equal("during the wait", tunnel.is_open(addr), False)


@scenario(
    "T52", name="Two failovers within D",
    proves="the second one wins, and the wait begins again",
)  # fmt: skip
def two_failovers(tunnel: Tunnel) -> None:
    tunnel.start(clients=3, reopen_after_s=2 * tunnel.wait_s)
    window = tunnel.server.window()
    causing = tunnel.begin_failover(2)
    first = window.wait_event("failover-begin", client_id=2)
    causing.pings(2, MESSAGE, gap_ms=500)  # so that the second comes in the middle of the wait
    tunnel.server.request("activate", client_id=3)
    second = window.wait_event("failover-begin", client_id=3)
    end = window.wait_event("failover-finished")
    tunnel.check.equal("who is active when all is open", end.data["client_id"], 3)
    tunnel.check.given(
        "the second came within D", seconds_between(first, second) < 2 * tunnel.wait_s
    )
    took = seconds_between(second, end)
    tunnel.check.between(
        "seconds from the second one", took, 2 * tunnel.wait_s - 0.2, 2 * tunnel.wait_s + 1
    )
