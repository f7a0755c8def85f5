"""Puts the cause of a failure into words, from the expectations on record and the failure's text.

The form of that text is given by ``core.window`` (waits) and ``core.checks``.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import dropwhile, takewhile
from typing import Literal

from scenarios.core.errors import CAUSES
from scenarios.core.log import Line
from scenarios.core.scene import place
from scenarios.report.model import Failure
from scenarios.report.reading import NodeLines, Record

_KINDS: Mapping[str, Literal["wait", "always"]] = {"wait": "wait", "always": "always"}
ROUNDING_S = 1e-6  # of the times in the files
_NEAR = "Near misses"
_INSTEAD = "Instead came: "
_PICTURE = "Faults placed:"
_REASONS = (
    "Things were still moving when the time was up",
    "Nothing moved any more",
    "It cannot come any more",
    "It is pointless to go on",
    "It is not in the window",
)
_REFUSED = re.compile(r"(?P<node>\S+) refused `(?P<command>[^`]*)` \([^)]*\): (?P<error>.*)")
_AT = re.compile(r"^at (test_\w+\.py:\d+)$", re.MULTILINE)
_GOT = re.compile(r"got (?P<got>.*?), wanted (?P<wanted>.*?)", re.DOTALL)
_PLACE = re.compile(r"[\w-]+\.jsonl:\d+")


def failure_of(text: str, records: Sequence[Record], nodes: Sequence[NodeLines]) -> Failure:
    """Return what there is to say of a scenario that failed with this text."""
    failed = [record for record in records if record.kind == "check" and not record.passed]
    decisive = _decisive(text, failed)
    if decisive is None:
        failure = _unrecorded(text, records, nodes)
    else:
        failure = _recorded(text, decisive, records, nodes)
    also = [f"{one.what}: {flush(one.detail)}" for one in failed if one is not decisive]
    return replace(failure, also=also)


def flush(text: str) -> str:
    """Findings stand below each other: none is a part of the one above it."""
    first, _, rest = text.strip("\n").partition("\n")
    return "\n".join([first.lstrip(), *textwrap.dedent(rest).splitlines()])


def _decisive(text: str, failed: Sequence[Record]) -> Record | None:
    """The expectation that the text begins with; else the first that failed."""
    named = [record for record in failed if text.startswith(record.what)]
    # Longest name first: one expectation's name may begin with another's.
    named.sort(key=lambda record: -len(record.what))
    return next(iter(named or failed), None)


def _recorded(
    text: str, decisive: Record, records: Sequence[Record], nodes: Sequence[NodeLines]
) -> Failure:
    said = text.partition(_PICTURE)[0].splitlines()
    if decisive.check_kind == "wait":
        instead = (line[len(_INSTEAD) :] for line in said if line.startswith(_INSTEAD))
        got, wanted = next(instead, ""), _wanted(decisive, records)
        if decisive.cause == "unexpected-event":
            got = "\n".join(said[:2]).partition(": ")[2]
    else:
        detail = decisive.detail.strip("\n")
        judged = _GOT.fullmatch(detail.strip())
        got, wanted = (judged["got"], judged["wanted"]) if judged else (flush(detail), "")
    # What was found may speak of others; only a rule's findings begin with whom they are about.
    about = decisive.detail if decisive.check_kind == "always" else decisive.what
    node = decisive.node or _named(about, nodes)
    at = decisive.at
    found = None if decisive.check_kind == "wait" else _place(decisive, nodes)
    if found is None:
        lane, line = _last_line(nodes, node, at)
    else:
        lane, line = found[0], found[1].index + 1
        # A name in the words of a check, and not that of the peer whose line was read, is a guess.
        node = decisive.node or ("" if node and node != lane else lane)
        if decisive.check_kind == "always":  # looked at when all was over, but wrong since then
            at = found[1].at
    return Failure(
        expectation=decisive.what,
        kind=_KINDS.get(decisive.check_kind, "check"),
        node=node,
        since=min(decisive.since, at),
        at=at,
        cause=_cause(decisive, said),
        wanted=wanted,
        got=got,
        near=_near(said),
        where=_where(text),
        source=(),
        also=(),
        lane=lane,
        line=line,
        text=text,
    )


def _place(decisive: Record, nodes: Sequence[NodeLines]) -> tuple[str, Line] | None:
    """The line that a rule's finding names, or that the scenario had read before a check."""
    named = _PLACE.search(decisive.detail)
    wanted = named[0] if named else decisive.read
    places = ((node.label, line) for node in nodes for line in node.lines)
    return next((each for each in places if place(each[0], each[1].index) == wanted), None)


def _unrecorded(text: str, records: Sequence[Record], nodes: Sequence[NodeLines]) -> Failure:
    """A refused command, a bug in a scenario, or one that was cut off while it waited."""
    first = next((line for line in text.splitlines() if line.strip()), "It failed without a word.")
    times = [record.at for record in records] + [line.at for node in nodes for line in node.lines]
    at = max(times, default=0.0)
    last_wait = next((record for record in reversed(records) if record.kind == "wait"), None)
    refused = _REFUSED.match(first)
    if refused:
        node, cause, wanted = refused["node"], "A command was refused.", f"{refused['command']} ok"
        at = max((record.at for record in records if record.kind == "wait"), default=at)
    elif last_wait and "Timeout" in text:
        node, wanted = last_wait.node, last_wait.wanted
        cause = "The scenario took longer than it may; this is what it waited for at the end."
    else:
        node, wanted = _named(first, nodes), ""
        cause = "No expectation failed: the scenario itself broke off with an error."
    lane, line = _last_line(nodes, node, at, refused=refused is not None)
    return Failure(
        expectation=first,
        kind="error",
        node=node,
        since=last_wait.at if last_wait else at,
        at=at,
        cause=cause,
        wanted=wanted,
        got=refused["error"] if refused else "",
        near=(),
        where=_where(text),
        source=(),
        also=(),
        lane=lane,
        line=line,
        text=text,
    )


def _wanted(decisive: Record, records: Sequence[Record]) -> str:
    for record in reversed(records):
        same = (record.what, record.node) == (decisive.what, decisive.node)
        if record.kind == "wait" and same and record.at <= decisive.at:
            return record.wanted
    return ""


def _cause(decisive: Record, said: Sequence[str]) -> str:
    cause = decisive.cause or "check"
    # An older run may know causes that are none any more.
    words = (
        ""
        if cause == "check"
        else next((text for name, text in CAUSES.items() if name == cause), cause)
    )
    words = f"{words[:1].upper()}{words[1:]}." if words else ""
    # The first line of a wait's text ends with its own reason, which has the figures.
    own = said[0].partition(f" for {decisive.what}")[0] if said else ""
    for opening in _REASONS:
        if decisive.check_kind == "wait" and opening in own:
            return opening + own.partition(opening)[2]
    return words


def _near(said: Sequence[str]) -> list[str]:
    behind = dropwhile(lambda line: not line.startswith(_NEAR), said)
    next(behind, None)
    return [line.strip() for line in takewhile(lambda line: line.startswith(" "), behind)]


def _where(text: str) -> str:
    found = _AT.search(text)
    return found[1] if found else ""


def _named(text: str, nodes: Sequence[NodeLines]) -> str:
    """The node that a text speaks of first; empty when it speaks of none."""
    found = []
    for node in nodes:
        met = re.search(rf"(?<![\w#-]){re.escape(node.label)}(?![\w#-])", text)
        if met:
            found.append((met.start(), node.label))
    return min(found)[1] if found else ""


def _last_line(
    nodes: Sequence[NodeLines], label: str, at: float, *, refused: bool = False
) -> tuple[str, int]:
    """Whose line, and which, came last before a moment; of that node when one is named."""

    def counts(line: Line) -> bool:
        refusal = (line.message or {}).get("type") == "error"
        return line.stream != "in" and line.at <= at + ROUNDING_S and (refusal or not refused)

    candidates = [
        (line.at, node.label, line.index + 1)
        for node in nodes
        if label in ("", node.label)
        for line in node.lines
        if counts(line)
    ]
    if not candidates:
        return "", 0
    _, lane, number = max(candidates)
    return lane, number
