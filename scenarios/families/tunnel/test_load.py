"""Much and many: large echoes, ping-pongs, streams at once, each with either client active.

T23 to T47, T53 to T58 and T63.
"""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import random
from collections.abc import Iterable, Sequence

from scenarios.core.scenario import scenario
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER, TRANSFER_S, Tunnel

KB, MB = 1000, 1000 * 1000
LARGE = 100 * MB
MESSAGE = 500
PINGS = 1000
GAP_MS = 1.0
AT_ONCE = 10
CYCLES = 20
# T53 to T58: of 100 streams, so many have so many bytes (a tenth of what a full-length run sends).
WEIGHTED = {10 * KB: 40, 100 * KB: 25, MB: 20, 5 * MB: 10, 25 * MB: 5}
SHARE = 20  # streams of that kind at once


def addr_of(tunnel: Tunnel, name: str, active: int) -> str:
    """Return where a tunnel is entered while this client is active."""
    node = tunnel.server if name in FROM_SERVER else tunnel.clients[active]
    return tunnel.addr(node, name)


def started(tunnel: Tunnel, *clients: int) -> int:
    """Start, go through these failovers, and return which client is active."""
    tunnel.start()
    for client in clients:
        tunnel.make_active(client)
    return clients[-1] if clients else 1


def large_echo(tunnel: Tunnel, name: str, *clients: int) -> None:
    """Check 100 MB, all of it sent before a byte is read."""
    active = started(tunnel, *clients)
    got = tunnel.exchange(addr_of(tunnel, name, active), LARGE, all_first=True)
    tunnel.check.equal("bytes", got["count"], LARGE)
    tunnel.check.equal("SHA-256", got["received"], got["sent"])
    tunnel.check.equal("end", got["ended"], "eof")


@scenario("T23", name="100 MB, server's tunnel 1", proves="all sent before a byte is read: echoed")
def large_server_one(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_SERVER[0])


@scenario("T24", name="100 MB, server's tunnel 2", proves="the same through the other one")
def large_server_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_SERVER[1])


@scenario("T25", name="100 MB, client's tunnel 1", proves="the same from a client's listener")
def large_client_one(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_CLIENT[0])


@scenario("T26", name="100 MB, client's tunnel 2", proves="the same through the other one")
def large_client_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_CLIENT[1])


@scenario(
    "T27", name="A failover by 100 MB",
    proves="100 MB as the first data on a standby's listener: it is active, and none is lost",
)  # fmt: skip
def large_failover(tunnel: Tunnel) -> None:
    tunnel.start()
    window = tunnel.server.window()
    got = tunnel.exchange(addr_of(tunnel, FROM_CLIENT[0], 2), LARGE, all_first=True)
    tunnel.check.equal("SHA-256", got["received"], got["sent"])
    window.wait_event("failover-finished")
    tunnel.check.equal("active client", tunnel.active(), 2)


@scenario("T28", name="100 MB by client 2, server's tunnel 1", proves="T23 with client 2 active")
def large_server_one_by_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_SERVER[0], 2)


@scenario("T29", name="100 MB by client 2, server's tunnel 2", proves="T24 with client 2 active")
def large_server_two_by_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_SERVER[1], 2)


@scenario("T30", name="100 MB by client 2, client's tunnel 1", proves="T25 with client 2 active")
def large_client_one_by_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_CLIENT[0], 2)


@scenario("T31", name="100 MB by client 2, client's tunnel 2", proves="T26 with client 2 active")
def large_client_two_by_two(tunnel: Tunnel) -> None:
    large_echo(tunnel, FROM_CLIENT[1], 2)


def ping_pong(tunnel: Tunnel, name: str, *clients: int) -> None:
    """Check a thousand messages: each comes back whole, in one read."""
    active = started(tunnel, *clients)
    got = tunnel.dial(addr_of(tunnel, name, active)).pings(PINGS, MESSAGE, GAP_MS * tunnel.times)
    tunnel.check.equal("messages echoed", got["right"], PINGS)
    tunnel.check.equal("messages in one read", got["whole"], PINGS)
    tunnel.evidence(f"median round trip {got['median_ms']} ms")


@scenario("T32", name="Ping-pong, server's tunnel 1", proves="1,000 of 500 bytes, each in one read")
def pings_server_one(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_SERVER[0])


@scenario("T33", name="Ping-pong, server's tunnel 2", proves="the same through the other one")
def pings_server_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_SERVER[1])


@scenario("T34", name="Ping-pong, client's tunnel 1", proves="the same from a client's listener")
def pings_client_one(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_CLIENT[0])


@scenario("T35", name="Ping-pong, client's tunnel 2", proves="the same through the other one")
def pings_client_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_CLIENT[1])


@scenario("T36", name="A failover by ping-pong", proves="the first of 1,000 messages causes it")
def pings_failover(tunnel: Tunnel) -> None:
    tunnel.start()
    window = tunnel.server.window()
    got = tunnel.dial(addr_of(tunnel, FROM_CLIENT[0], 2)).pings(
        PINGS, MESSAGE, GAP_MS * tunnel.times
    )
    tunnel.check.equal("messages in one read", got["whole"], PINGS)
    window.wait_event("failover-finished")
    tunnel.check.equal("active client", tunnel.active(), 2)


@scenario("T37", name="Ping-pong by client 2, server's tunnel 1", proves="T32 with client 2 active")
def pings_server_one_by_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_SERVER[0], 2)


@scenario("T38", name="Ping-pong by client 2, server's tunnel 2", proves="T33 with client 2 active")
def pings_server_two_by_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_SERVER[1], 2)


@scenario("T39", name="Ping-pong by client 2, client's tunnel 1", proves="T34 with client 2 active")
def pings_client_one_by_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_CLIENT[0], 2)


@scenario("T40", name="Ping-pong by client 2, client's tunnel 2", proves="T35 with client 2 active")
def pings_client_two_by_two(tunnel: Tunnel) -> None:
    ping_pong(tunnel, FROM_CLIENT[1], 2)


def exchanges(tunnel: Tunnel, addr: str, sizes: Iterable[int]) -> list[bool]:
    """Run exchanges at once, each with bytes of its own; return which were right."""
    sent = [
        tunnel.tcp.send("exchange", addr=addr, count=size, seed=seed)
        for seed, size in enumerate(sizes)
    ]
    got = [one.data(TRANSFER_S) for one in sent]
    return [one["received"] == one["sent"] and one["ended"] == "eof" for one in got]


def ten_at_once(tunnel: Tunnel, name: str, *clients: int) -> None:
    """Check ten streams at once."""
    active = started(tunnel, *clients)
    right = exchanges(tunnel, addr_of(tunnel, name, active), [KB] * AT_ONCE)
    tunnel.check.equal("streams that were right", sum(right), AT_ONCE)


def cycles(tunnel: Tunnel, name: str, *clients: int) -> None:
    """Check streams that are opened and closed one after the other, and that none is left."""
    active = started(tunnel, *clients)
    addr = addr_of(tunnel, name, active)
    right = [exchanges(tunnel, addr, [KB])[0] for _ in range(CYCLES)]
    tunnel.check.equal("cycles that were right", sum(right), CYCLES)
    tunnel.caught_up(tunnel.server)
    told = tunnel.server.everything()
    closed = len(told.events("stream-closed", tunnel=name))
    tunnel.check.equal(
        "streams that are left", len(told.events("stream-opened", tunnel=name)) - closed, 0
    )


@scenario("T41", name="Ten streams at once", proves="each through the server has its own bytes")
def ten_at_the_server(tunnel: Tunnel) -> None:
    ten_at_once(tunnel, FROM_SERVER[0])


@scenario("T42", name="Ten streams at once, from the client", proves="the same the other way")
def ten_at_the_client(tunnel: Tunnel) -> None:
    ten_at_once(tunnel, FROM_CLIENT[0])


@scenario("T43", name="Twenty cycles", proves="streams that open and close leave nothing")
def twenty_cycles(tunnel: Tunnel) -> None:
    cycles(tunnel, FROM_SERVER[0])


@scenario(
    "T44", name="A failover by ten streams", proves="ten at once are one failover; none is lost"
)
def ten_failover(tunnel: Tunnel) -> None:
    tunnel.start()
    window = tunnel.server.window()
    right = exchanges(tunnel, addr_of(tunnel, FROM_CLIENT[0], 2), [KB] * AT_ONCE)
    tunnel.check.equal("streams that were right", sum(right), AT_ONCE)
    window.wait_event("failover-finished")
    tunnel.check.equal("failovers", len(window.events("failover-begin")), 1)


@scenario("T45", name="Ten streams at once by client 2", proves="T41 with client 2 active")
def ten_at_the_server_by_two(tunnel: Tunnel) -> None:
    ten_at_once(tunnel, FROM_SERVER[0], 2)


@scenario("T46", name="Ten streams at once, from client 2", proves="T42 with client 2 active")
def ten_at_the_client_by_two(tunnel: Tunnel) -> None:
    ten_at_once(tunnel, FROM_CLIENT[0], 2)


@scenario("T47", name="Twenty cycles by client 2", proves="T43 with client 2 active")
def twenty_cycles_by_two(tunnel: Tunnel) -> None:
    cycles(tunnel, FROM_SERVER[0], 2)


def hundred(tunnel: Tunnel, name: str, *clients: int) -> None:
    """Check a hundred streams, some at a time, of sizes drawn from the run's seed."""
    active = started(tunnel, *clients)
    sizes = [size for size, share in WEIGHTED.items() for _ in range(share)]
    sizes = [size * tunnel.times for size in sizes]
    random.Random(1).shuffle(sizes)  # noqa: S311 - an order, no secret
    addr, right = addr_of(tunnel, name, active), 0
    for part in parts(sizes, SHARE):
        right += sum(exchanges(tunnel, addr, part))
    tunnel.check.equal("streams that were right", right, len(sizes))


def parts(sizes: Sequence[int], count: int) -> Iterable[Sequence[int]]:
    """Return so many at a time."""
    return (sizes[begin : begin + count] for begin in range(0, len(sizes), count))


@scenario(
    "T53", name="A hundred streams", proves="20 at a time, 10 KB to 25 MB: every byte is right"
)
def hundred_at_the_server(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_SERVER[0])


@scenario("T54", name="A hundred streams, from the client", proves="the same the other way")
def hundred_at_the_client(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_CLIENT[0])


@scenario("T55", name="A hundred streams after a failover", proves="T53 with client 2 active")
def hundred_at_the_server_by_two(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_SERVER[0], 2)


@scenario("T56", name="A hundred streams from client 2", proves="T54 with client 2 active")
def hundred_at_the_client_by_two(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_CLIENT[0], 2)


@scenario("T57", name="A hundred streams after the way back", proves="T53 after 1, 2, 1")
def hundred_at_the_server_back(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_SERVER[0], 2, 1)


@scenario("T58", name="A hundred streams from client 1, back", proves="T54 after 1, 2, 1")
def hundred_at_the_client_back(tunnel: Tunnel) -> None:
    hundred(tunnel, FROM_CLIENT[0], 2, 1)


# Rule 7, over a link that is slower than any machine, so that bytes wait at its ends.
NARROW = {"bytes_per_second": 8 * MB, "delay_ms": 20}
BEFORE = 8 * MB
AT_MOST = 10
FEW_PINGS = 20


@scenario(
    "T63", name="Ping-pong beside bulk",
    proves="two streams that fill a narrow link both ways delay small messages tenfold at most",
)  # fmt: skip
def pings_beside_bulk(tunnel: Tunnel) -> None:
    sinks = {FROM_SERVER[0]: "sink", FROM_CLIENT[0]: "sink"}
    tunnel.start(1, kinds=sinks, count=BEFORE, narrow=NARROW)
    small = tunnel.dial(addr_of(tunnel, FROM_SERVER[1], 1))
    idle = small.pings(FEW_PINGS, MESSAGE)["median_ms"]
    large = [tunnel.dial(addr_of(tunnel, name, 1)) for name in (FROM_SERVER[0], FROM_CLIENT[0])]
    pouring = [one.pouring() for one in large]
    for one in large:
        one.read(1)  # as soon as much has come through
    beside = small.pings(FEW_PINGS, MESSAGE)["median_ms"]
    tunnel.clients[1].request("shutdown")
    for poured in pouring:
        poured.data()
    tunnel.check.between("times the idle round trip", beside / idle, 0, AT_MOST)
    tunnel.evidence(f"{idle} ms idle, {beside} ms beside bulk")
