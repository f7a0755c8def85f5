"""The always-on checks for every kind of node: pure functions over a node's lines.

Each takes the story of one node and returns one sentence per violation. docs/contract.md section 1
defines the format of the lines.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scenarios.core.backends.base import Ended
from scenarios.core.log import Line, describe_end, event_of, show
from scenarios.core.scene import Finding, findings_of, place

# How the scenario ended a node; None if it did not.
Ending: TypeAlias = Literal["asked", "killed", "removed"]

TRACES = ("Traceback (most recent call last)", "Exception ignored in", "panicked at")
FINDINGS_SHOWN = 5
REPLIES = ("result", "error")
NO_ID = "null"
# docs/contract.md section 1: a longer line is refused unread, so its id is unknown.
LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NodeStory:
    """The input of the always-on checks."""

    node: str
    lines: Sequence[Line]
    ended: Ended | None
    ending: Ending | None
    expected_exit: int = 0


def only_protocol_lines(story: NodeStory) -> list[str]:
    """Stdout has only replies and events."""
    found: list[str] = []
    for line in story.lines:
        if line.stream != "out":
            continue
        if not line.complete:
            # A killed node may leave an incomplete line.
            wrong = "" if story.ending in ("killed", "removed") else "the line has no end"
        else:
            wrong = _wrong_with(line.message)
        if wrong:
            at = place(story.node, line.index)
            said = f"{story.node} wrote what is no protocol line ({wrong}), {at}: {show(line)}"
            found.append(Finding(said, at))
    return found


def gapless_seq(story: NodeStory) -> list[str]:
    """The events are numbered 0, 1, 2, … in order."""
    want = 0
    for line in story.lines:
        event = event_of(story.node, line)
        if event is None or not line.complete:
            continue
        if event.seq != want:
            # Only the first: all later ones are off too.
            at = place(story.node, line.index)
            said = f"{story.node} wrote seq {event.seq} where {want} was due, {at}: {show(line)}"
            return [Finding(said, at)]
        want += 1
    return []


def one_reply_per_command(story: NodeStory) -> list[str]:
    """Each line on stdin gets exactly one reply (with its id, if it has one); no other reply comes.

    An empty line may get a reply or not. Lines after `shutdown` need not be read.
    """
    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    empty_lines = 0
    for line in story.lines:
        if line.stream == "in":
            if line.text.strip():
                asked[_id_of(line)] += 1
            else:
                empty_lines += 1
            if is_shutdown(line):
                break
    for line in story.lines:
        if line.stream == "out" and line.message and line.message.get("type") in REPLIES:
            answered[_id_of(line)] += 1
    asked_later = story.ending is not None and any(
        line.stream == "in" for line in story.lines[_shutdown_index(story) + 1 :]
    )
    found = []
    for key in {**asked, **answered}:
        spare = empty_lines if key == NO_ID else 0
        name = f"a line without an id ({asked[key]} of them)" if key == NO_ID else f"id {key}"
        if answered[key] > asked[key] + spare and not asked_later:
            found.append(f"{story.node} replied {answered[key]} times to {name}")
        # A killed node may owe replies.
        if answered[key] < asked[key] and story.ending == "asked":
            found.append(f"{story.node} replied only {answered[key]} times to {name}")
    return found


def only_events_after_shutdown(story: NodeStory) -> list[str]:
    """After the reply to `shutdown` only events of the shutdown come."""
    shutdown_ids: set[str] = set()
    over = False
    found: list[str] = []
    for line in story.lines:
        if is_shutdown(line):
            shutdown_ids.add(_id_of(line))
        elif line.stream == "out":
            kind = line.message.get("type") if line.message else None
            if over and kind != "event":
                at = place(story.node, line.index)
                said = f"{story.node} wrote this after its shutdown, {at}: {show(line)}"
                found.append(Finding(said, at))
            over = over or (kind == "result" and _id_of(line) in shutdown_ids)
    return found


def right_exit_code(story: NodeStory) -> list[str]:
    """Every node that was not killed ended on request, with the expected exit code."""
    if story.ending == "killed":
        return []
    if story.ended is None:
        return [f"{story.node} still runs, though it was asked to end"]
    if story.ended.exit_code == story.expected_exit:
        if story.ending is None and story.expected_exit == 0:
            return [f"{story.node} ended though nobody had asked it to"]
        return []
    how = describe_end(story.ended)
    return [f"{story.node} {how}; the exit code should have been {story.expected_exit}"]


def no_traceback(story: NodeStory) -> list[str]:
    """Stderr has no traceback."""
    lines = [line for line in story.lines if line.stream == "err"]
    for position, line in enumerate(lines):
        if any(trace in line.text for trace in TRACES):
            excerpt = "\n    ".join(shown.text for shown in lines[position : position + 30])
            return [f"{story.node} wrote a traceback to stderr:\n    {excerpt}"]
    return []


GENERIC: tuple[tuple[str, Callable[[NodeStory], list[str]]], ...] = (
    ("always: only protocol lines on stdout", only_protocol_lines),
    ("always: gapless seq", gapless_seq),
    ("always: one reply per command", one_reply_per_command),
    ("always: only events after shutdown", only_events_after_shutdown),
    ("always: right exit code", right_exit_code),
    ("always: no traceback on stderr", no_traceback),
)


def generic_findings(stories: Sequence[NodeStory]) -> list[tuple[str, list[str]]]:
    """Return the name and the findings, over all nodes, of each generic check."""
    results = []
    for what, check in GENERIC:
        found = [one for story in stories for one in findings_of(story.node, check(story))]
        more = len(found) - FINDINGS_SHOWN
        tail = [f"and {more} more of these"] if more > 0 else []
        results.append((what, [*found[:FINDINGS_SHOWN], *tail]))
    return results


def is_shutdown(line: Line) -> bool:
    """Whether a line asks the node to shut down."""
    message = line.message
    return (
        line.stream == "in"
        and message is not None
        and "shutdown" in (message.get("cmd"), message.get("command"))
    )


def _wrong_with(message: Any) -> str:
    if message is None:
        return "not a JSON object"
    match message.get("type"):
        case "event":
            wanted: dict[str, type | tuple[type, ...]] = {
                "event": str,
                "seq": int,
                "ts": (int, float),
                "data": dict,
            }
        case "result":
            wanted = {"data": dict}
        case "error":
            wanted = {"error": str, "code": str}
        case other:
            return f'"type" is {other!r}, not result, error or event'
    for name, kind in wanted.items():
        value = message.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f'"{name}" is {value!r}'
    return ""


def _shutdown_index(story: NodeStory) -> int:
    indices = [line.index for line in story.lines if is_shutdown(line)]
    return indices[0] if indices else len(story.lines)


def _id_of(line: Line) -> str:
    """Return a line's id as a key; NO_ID if it has none that a reply could echo."""
    value = line.message.get("id") if line.message else None
    if isinstance(value, (dict, list)) or len(line.text) > LONGEST_LINE:
        return NO_ID
    return json.dumps(value)
