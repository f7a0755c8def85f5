"""Decides which client is active, and what changes with it. Pure.

`State` is a value. Each function takes a state and an event, and returns the next state and what
has to be done. The server does that.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from tunnel_cli.messages import ActiveReason


@dataclass(frozen=True, slots=True)
class State:
    """`settled`: a stream has carried data, or there was a failover, so a lower id alone no longer
    makes a client active. `waiting`: after a failover, until the closed listeners open again.
    """

    online: frozenset[int] = frozenset()
    draining: frozenset[int] = frozenset()
    active: int | None = None
    settled: bool = False
    waiting: bool = False

    @property
    def eligible(self) -> frozenset[int]:
        """The clients that can be active."""
        return self.online - self.draining


class Change(NamedTuple):
    """The next state, whether it is a failover, and why another client is active (None if not).

    At a failover, all streams of the previously active client end, and all listeners except the
    newly active client's close for a while.
    """

    state: State
    reason: ActiveReason | None = None
    failover: bool = False


def joined(state: State, client_id: int) -> Change:
    """A client came online.

    Until the state is settled, the lowest id is active, because a change then costs nothing.
    """
    after = replace(
        state,
        online=state.online | {client_id},
        draining=state.draining - {client_id},
    )
    if state.active is None or (not state.settled and client_id < state.active):
        return Change(replace(after, active=client_id), "first")
    return Change(after)


def left(state: State, client_id: int) -> Change:
    """A client lost its link."""
    after = replace(state, online=state.online - {client_id}, draining=state.draining - {client_id})
    if client_id != state.active:
        return Change(after)
    if after.eligible:
        return _failover(after, min(after.eligible), "lost")
    return Change(replace(after, active=None, waiting=False), "lost")


def carried_data(state: State, client_id: int, of_its_listener: bool) -> Change:
    """A stream on this client's link carried its first data.

    Only streams of the client's own listeners make it active, because a program chose it.
    """
    seen = state if state.settled else replace(state, settled=True)
    if not of_its_listener or client_id == state.active or client_id not in state.eligible:
        return Change(seen)
    return _failover(seen, client_id, "data")


def activate(state: State, client_id: int) -> Change:
    """A command makes this client active; it must be eligible."""
    return Change(state) if client_id == state.active else _failover(state, client_id, "command")


def drain(state: State, client_id: int) -> Change:
    """A client takes no new streams. Its open streams continue, so this is not a failover."""
    after = replace(state, draining=state.draining | {client_id})
    if client_id != state.active:
        return Change(after)
    heir = min(after.eligible, default=None)
    waiting = state.waiting and heir is not None
    return Change(replace(after, active=heir, waiting=waiting), "command")


def waited(state: State) -> Change:
    """The wait after a failover is over."""
    return Change(replace(state, waiting=False))


def _failover(state: State, client_id: int, reason: ActiveReason) -> Change:
    after = replace(state, active=client_id, settled=True, waiting=True)
    return Change(after, reason, failover=True)
