"""Classifies nodes' lines: events, the kind of each line, and the ids of nodes."""

from collections.abc import Iterable, Mapping, Sequence

from scenarios.core.fields import text_of
from scenarios.core.log import Event, Line, event_of
from scenarios.core.words import Words
from scenarios.family.story import NodeLines
from scenarios.report.model import LineKind


def events_of(node: NodeLines) -> list[Event]:
    """Return the events among a node's lines."""
    found = (event_of(node.label, line) for line in node.lines)
    return [event for event in found if event]


def ids_of(events: Sequence[Event], words: Words) -> list[str]:
    """Return the ids that a node reported as its own, in order."""
    return [
        text_of(event.data, words.node_id) for event in events if event.name == words.ready_event
    ]


def names_by_id(events: Mapping[str, Sequence[Event]], words: Words) -> dict[str, str]:
    """Return the first label under which each node id appeared: a restart keeps its id."""
    names: dict[str, str] = {}
    for label, of_node in events.items():
        for node_id in ids_of(of_node, words):
            names.setdefault(node_id, label)
    names.pop("", None)
    return names


def kinds_and_names(lines: Iterable[Line]) -> list[tuple[LineKind, str]]:
    """Return each line's kind and name: of the event, or of the command or its reply."""
    commands: dict[str, str] = {}
    found: list[tuple[LineKind, str]] = []
    for line in lines:
        message = line.message or {}
        kind = message.get("type")
        if line.stream == "err":
            found.append(("stderr", "stderr"))
        elif line.stream == "in":
            name = text_of(message, "cmd") or text_of(message, "command") or "raw input"
            commands[repr(message.get("id"))] = name
            found.append(("command", name))
        elif kind == "event":
            found.append(("event", text_of(message, "event") or "event without a name"))
        elif kind in ("result", "error"):
            name = commands.get(repr(message.get("id")), "unknown command")
            found.append(("refusal" if kind == "error" else "reply", name))
        else:
            found.append(("other", "no protocol line"))
    return found
