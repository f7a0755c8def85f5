"""Kills a peer at every step of an operation: before each change of a name on its disk."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scenarios.core.log import Line, event_of
from scenarios.core.node import PendingReply
from scenarios.families.lan_spread.games import Thing
from scenarios.families.lan_spread.lan import Lan
from scenarios.families.lan_spread.peers import Peer
from scenarios.families.lan_spread.specs import peer

T = TypeVar("T")

AT_ONCE = 4
STOPPED = "odd_disk: stopped before "


def at_every_step(
    lan: Lan,
    things: Sequence[Thing],
    begin: Callable[[Peer], PendingReply],
    finished: str,
    judge: Callable[[Peer], T],
    again: Callable[[Peer], Peer] | None = None,
) -> dict[str, T]:
    """Let peers with these games begin an operation, and kill each at another step of it.

    Each is started again, by ``lan.restart`` or ``again``, judged and shut down. Ends when one has
    got to the end, the event ``finished``, since then there are no further steps. Returns what was
    judged, by step.
    """
    judged: dict[str, T] = {}
    while True:
        numbers = range(len(judged) + 1, len(judged) + 1 + AT_ONCE)
        peers = lan.start(
            *(peer(f"crash-{number}", things, odd_disk=f"stops:{number}") for number in numbers)
        )
        steps = [_killed_at(one, begin, finished) for one in peers]
        killed = [(one, step) for one, step in zip(peers, steps, strict=True) if step]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            restarted = list(pool.map(again or lan.restart, [one for one, _ in killed]))
        for one, (before, step) in zip(restarted, killed, strict=True):
            judged[f"{before}: {step}"] = judge(one)
            one.shutdown()
        if len(killed) < AT_ONCE:
            return judged


def _killed_at(one: Peer, begin: Callable[[Peer], PendingReply], finished: str) -> str:
    """Kill a peer once it stands still, and return before what; "" if it gets to the end."""

    def accept(line: Line) -> str | None:
        if line.stream == "err" and line.text.startswith(STOPPED):
            return line.text.removeprefix(STOPPED)
        event = event_of(one.name, line)
        return "" if event is not None and event.name == finished else None

    now = one.games.parent / ".now"
    now.touch()
    step = begin(one).window.wait_for(
        accept, what=f"{one} stops or finishes", wanted=f"a step of the disk, or {finished}"
    )
    if step:
        one.node.kill()
        one.node.wait_exit()
    now.unlink()
    if not step:
        one.shutdown()
    return step
