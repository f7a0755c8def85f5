"""Bytes through every tunnel, with either client active: T1 to T9."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

from scenarios.core.scenario import scenario
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER, Tunnel, seconds_between

KIB = 1 << 10
SIZE = 300 * KIB


def from_server(tunnel: Tunnel, name: str, active: int) -> None:
    """Check that what the server's listener takes reaches the active client's target only."""
    others = [client for client in tunnel.clients if client != active]
    before = {client: tunnel.served(client, name) for client in tunnel.clients}
    tunnel.echoes(f"through {name}", tunnel.addr(tunnel.server, name), SIZE)
    tunnel.check.equal(
        "target of the active client", tunnel.served(active, name), before[active] + 1
    )
    for other in others:
        tunnel.check.equal("target of the standby", tunnel.served(other, name), before[other])


def from_client(tunnel: Tunnel, name: str, client: int) -> None:
    """Check that what a client's listener takes reaches the server's target."""
    before = tunnel.served(None, name)
    tunnel.echoes(f"through {name}", tunnel.addr(tunnel.clients[client], name), SIZE)
    tunnel.check.equal("target of the server", tunnel.served(None, name), before + 1)


@scenario("T1", name="Server to client", proves="the server's first tunnel echoes every byte")
def server_to_client(tunnel: Tunnel) -> None:
    tunnel.start()
    from_server(tunnel, FROM_SERVER[0], 1)


@scenario("T2", name="Client to server", proves="the client's first tunnel echoes every byte")
def client_to_server(tunnel: Tunnel) -> None:
    tunnel.start()
    from_client(tunnel, FROM_CLIENT[0], 1)


@scenario("T3", name="Both directions", proves="both, one after the other")
def both_directions(tunnel: Tunnel) -> None:
    tunnel.start()
    from_server(tunnel, FROM_SERVER[0], 1)
    from_client(tunnel, FROM_CLIENT[0], 1)


@scenario("T4", name="Both server tunnels at once", proves="two tunnels at once do not mix bytes")
def both_server_tunnels(tunnel: Tunnel) -> None:
    tunnel.start()
    at_once(tunnel, 1)


def at_once(tunnel: Tunnel, active: int) -> None:
    """Check two exchanges that run at the same time."""
    sent = [
        tunnel.tcp.send("exchange", addr=tunnel.addr(tunnel.server, name), count=SIZE, seed=seed)
        for seed, name in enumerate(FROM_SERVER, 1)
    ]
    got = [one.data() for one in sent]
    for one in got:
        tunnel.check.equal("SHA-256 of each", one["received"], one["sent"])
    tunnel.check.given("they differ", got[0]["sent"] != got[1]["sent"])
    for name in FROM_SERVER:
        tunnel.check.equal("target of the active client", tunnel.served(active, name), 1)


@scenario(
    "T5", name="Failover by first data",
    proves="the first data on client 2's listener makes it active; all settles within D + 2 s",
)  # fmt: skip
def failover_by_first_data(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.make_active(2)
    told = tunnel.server.everything()
    [begin], [end] = told.events("failover-begin"), told.events("failover-finished")
    tunnel.check.equal("active client", tunnel.active(), 2)
    changed = told.events("active-changed", client_id=2)[-1]
    tunnel.check.equal("reason", changed.data["reason"], "data")
    took = seconds_between(begin, end)
    tunnel.check.between("seconds until all is settled", took, tunnel.wait_s - 1, tunnel.wait_s + 2)
    tunnel.evidence(f"settled {took:.2f} s after the first data, with D = {tunnel.wait_s:g} s")


@scenario("T6", name="Server to client 2", proves="T1 with client 2 active: its target is served")
def server_to_client_two(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.make_active(2)
    from_server(tunnel, FROM_SERVER[0], 2)


@scenario("T7", name="Client 2 to server", proves="T2 with client 2 active")
def client_two_to_server(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.make_active(2)
    from_client(tunnel, FROM_CLIENT[0], 2)


@scenario("T8", name="Both directions by client 2", proves="T3 with client 2 active")
def both_directions_by_two(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.make_active(2)
    from_server(tunnel, FROM_SERVER[0], 2)
    from_client(tunnel, FROM_CLIENT[0], 2)


@scenario("T9", name="Both server tunnels by client 2", proves="T4 with client 2 active")
def both_server_tunnels_by_two(tunnel: Tunnel) -> None:
    tunnel.start()
    tunnel.make_active(2)
    at_once(tunnel, 2)
