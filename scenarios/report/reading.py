"""Reads a finished run's folder: results, scenarios' records, nodes' lines."""

import ast
import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scenarios.core.log import Line, Stream, json_object
from scenarios.core.scene import SCENARIO_FILE, file_stem
from scenarios.family.story import NodeLines
from scenarios.results.results import ScenarioResult
from scenarios.root import ROOT


@dataclass(frozen=True, slots=True)
class Record:
    """One line of scenario.jsonl; ``kind`` determines its fields."""

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
    read: str = ""  # of a check: the line last waited for, such as `alpha.jsonl:12`
    since: float = 0.0
    detail: str = ""
    cause: str | None = None
    text: str = ""
    took_s: float = 0.0
    trigger_node: str = ""
    trigger: str = ""
    error: str = ""
    # Of a failed check, and of the failure itself.
    got: str = ""
    why: str = ""
    near: Sequence[str] = ()
    found_at: str = ""
    how: str = ""
    where: str = ""
    command: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ScenarioFolder:
    """The files of one scenario."""

    result: ScenarioResult
    records: list[Record]
    nodes: list[NodeLines]
    unreadable: int  # incomplete lines, from a killed run


def read_scenario(run: Path, result: ScenarioResult) -> ScenarioFolder:
    """Read one scenario's files; empty if it never wrote any."""
    folder = run / (result.folder or result.id)
    records, bad_records = _read(folder / SCENARIO_FILE, Record)
    labels = {
        file_stem(record.node): record.node for record in records if record.kind == "node-starting"
    }
    # In the order of their start; other files come last.
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
    """Return the statement at a place such as ``scenarios/…/test_losses.py:65``, with context.

    The path is relative to the project, or absolute. Each line comes with whether it is part of the
    statement; empty if the place is not found.
    """
    name, _, place = where.rpartition(":")
    file = ROOT / name
    if not place.isdigit() or not file.is_file():
        return []
    text, number = file.read_text(encoding="utf-8"), int(place)
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
    """Return a file's records of one type, and the number of other lines."""
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
