"""Everything at once, and clients that are killed meanwhile: T77."""

# ruff: noqa: D103 - the mark of a scenario says what it is and what it proves

import random
from dataclasses import dataclass

from scenarios.core.errors import CommandFailed
from scenarios.core.node import PendingReply
from scenarios.core.scenario import scenario
from scenarios.families.tunnel.tunnel import (
    FROM_CLIENT,
    FROM_SERVER,
    TRANSFER_S,
    Connection,
    Tunnel,
)

KB, MB = 1000, 1000 * 1000
MESSAGE = 500
ROUNDS = 4  # a round is about two seconds, or 20; ten times as many at full length
PINGS = 100
GAP_MS = 20.0
CYCLES = 50
GROWTH_BYTES = 64 << 20  # an allocator keeps some of what a peak has needed


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is under way through a listener, and what is to come of it."""

    what: str
    reply: PendingReply
    field: str = "received"
    want: object = None  # None: what was sent
    then_ends: Connection | None = None

    def is_right(self) -> bool:
        """Wait for the end, and tell whether all went well."""
        try:
            got = self.reply.data(TRANSFER_S)
        except CommandFailed:  # its listener was gone with its client
            return False
        if self.then_ends is not None:
            self.then_ends.finish()
            self.then_ends.read()
        return bool(got.get(self.field) == (got.get("sent") if self.want is None else self.want))


@scenario(
    "T77", name="Mixed load and kills",
    proves="bulk, ping-pong, opens and closes, half-closes, and either client killed again and "
    "again: what another client carries is right, nothing hangs, and at the end the server has the "
    "memory, descriptors and threads that it began with",
    timeout_s=240,
)  # fmt: skip
def mixed_load(tunnel: Tunnel, seed: int) -> None:
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    tunnel.start(reopen_after_s=1, is_measured=True, kinds={FROM_SERVER[1]: "answer"}, count=MB)
    rounds = [True, False] * (ROUNDS * tunnel.times // 2)  # whether the active one is killed
    order.shuffle(rounds)
    began: dict[str, int] = {}
    for loses_active in rounds:
        active = tunnel.active() or 0
        victim = active if loses_active else 3 - active
        tunnel.step(f"client {active} is active, kill client {victim}")
        window = tunnel.server.window()
        works = under_way(tunnel, active, order)
        window.wait_event("stream-opened")
        tunnel.clients[victim].kill()
        right = [work.what for work in works if work.is_right()]
        if not loses_active:
            tunnel.check.equal("what went well", right, [work.what for work in works])
        window.wait_event("client-offline", client_id=victim)
        tunnel.restart_client(victim)
        window.wait_event("client-online", client_id=victim)
        if loses_active:
            window.wait_event("failover-finished")
        for node, name in (
            (tunnel.server, FROM_SERVER[0]),
            (tunnel.clients[tunnel.active() or 0], FROM_CLIENT[0]),
        ):
            tunnel.echoes("afterwards", tunnel.addr(node, name), KB)
        # Now it has done everything once, and has what it keeps for that (threads to dial with).
        began = began or tunnel.server.request("resources")
    tunnel.check.equal("streams that are left", tunnel.server.request("status")["streams"], 0)
    ended = tunnel.server.request("resources")
    for what in ("descriptors", "threads"):
        tunnel.check.between(what, ended[what] - began[what], -1, 1)
    tunnel.check.between("bytes of memory", ended["bytes"] - began["bytes"], -1 << 30, GROWTH_BYTES)
    tunnel.evidence(f"{began} after a round, {ended} at the end")


def under_way(tunnel: Tunnel, active: int, order: random.Random) -> list[Work]:
    """Begin bulk, ping-pongs, opens and closes and half-closes, in any order, of any size."""
    server = tunnel.addr(tunnel.server, FROM_SERVER[0])
    answers = tunnel.addr(tunnel.server, FROM_SERVER[1])
    client = tunnel.addr(tunnel.clients[active], FROM_CLIENT[0])
    works = []
    for addr in (server, client):
        for _ in range(4):
            request = {"addr": addr, "count": order.randrange(KB, 20 * MB), "seed": order.random()}
            works.append(Work("bulk", tunnel.tcp.send("exchange", **request)))
        pings = {"count": PINGS * tunnel.times, "size": MESSAGE, "gap_ms": GAP_MS}
        dialled = tunnel.dial(addr)
        sent = tunnel.tcp.send("pings", connection=dialled.number, **pings)
        works.append(Work("ping-pong", sent, "right", PINGS * tunnel.times, dialled))
    asked = tunnel.dial(answers)
    asked.send(MESSAGE)
    asked.finish()
    works.append(Work("half-close", asked.reading(), "count", MB))
    cycles = tunnel.tcp.send("race", addr=client, count=CYCLES)
    works.append(Work("opens and closes", cycles, "taken", CYCLES))
    order.shuffle(works)
    return works
