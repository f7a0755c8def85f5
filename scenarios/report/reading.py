"""Reads a finished run folder back: the verdicts, what the scenarios did, what the nodes said."""

import ast
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scenarios.core.log import Line, Stream, json_object
from scenarios.core.scene import file_stem
from scenarios.results import ScenarioResult

SCENARIOS = Path(__file__).parents[1]
SCENARIO_FILE = "scenario.jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of scenario.jsonl; which fields it has depends on ``kind``."""

    kind: str
    at: float  # seconds since the run began
    node: str = ""
    address: str = ""
    exit_code: int | None = None
    expected: bool = True
    what: str = ""
    wanted: str = ""
    check_kind: str = ""
    passed: bool = True
    read: str = ""  # of a check: the line that the scenario had waited for last, `alpha.jsonl:12`
    since: float = 0.0
    detail: str = ""
    cause: str | None = None
    text: str = ""
    took_s: float = 0.0
    trigger_node: str = ""
    trigger: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class NodeLines:
    """One node's file; ``Line.index`` counts the file's lines from 0."""

    label: str
    file: str  # relative to the run's folder
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class ScenarioFolder:
    """All that is kept of one scenario."""

    result: ScenarioResult
    records: list[Record]
    nodes: list[NodeLines]
    unreadable: int  # lines that were cut off when the run was killed


def read_scenario(run: Path, result: ScenarioResult) -> ScenarioFolder:
    """Read one scenario's files; one that never got as far as to have any is empty."""
    folder = run / (result.folder or result.id)
    records, bad_records = _read(folder / SCENARIO_FILE, Record)
    labels = {
        file_stem(record.node): record.node for record in records if record.kind == "node-starting"
    }
    # In the order in which they were started; files of others behind them.
    stems = [*labels, *sorted({path.stem for path in folder.glob("*.jsonl")} - {*labels})]
    nodes, unreadable = [], bad_records
    for stem in stems:
        path = folder / f"{stem}.jsonl"
        if path.name == SCENARIO_FILE:
            continue
        kept, bad = _read(path, _KeptLine)
        unreadable += bad
        lines = [one.line(index) for index, one in enumerate(kept)]
        nodes.append(NodeLines(labels.get(stem, stem), str(path.relative_to(run)), lines))
    return ScenarioFolder(result, records, nodes, unreadable)


def source_lines(where: str, before: int = 4) -> list[tuple[str, bool]]:
    """Return the statement at a place such as ``test_losses.py:65``, with what is before it.

    Each line comes with whether it is of the statement; none when the place is not found.
    """
    name, _, place = where.partition(":")
    files = list(SCENARIOS.rglob(name)) if name and place.isdigit() else []
    if len(files) != 1:
        return []
    text, number = files[0].read_text(encoding="utf-8"), int(place)
    around = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno <= number <= (node.end_lineno or 0)
    ]
    if not around:
        return []
    begin, end = max(around)
    first = max(1, begin - before)
    shown = textwrap.dedent("\n".join(text.splitlines()[first - 1 : end])).splitlines()
    return [(line, first + index >= begin) for index, line in enumerate(shown)]


@dataclass(frozen=True, slots=True)
class _KeptLine:
    at: float
    wall: float
    stream: Stream
    text: str
    complete: bool = True

    def line(self, index: int) -> Line:
        message = None if self.stream == "err" else json_object(self.text)
        return Line(index, self.at, self.wall, self.stream, self.text, message, self.complete)


def _read(path: Path, kind: type[Any]) -> tuple[list[Any], int]:
    """Return a file's records of one kind, and how many lines are none."""
    found, bad = [], 0
    for document in _documents(path):
        try:
            found.append(msgspec.convert(document, kind))
        except msgspec.ValidationError:
            bad += 1
    return found, bad


def _documents(path: Path) -> Iterator[object]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    for line in raw.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield None


def text_of(data: Mapping[str, Any], key: str) -> str:
    """Return a field that should be text; nodes may be hostile, so anything else is no text."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def number_of(data: Mapping[str, Any], key: str) -> int:
    """Return a field that should be a size or an offset; anything else, and the absurd, is 0."""
    value = data.get(key)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if usable and isinstance(value, int) else 0


def objects_of(data: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    """Return the objects of a field that should be a list of them."""
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
