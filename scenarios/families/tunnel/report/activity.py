"""What nodes of a tunnel did: who was active, failovers, listeners and streams as bars; links."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.core.fields import number_of, text_of
from scenarios.core.log import Event
from scenarios.family.story import Bar, Connection, NodeLines

STREAMS_SHOWN = 100  # bars of a node; a hostile one may report millions


@dataclass(frozen=True, slots=True)
class _Kind:
    """An operation: what begins it, what ends it, and which end belongs to which beginning.

    Nothing is wrong with one that ``may_last`` to the end of its node.
    """

    operation: str
    begins: str
    ends: tuple[str, ...]
    key: Callable[[Event], str]
    item: Callable[[Event], str]
    most: int | None = None
    may_last: bool = False


def _client(event: Event) -> str:
    return f"client {number_of(event.data, 'client_id')}"


def _tunnel(event: Event) -> str:
    return text_of(event.data, "tunnel")


def stream_of(event: Event) -> str:
    """Return which stream an event is about; its number alone is unique on one link only."""
    return f"{_client(event)}, stream {number_of(event.data, 'stream')}"


# One client after the other is active, and a failover within the wait of another one replaces it.
_SETTLED = ("failover-finished", "failover-begin")
_WORDS = {
    "failover-finished": "finished",
    "failover-begin": "another one",
    "listener-closed": "closed",
}
_KINDS = (
    _Kind("Active", "active-changed", ("active-changed",), lambda _: "", _client, may_last=True),
    _Kind("Failover", "failover-begin", _SETTLED, lambda _: "", _client, may_last=True),
    _Kind(
        "Listening", "listener-opened", ("listener-closed",), _tunnel, _tunnel, may_last=True
    ),
    _Kind(
        "Stream", "stream-opened", ("stream-closed",), stream_of, _tunnel, STREAMS_SHOWN
    ),
)  # fmt: skip


def bars(lane: str, events: Sequence[Event]) -> list[Bar]:
    """Return the operations of a node, by when they began."""
    found = [bar for kind in _KINDS for bar in _bars(lane, events, kind)]
    return sorted(found, key=lambda bar: (bar.begin, bar.line))


def _bars(lane: str, events: Sequence[Event], kind: _Kind) -> list[Bar]:
    begun: dict[str, Event] = {}
    found: list[Bar] = []

    def end(began: Event, at: float | None, outcome: str) -> None:
        number = began.line.index + 1
        found.append(Bar(lane, began.at, at, kind.item(began), kind.operation, outcome, number))

    for event in events:
        if event.name in kind.ends and (began := begun.pop(kind.key(event), None)):
            reason = text_of(event.data, "reason")
            end(began, event.at, reason or _WORDS.get(event.name, event.name))
        if event.name == kind.begins and not _is_of_nobody(event):
            begun[kind.key(event)] = event
    for began in begun.values():
        end(began, events[-1].at if kind.may_last else None, "")
    return found[: kind.most]


def _is_of_nobody(event: Event) -> bool:
    """Tell whether an event says that nobody is active now."""
    return event.name == "active-changed" and event.data.get("client_id") is None


def connections(
    _nodes: Sequence[NodeLines],
    events: Mapping[str, Sequence[Event]],
    _names: Mapping[str, str],
) -> list[Connection]:
    """Return the links that came up: each client's with the server that it names.

    Behind a relay, where a client sees another address, with the only server there is.
    """
    servers: dict[str, str] = {}
    for label, of_node in events.items():
        for event in of_node:
            if event.name == "tunnel-ready" and text_of(event.data, "role") == "server":
                servers[text_of(event.data, "addr")] = label  # the latest, if it was restarted
    last = next(reversed(servers.values()), None)
    found = []
    for label, of_node in events.items():
        for event in of_node:
            server = servers.get(text_of(event.data, "addr"), last)
            if event.name == "link-restored" and server is not None:
                number = event.line.index + 1
                found.append(Connection(event.at, label, server, True, label, number))
    return sorted(found, key=lambda one: one.at)
