"""Two turns of one scenario side by side: the first thing a node said in one and not in the other.

What differs between any two runs (ids, addresses, paths, times, measured figures, `seq`) is made
alike first, and an order that two threads drew is no difference.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.core.scene import file_stem
from scenarios.results import LATEST

# Of an envelope or an event's data: told by a clock, or counted from what a clock told.
VOLATILE = frozenset(
    ["seq", "ts", "uptime_s", "duration_ms", "bytes_per_second", "mib_per_s", "mbit_per_s"]
)
# Events that come as often as time allows.
PACED = frozenset(["download-progress"])
_PORT = re.compile(r"(<[^<>]+>):\d+")


class CompareError(Exception):
    """There is nothing to compare; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a node; ``kind`` and ``alike`` are the same in every run that does the same."""

    at: float  # seconds since the scenario began
    kind: str  # such as "event download-finished"
    alike: str  # the whole line, made alike
    text: str  # as it was


@dataclass(frozen=True, slots=True)
class Difference:
    """The first line of each side that the other never has; None: it has all of them."""

    node: str
    left: Said | None
    right: Said | None

    @property
    def at(self) -> float:
        """When the two parted, in seconds since the scenario began."""
        return min(said.at for said in (self.left, self.right) if said)


def compare_turns(left: Path, right: Path) -> list[Difference]:
    """Return where the nodes of two turns parted, the earliest first; CompareError.

    A node that differs in what kinds of lines it has is shown by these; only else by their data.
    """
    mine, other = read_turn(left), read_turn(right)
    found = []
    for node in dict.fromkeys([*mine, *other]):
        difference = first_difference(node, mine.get(node, []), other.get(node, []))
        if difference:
            found.append(difference)
    return sorted(found, key=lambda difference: difference.at)


def first_difference(node: str, left: Sequence[Said], right: Sequence[Said]) -> Difference | None:
    """Return where two records of one node part, or None."""
    for key in (lambda said: said.kind), (lambda said: said.alike):
        extra_left = Counter(map(key, left)) - Counter(map(key, right))
        extra_right = Counter(map(key, right)) - Counter(map(key, left))
        if extra_left or extra_right:
            # Of five where there should be four, the last one is too many.
            return Difference(
                node,
                _first_beyond(left, key, Counter(map(key, right))),
                _first_beyond(right, key, Counter(map(key, left))),
            )
    return None


def read_turn(folder: Path) -> dict[str, list[Said]]:
    """Return what each node of a turn was sent and said, made alike; raises CompareError."""
    story = folder / "scenario.jsonl"
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
    names = _names(folder, records, lines)
    return {
        node: [said for line in log if (said := _said(line, began, names))]
        for node, log in lines.items()
    }


def turn_folder(runs: Path, run: str, scenario_id: str) -> Path:
    """Return the folder of a scenario's turn: RUN is a run's name, or `latest`, or RUN:TURN.

    Raises CompareError.
    """
    name, _, turn = run.partition(":")
    folder = runs / name / scenario_id
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
    """Return the differences as text, with the names of the two sides."""
    if not differences:
        return ["No node said or was sent anything else, but for times, addresses and ids."]
    lines = []
    for number, difference in enumerate(differences):
        first = " (the first to differ)" if number == 0 and len(differences) > 1 else ""
        lines.append(f"{difference.node}{first}:")
        for name, said in ((left, difference.left), (right, difference.right)):
            shown = f"{said.at:.3f} s {said.text[:400]}" if said else "nothing that the other lacks"
            lines.append(f"  only in {name}: {shown}")
    return lines


def _first_beyond(said: Sequence[Said], key: Any, allowed: "Counter[str]") -> Said | None:
    left = allowed.copy()
    for one in said:
        if left[key(one)] == 0:
            return one
        left[key(one)] -= 1
    return None


def _names(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    lines: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, str]:
    """Return what stands for a node, or for the folder, in this turn only; the longest first."""
    names = {str(folder.resolve()): "<folder>", str(folder.absolute()): "<folder>"}
    for record in records:
        if record["kind"] == "node-starting":
            names[str(record["address"])] = f"<{record['name']}>"
    for node, log in lines.items():
        for line in log:
            data = (_message(line) or {}).get("data")
            if isinstance(data, dict) and isinstance(data.get("peer_id"), str):
                # Who says so first speaks of itself (CONTRACT section 5: local-peer-ready).
                names.setdefault(data["peer_id"], f"<id of {node.partition('#')[0]}>")
                break
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _said(line: Mapping[str, Any], began: float, names: Mapping[str, str]) -> Said | None:
    message = _message(line)
    if message is None or message.get("event") in PACED:
        return None
    kind = "command " + str(message.get("cmd") or message.get("command"))
    if line["stream"] == "out":
        kind = f"{message.get('type')} {message.get('event') or message.get('code') or ''}".strip()
    alike = json.dumps(_steady(message), sort_keys=True)
    for text, name in names.items():
        alike = alike.replace(text, name)
    alike = _PORT.sub(r"\1", alike)
    return Said(round(float(line["at"]) - began, 3), kind, alike, str(line["text"]))


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(each) for key, each in value.items() if key not in VOLATILE}
    return [_steady(each) for each in value] if isinstance(value, list) else value


def _message(line: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if line.get("stream") not in ("in", "out"):
        return None
    try:
        value = json.loads(line["text"])
    except ValueError:
        return None  # the always-on checks tell of it
    return value if isinstance(value, dict) else None


def _records(file: Path) -> Iterator[Mapping[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # a killed run may have left half of one
                yield json.loads(line)
