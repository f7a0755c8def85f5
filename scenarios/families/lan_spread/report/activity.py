"""What peers did: their operations as bars, and which peers met."""

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.core.fields import objects_of, text_of
from scenarios.core.log import Event, Line
from scenarios.family.story import Bar, Connection, NodeLines

SAME_MEETING_S = 2.0  # both sides report a connection, a moment apart
_OUTCOMES = ("-finished", "-failed", "-cancelled", "-gone")


def bars(lane: str, events: Sequence[Event]) -> list[Bar]:
    """Return the operations of a node."""
    begun: dict[tuple[str, str], Event] = {}
    over: list[tuple[tuple[str, str], Event, float | None]] = []
    for event in events:
        if event.name != "active-operations-changed":
            continue
        now = {
            (text_of(row, "game_id"), text_of(row, "operation"))
            for row in objects_of(event.data, "active_operations")
        }
        over += [(key, begun.pop(key), event.at) for key in [*begun] if key not in now]
        for key in now:
            begun.setdefault(key, event)
    over += [(key, event, None) for key, event in begun.items()]
    return [
        Bar(lane, began.at, end, item, operation, _outcome(events, item, end), began.line.index + 1)
        for (item, operation), began, end in sorted(over, key=lambda one: (one[1].at, one[0]))
    ]


def _outcome(events: Sequence[Event], item: str, end: float | None) -> str:
    """The terminal event follows right after the operation leaves the list."""
    if end is None:
        return ""
    for event in events:
        if event.at >= end and text_of(event.data, "game_id") == item:
            return event.name if event.name.endswith(_OUTCOMES) else ""
    return ""


def connections(
    nodes: Sequence[NodeLines],
    events: Mapping[str, Sequence[Event]],
    names: Mapping[str, str],
) -> list[Connection]:
    """Return which peers met, each meeting once."""
    asked = {
        node.label: {text_of(line.message or {}, "addr") for line in node.lines if _connects(line)}
        for node in nodes
    }
    addresses = {
        label: {text_of(event.data, "addr") for event in of_node if _ready(event)}
        for label, of_node in events.items()
    }
    told = sorted(
        (event for of_node in events.values() for event in of_node if _connected(event)),
        key=lambda event: event.at,
    )
    found: list[Connection] = []
    for event in told:
        other = names.get(text_of(event.data, "peer_id"))
        if other is None or other == event.node:
            continue
        pair = {event.node, other}
        if any(
            {one.source, one.target} == pair and event.at - one.at < SAME_MEETING_S for one in found
        ):
            continue
        here, there = asked[event.node], asked.get(other, set())
        turned = not here & addresses[other] and bool(there & addresses[event.node])
        source, target = (other, event.node) if turned else (event.node, other)
        told_to = bool(asked[source] & addresses[target])
        number = event.line.index + 1
        found.append(Connection(event.at, source, target, told_to, event.node, number))
    return found


def _connects(line: Line) -> bool:
    message: Mapping[str, Any] = line.message or {}
    return line.stream == "in" and "connect" in (message.get("cmd"), message.get("command"))


def _ready(event: Event) -> bool:
    return event.name == "local-peer-ready"


def _connected(event: Event) -> bool:
    return event.name == "peer-connected"
