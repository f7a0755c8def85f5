"""Describes the cause of a failure, from the scenario's record."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from scenarios.core.errors import CAUSES
from scenarios.core.log import Line
from scenarios.core.scene import place
from scenarios.family.story import NodeLines
from scenarios.report.model import Failure
from scenarios.report.reading import Record

_KINDS: Mapping[str, Literal["wait", "always"]] = {"wait": "wait", "always": "always"}
ROUNDING_S = 1e-6  # of the times in the files


def failure_of(text: str, records: Sequence[Record], nodes: Sequence[NodeLines]) -> Failure:
    """Return the description of a scenario's failure with this text."""
    failure = next((record for record in records if record.kind == "failure"), None)
    failed = [record for record in records if record.kind == "check" and not record.passed]
    decisive = _decisive(failure, failed)
    if decisive is None:
        shown = _unrecorded(text, failure, records, nodes)
    else:
        shown = _recorded(text, decisive, nodes)
    also = [f"{one.what}: {flush(one.detail)}" for one in failed if one is not decisive]
    return replace(shown, where=failure.where if failure else "", also=also)


def flush(text: str) -> str:
    """Remove the indentation of findings, which would make them look nested."""
    first, _, rest = text.strip("\n").partition("\n")
    return "\n".join([first.lstrip(), *textwrap.dedent(rest).splitlines()])


def _decisive(failure: Record | None, failed: Sequence[Record]) -> Record | None:
    """Return the check that ended the scenario, otherwise the first that failed."""
    named = [one for one in failed if failure and one.what == failure.what]
    return next(iter(named or failed), None)


def _recorded(text: str, decisive: Record, nodes: Sequence[NodeLines]) -> Failure:
    node, at = decisive.node, decisive.at
    found = None if decisive.check_kind == "wait" else _place(decisive, nodes)
    if found is None:
        lane, line = _last_line(nodes, node, at)
    else:
        lane, line = found[0], found[1].index + 1
        if decisive.check_kind == "always":  # checked at the end, but wrong since that line
            at = found[1].at
    return Failure(
        expectation=decisive.what,
        kind=_KINDS.get(decisive.check_kind, "check"),
        node=node,
        since=min(decisive.since, at),
        at=at,
        cause=decisive.why or _cause(decisive),
        wanted=decisive.wanted,
        got=decisive.got or flush(decisive.detail),
        near=decisive.near,
        where="",
        source=(),
        also=(),
        lane=lane,
        line=line,
        text=text,
    )


def _place(decisive: Record, nodes: Sequence[NodeLines]) -> tuple[str, Line] | None:
    """Return the line that shows a finding, or the last one read before a check."""
    always = decisive.check_kind == "always"  # made at the end, whatever was read before
    wanted = decisive.found_at if always else decisive.read
    places = ((node.label, line) for node in nodes for line in node.lines)
    return next((each for each in places if place(each[0], each[1].index) == wanted), None)


def _unrecorded(
    text: str, failure: Record | None, records: Sequence[Record], nodes: Sequence[NodeLines]
) -> Failure:
    """Describe a refused command, a bug in a scenario, or one that was cut off in a wait."""
    first = next((line for line in text.splitlines() if line.strip()), "It failed without a word.")
    times = [record.at for record in records] + [line.at for node in nodes for line in node.lines]
    at = max(times, default=0.0)
    last_wait = next((record for record in reversed(records) if record.kind == "wait"), None)
    how = failure.how if failure else ""
    node, wanted, got = "", "", ""
    cause = "No expectation failed: the scenario itself broke off with an error."
    if failure and how == "refused":
        node, wanted, got = failure.node, f"{failure.command} ok", failure.refusal
        cause = "A command was refused."
        at = max((record.at for record in records if record.kind == "wait"), default=at)
    elif last_wait and how == "time-up":
        node, wanted = last_wait.node, last_wait.wanted
        cause = "The scenario took longer than it may; this is what it waited for at the end."
    lane, line = _last_line(nodes, node, at, refused=how == "refused")
    return Failure(
        expectation=failure.what if failure else first,
        kind="error",
        node=node,
        since=last_wait.at if last_wait else at,
        at=at,
        cause=cause,
        wanted=wanted,
        got=got,
        near=(),
        where="",
        source=(),
        also=(),
        lane=lane,
        line=line,
        text=text,
    )


def _cause(decisive: Record) -> str:
    # A failed check speaks for itself; an older run may have causes that no longer exist.
    cause = decisive.cause or "check"
    if cause == "check":
        return ""
    words = next((text for name, text in CAUSES.items() if name == cause), cause)
    return f"{words[:1].upper()}{words[1:]}."


def _last_line(
    nodes: Sequence[NodeLines], label: str, at: float, *, refused: bool = False
) -> tuple[str, int]:
    """Return the last line before a moment, of that node if one is given."""

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
