"""What a pair did, for the report and the terminal: pulls as bars, meetings, moving bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scenarios.core.fields import text_of
from scenarios.core.log import Event
from scenarios.family.story import Bar, Connection, Look, Movement, NodeLines

SAME_MEETING_S = 2.0  # both sides report a connection, a moment apart
ENDS = ("pull-finished", "pull-failed")
LOOKS: Mapping[str, Look] = {
    "peer-disconnected": "bad",
    "peer-connected": "good",
    "connect-failed": "bad",
    "gave-up": "bad",
    "unmounted": "event",
    "pull-progress": "progress",
}


def bars(lane: str, events: Sequence[Event]) -> list[Bar]:
    """Return a node's pulls and mounts."""
    found = []
    open_ones: dict[tuple[str, str], Event] = {}

    def end(key: tuple[str, str], at: float | None, outcome: str) -> None:
        if begin := open_ones.pop(key, None):
            item, operation = key
            found.append(Bar(lane, begin.at, at, item, operation, outcome, begin.line.index + 1))

    for event in events:
        key = text_of(event.data, "path"), "Mount" if "mounted" in event.name else "Pull"
        if event.name in ("pull-begin", "mounted"):
            open_ones.setdefault(key, event)
        elif event.name in (*ENDS, "unmounted"):
            end(key, event.at, event.name)
    for key in [*open_ones]:
        end(key, None, "")
    return sorted(found, key=lambda bar: bar.begin)


def connections(
    _nodes: Sequence[NodeLines], events: Mapping[str, Sequence[Event]], names: Mapping[str, str]
) -> list[Connection]:
    """Return when two peers met, from the one who dialled to the other; each meeting once."""
    told = sorted(
        (one for of_node in events.values() for one in of_node if one.name == "peer-connected"),
        key=lambda event: event.at,
    )
    found: list[Connection] = []
    for event in told:
        other = names.get(text_of(event.data, "fingerprint"))
        if other is None:
            continue
        ends = (event.node, other) if event.data.get("initiated") else (other, event.node)
        if any(
            {one.source, one.target} == set(ends) and event.at - one.at < SAME_MEETING_S
            for one in found
        ):
            continue
        number = event.line.index + 1
        found.append(Connection(event.at, *ends, asked=True, lane=event.node, line=number))
    return found


def _progress(data: Mapping[str, Any]) -> Movement:
    return Movement(data["path"], data["done_bytes"], data["bytes_per_second"])


def _over(data: Mapping[str, Any]) -> Movement:
    return Movement(data["path"])


MOVES: Mapping[str, Callable[[Mapping[str, Any]], Movement]] = {
    "pull-progress": _progress,
    **dict.fromkeys(ENDS, _over),
}
