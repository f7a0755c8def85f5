"""Fetches, deletions, conflicts and meetings, from the events of nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.core.fields import text_of
from scenarios.core.log import Event
from scenarios.family.story import Bar, Connection, Movement, NodeLines

# What happens to a file at one moment.
_MOMENTS = {
    "file-deleted": "Deleting",
    "file-renamed": "Renaming",
    "conflict": "Conflict",
    "name-clash": "Name clash",
}
_FETCH_ENDS = ("fetch-finished", "fetch-failed")
BARS_SHOWN = 500
# Both sides tell of a meeting, and restarts follow quickly.
SAME_MEETING_S = 0.5


def bars(lane: str, events: Sequence[Event]) -> list[Bar]:
    """Return what happened to files at a node; the longest ones if there are very many."""
    begun: dict[str, Event] = {}
    found = []
    for event in events:
        path = text_of(event.data, "path")
        if event.name == "fetch-begin":
            begun[path] = event
        elif event.name in _FETCH_ENDS:
            first = begun.pop(path, event)
            number = first.line.index + 1
            found.append(Bar(lane, first.at, event.at, path, "Fetching", event.name, number))
        elif operation := _MOMENTS.get(event.name):
            number = event.line.index + 1
            found.append(Bar(lane, event.at, event.at, path, operation, event.name, number))
    found += [
        Bar(lane, first.at, None, path, "Fetching", "", first.line.index + 1)
        for path, first in begun.items()
    ]
    if len(found) > BARS_SHOWN:
        conflicts = [bar for bar in found if bar.operation in ("Conflict", "Name clash")]
        others = [bar for bar in found if bar not in conflicts]
        others.sort(key=lambda bar: bar.begin - (bar.end or float("inf")))
        found = (conflicts + others)[:BARS_SHOWN]
    return sorted(found, key=lambda bar: bar.begin)


def connections(
    _nodes: Sequence[NodeLines],
    events: Mapping[str, Sequence[Event]],
    names: Mapping[str, str],
) -> list[Connection]:
    """Return which peers met, each meeting once."""
    met = sorted(
        (one for of_node in events.values() for one in of_node if one.name == "peer-connected"),
        key=lambda event: event.at,
    )
    latest: dict[frozenset[str], float] = {}
    found = []
    for event in met:
        other = names.get(text_of(event.data, "peer_id"))
        if other is None or other == event.node:
            continue
        pair = frozenset((event.node, other))
        if event.at - latest.get(pair, float("-inf")) >= SAME_MEETING_S:
            number = event.line.index + 1
            found.append(Connection(event.at, event.node, other, False, event.node, number))
        latest[pair] = event.at
    return found


def progress(data: Mapping[str, Any]) -> Movement:
    """Parse a `fetch-progress`. Raises KeyError for data of another shape."""
    return Movement(data["path"], data["fetched_bytes"])


def over(data: Mapping[str, Any]) -> Movement:
    """Parse the end of a fetch. Raises KeyError for data of another shape."""
    return Movement(data["path"])


MOVES = {"fetch-progress": progress, **dict.fromkeys(_FETCH_ENDS, over)}
