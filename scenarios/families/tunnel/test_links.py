"""Links that break, freeze, come back or come twice: T64 to T68, T70."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from scenarios.core.backends.base import Capability
from scenarios.core.log import Event
from scenarios.core.scenario import scenario
from scenarios.families.tunnel.specs import link_node
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER, Tunnel

KB = 1000
MESSAGE = 500
DEAD_AFTER_S = 1.5  # ten times as long at full length
SLACK_S = 1.5


@scenario(
    "T64", name="Server killed",
    proves="killed and started again: clients return by themselves, listeners reopen, no stream "
    "hangs",
)  # fmt: skip
def server_killed(tunnel: Tunnel) -> None:
    tunnel.start()
    stream = tunnel.dial(tunnel.addr(tunnel.clients[1], FROM_CLIENT[0]))
    stream.send(MESSAGE)
    stream.read(MESSAGE)
    read = stream.reading()
    windows = {number: client.window() for number, client in tunnel.clients.items()}
    tunnel.server.kill()
    tunnel.check.equal("how the open stream ended", read.data()["ended"], "reset")
    for window in windows.values():
        window.wait_event("link-lost")
        window.wait_event("listener-closed")
    tunnel.restart_server()
    for number, window in windows.items():
        window.wait_event("link-restored")
        addr = tunnel.addr(tunnel.clients[number], FROM_CLIENT[0], window)
        tunnel.echoes(f"from client {number}", addr, KB)
    tunnel.server.everything().wait_event("listener-opened", tunnel=FROM_SERVER[0])


def quick(tunnel: Tunnel) -> tuple[str, ...]:
    """Return how often links are pinged, and when a silent one is given up: soon."""
    dead_after_s = DEAD_AFTER_S * tunnel.times
    return ("--ping", str(dead_after_s / 3), "--dead-after", str(dead_after_s))


def claimed_at_once(tunnel: Tunnel, since: float, gone: Mapping[int, float]) -> list[str]:
    """Return which clients said at the same time that they are active.

    ``gone`` is when a client was killed or frozen; from then on it says nothing that counts.
    """
    claims = []
    for number, client in tunnel.clients.items():
        changes = client.everything().events("active-changed")
        ends = [*(change.line.at for change in changes[1:]), tunnel.now()]
        claims += [
            (max(since, change.line.at), min(end, gone.get(number, end)), number)
            for change, end in zip(changes, ends, strict=True)
            if change.data["client_id"] == number and since < end
        ]
    return [
        f"{one} until {end:.3f}, {other} from {begin:.3f}"
        for (_, end, one), (begin, _, other) in itertools.pairwise(sorted(claims))
        if begin < end
    ]


def actives(events: Iterable[Event]) -> list[int | None]:
    """Return who was active, in order, as the server told it."""
    return [event.data["client_id"] for event in events]


@scenario(
    "T65", name="Active client killed, then one frozen",
    proves="the other one takes over at once, or within the patience with a silent link; thawed it "
    "stands by; at no moment are two active",
)  # fmt: skip
def active_lost(tunnel: Tunnel) -> None:
    tunnel.start(clients=3, flags=quick(tunnel))
    window = tunnel.server.window()
    for client in tunnel.clients.values():
        client.everything().wait_event("active-changed", client_id=1)
    since, gone = tunnel.now(), {1: tunnel.now()}
    tunnel.clients[1].kill()
    lost = window.wait_event("client-offline", client_id=1)
    changed = window.wait_event("active-changed", client_id=2)
    tunnel.check.equal("reason after the kill", changed.data["reason"], "lost")
    window.wait_event("failover-finished", client_id=2)
    window = tunnel.server.window()
    began = gone[2] = tunnel.now()
    tunnel.clients[2].freeze()
    lost = window.wait_event("client-offline", client_id=2)
    tunnel.check.equal("why the frozen one is gone", lost.data["reason"], "timeout")
    took, silent_s = lost.line.at - began, DEAD_AFTER_S * tunnel.times
    tunnel.check.between("seconds until it is given up", took, 0.3, silent_s + SLACK_S)
    window.wait_event("active-changed", client_id=3)
    back = tunnel.server.window()
    thawed = tunnel.clients[2].window()
    tunnel.clients[2].thaw()
    back.wait_event("client-online", client_id=2)
    thawed.wait_event("link-restored")
    thawed.wait_event("active-changed", where=lambda event: event.data["client_id"] is not None)
    views = [
        node.request("status")["active_client"]
        for node in (tunnel.server, tunnel.clients[2], tunnel.clients[3])
    ]
    tunnel.check.equal("who is active, as all see it", views, [3, 3, 3])
    tunnel.check.equal("clients that were active at once", claimed_at_once(tunnel, since, gone), [])
    told = tunnel.server.everything().events("active-changed")
    tunnel.check.equal("who was active, one after the other", actives(told)[-3:], [1, 2, 3])


@scenario(
    "T66", name="Cut off and back",
    proves="a client that is cut off the network is given up; back again, both sides agree on who "
    "is active",
    needs=(Capability.DISCONNECT,),
)  # fmt: skip
def cut_off_and_back(tunnel: Tunnel) -> None:
    tunnel.start(flags=quick(tunnel))
    window, at_client = tunnel.server.window(), tunnel.clients[1].window()
    tunnel.clients[1].disconnect()
    window.wait_event("active-changed", client_id=2)
    at_client.wait_event("link-lost")
    tunnel.clients[1].reconnect()
    window.wait_event("client-online", client_id=1)
    at_client.wait_event("active-changed", client_id=2)
    views = [
        node.request("status")["active_client"]
        for node in (tunnel.server, tunnel.clients[1], tunnel.clients[2])
    ]
    tunnel.check.equal("who is active, as all see it", views, [2, 2, 2])


@scenario(
    "T67", name="Twin",
    proves="a second client of an id that is online is refused and goes on asking; when the first "
    "one has crashed, it is taken",
)  # fmt: skip
def twin(tunnel: Tunnel) -> None:
    tunnel.start(1, flags=quick(tunnel))
    other = tunnel.twin_of(1, quick(tunnel))
    refused = other.everything().wait_event("link-lost")
    tunnel.check.true(
        "why the twin is refused", "duplicate-client" in refused.data["reason"], str(refused.data)
    )
    tunnel.caught_up(tunnel.server)
    told = tunnel.server.everything()
    tunnel.check.equal("times that client 1 went", len(told.events("client-offline")), 0)
    tunnel.clients[1].freeze()  # so it does not answer: no goodbye, no end of its connection
    other.everything().wait_event("link-restored")
    tunnel.caught_up(tunnel.server)
    tunnel.check.equal(
        "times that client 1 went, after the crash", len(told.events("client-offline")), 1
    )
    tunnel.check.equal("times that it came", len(told.events("client-online")), 2)


@scenario(
    "T68", name="Three clients in turns",
    proves="each is made active by data in turn; the two others close and reopen",
)  # fmt: skip
def three_in_turns(tunnel: Tunnel) -> None:
    tunnel.start(clients=3)
    for number in (2, 3, 1):
        others = {
            other: client.window() for other, client in tunnel.clients.items() if other != number
        }
        tunnel.make_active(number)
        for window in others.values():
            closed = window.wait_event("listener-closed", tunnel=FROM_CLIENT[0])
            window.since(closed).wait_event("listener-opened", tunnel=FROM_CLIENT[0])
        tunnel.check.equal("active client", tunnel.active(), number)
        before = tunnel.served(number, FROM_SERVER[0])
        tunnel.echoes("through the server", tunnel.addr(tunnel.server, FROM_SERVER[0]), KB)
        served = tunnel.served(number, FROM_SERVER[0])
        tunnel.check.equal("target of the active client", served, before + 1)


@scenario(
    "T70", name="Token",
    proves="who has another token or none, or replays a proof, is refused; the right one works",
)  # fmt: skip
def token(tunnel: Tunnel) -> None:
    tunnel.start(1, flags=("--token", "the right one"))
    tunnel.echoes("with the token", tunnel.addr(tunnel.server, FROM_SERVER[0]), KB)
    for number, flags in ((2, ("--token", "another")), (3, ())):
        stranger = tunnel.stranger(number, flags)
        lost = stranger.everything().wait_event("link-lost")
        tunnel.check.true(
            "why a stranger is refused", "wrong-token" in lost.data["reason"], str(lost.data)
        )
    tunnel.caught_up(tunnel.server)
    online = tunnel.server.everything().events("client-online")
    tunnel.check.equal("who is online", [event.data["client_id"] for event in online], [1])
    [foreign] = tunnel.trial.start(link_node())
    request: dict[str, Any] = {"addr": tunnel.server_addr, "client_id": 4, "token": "the right one"}
    heard = foreign.request("link", **request)["hello"]
    again = foreign.request("link", **request, hello=heard)
    tunnel.check.equal("answer to a replayed proof", again["answer"].get("code"), "wrong-token")
