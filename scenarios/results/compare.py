"""Compares two turns of one scenario: the first line of a node in one that the other lacks.

Values that differ between any two runs (ids, addresses, paths, times, measured figures, `seq`) are
normalised first. Differences that depend on thread timing do not count: neither the order of lines,
nor which of several similar lines has which value, such as the chunks that two equal sources share.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.core.fields import text_of
from scenarios.core.printable import printable
from scenarios.core.scene import SCENARIO_FILE, file_stem
from scenarios.core.words import Words
from scenarios.family.family import Family
from scenarios.results.results import LATEST, named_run

_VARYING = frozenset(["seq", "ts"])  # in every message; the family names the others
_PORT = re.compile(r"(<[^<>]+>):\d+")


class CompareError(Exception):
    """The turns cannot be compared; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a node; ``parts`` are equal in equivalent runs."""

    at: float  # seconds since the scenario began
    parts: tuple[
        str, ...
    ]  # its kind, such as "event download-finished", and its values with their places
    text: str  # the original line


@dataclass(frozen=True, slots=True)
class Difference:
    """The first line of each side that the other lacks; None if it lacks none."""

    node: str
    left: Said | None
    right: Said | None

    @property
    def at(self) -> float:
        """When the two diverged, in seconds since the scenario began."""
        return min(said.at for said in (self.left, self.right) if said)


def compare_turns(left: Path, right: Path, family: Family) -> list[Difference]:
    """Return where the nodes of two turns diverged, earliest first. Raises CompareError."""
    mine, other = read_turn(left, family), read_turn(right, family)
    found = []
    for node in dict.fromkeys([*mine, *other]):
        difference = first_difference(node, mine.get(node, []), other.get(node, []))
        if difference:
            found.append(difference)
    return sorted(found, key=lambda difference: difference.at)


def first_difference(node: str, left: Sequence[Said], right: Sequence[Said]) -> Difference | None:
    """Return where two records of one node diverge, or None."""
    only_left, only_right = _first_beyond(left, right), _first_beyond(right, left)
    return Difference(node, only_left, only_right) if only_left or only_right else None


def read_turn(folder: Path, family: Family) -> dict[str, list[Said]]:
    """Return each node's normalised lines in a turn. Raises CompareError."""
    story = folder / SCENARIO_FILE
    if not story.is_file():
        raise CompareError(f"{folder} is not the folder of a scenario: it has no {story.name}.")
    records = list(_records(story))
    began = float(records[0]["at"]) if records else 0.0
    logs = {
        str(record["node"]): folder / f"{file_stem(str(record['node']))}.jsonl"
        for record in records
        if record["kind"] == "node-starting"
    }
    lines = {node: list(_records(file)) for node, file in logs.items() if file.is_file()}
    names = _names(folder, records, lines, family.words.node_id)
    return {
        node: [said for line in log if (said := _said(line, began, names, family))]
        for node, log in lines.items()
    }


def turn_folder(runs: Path, run: str, scenario_id: str) -> Path:
    """Return the folder of a turn, given as a run's name, `latest` or path, with :TURN if repeated.

    Raises CompareError.
    """
    name, _, turn = run.partition(":")
    folder = named_run(runs, name) / scenario_id
    if not folder.is_dir():
        kept = sorted(path.parent.name for path in runs.glob(f"[0-9]*/{scenario_id}"))
        raise CompareError(
            f"There is no {scenario_id} in {runs / name}. Runs that have it, and {LATEST}: "
            f"{', '.join(kept) or 'none'}."
        )
    turns = sorted((path.name for path in folder.glob("[0-9]*")), key=int)
    if turns and turn not in turns:
        raise CompareError(
            f"{scenario_id} had {len(turns)} turns in {name}; say which: {name}:{turns[0]} to "
            f"{name}:{turns[-1]}."
        )
    return folder / turn if turns else folder


def difference_lines(differences: Sequence[Difference], left: str, right: str) -> list[str]:
    """Format the differences, with the names of the two sides."""
    if not differences:
        return ["All nodes read and wrote the same, except for times, addresses and ids."]
    lines = []
    for number, difference in enumerate(differences):
        first = " (the first to differ)" if number == 0 and len(differences) > 1 else ""
        lines.append(f"{difference.node}{first}:")
        for name, said in ((left, difference.left), (right, difference.right)):
            shown = (
                f"{said.at:.3f} s {printable(said.text[:400])}"
                if said
                else "nothing that the other lacks"
            )
            lines.append(f"  only in {name}: {shown}")
    return lines


def _first_beyond(said: Sequence[Said], other: Sequence[Said]) -> Said | None:
    """Return the first line with a part that the other side lacks, or has less often."""
    left = Counter(part for one in other for part in one.parts)
    for one in said:
        left.subtract(one.parts)
        # If there are five instead of four, the last one is the extra one.
        if any(left[part] < 0 for part in one.parts):
            return one
    return None


def _names(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    lines: Mapping[str, Sequence[Mapping[str, Any]]],
    node_id: str,
) -> dict[str, str]:
    """Return placeholders for the turn's ids, addresses and folder; the longest first."""
    names = {str(folder.resolve()): "<folder>", str(folder.absolute()): "<folder>"}
    for record in records:
        if record["kind"] == "node-starting":
            names[str(record["address"])] = f"<{record['name']}>"
    for node, log in lines.items():
        for line in log:
            data = (_message(line) or {}).get("data")
            if isinstance(data, dict) and (own_id := text_of(data, node_id)):
                # The first node to name an id is its owner, in the ready event.
                names.setdefault(own_id, f"<id of {node.partition('#')[0]}>")
                break
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _said(
    line: Mapping[str, Any], began: float, names: Mapping[str, str], family: Family
) -> Said | None:
    message = _message(line)
    if message is None or message.get("event") in family.paced:
        return None
    kind = "command " + str(message.get("cmd") or message.get("command"))
    if line["stream"] == "out":
        kind = f"{message.get('type')} {message.get('event') or message.get('code') or ''}".strip()
    alike = json.dumps(_steady(message, _VARYING | family.varying), sort_keys=True)
    for text, name in names.items():
        alike = alike.replace(text, name)
    values = _values("", json.loads(_PORT.sub(r"\1", alike)), family.words)
    parts = (kind, *(f"{kind} {place}={value}" for place, value in values))
    return Said(round(float(line["at"]) - began, 3), parts, str(line["text"]))


def _steady(value: Any, varying: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _steady(each, varying) for key, each in value.items() if key not in varying}
    return [_steady(each, varying) for each in value] if isinstance(value, list) else value


def _values(place: str, value: Any, words: Words) -> Iterator[tuple[str, str]]:
    """Return each value in a message with its place; rows of a list are named by identity."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _values(f"{place}.{key}", each, words)
    elif isinstance(value, list):
        names = [_name(each, words) for each in value]
        yield place, " ".join(names)  # their number and order, which belong to one reply
        for name, each in zip(names, value, strict=True):
            yield from _values(f"{place}[{name}]", each, words)
    else:
        yield place, json.dumps(value)


def _name(row: Any, words: Words) -> str:
    # Not by the node: which node gets which part of the work varies between runs.
    identities = [name for name in words.identities if name != words.node_id]
    named = [row[name] for name in identities if name in row] if isinstance(row, dict) else []
    return str(named[0]) if named else ""


def _message(line: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if line.get("stream") not in ("in", "out"):
        return None
    try:
        value = json.loads(line["text"])
    except ValueError:
        return None  # the always-on checks report it
    return value if isinstance(value, dict) else None


def _records(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # a killed run may leave an incomplete line
                yield json.loads(line)
