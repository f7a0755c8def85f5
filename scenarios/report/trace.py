"""The run as a Trace Event file, which https://ui.perfetto.dev opens.

Each scenario is a process in the trace, with a thread for the scenario itself, one for each node's
lines, and one for each node's pieces of files. Perfetto orders processes by size, so that nodes as
processes would not stay together.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from scenarios.report.model import RunView, ScenarioView, Summary

Entry = dict[str, Any]
_SCENARIO = 1
_TEXT_SHOWN = 1000


def trace(run: RunView) -> dict[str, Any]:
    """Return the document; its times are in microseconds since the run began."""
    events: list[Entry] = []
    arrows = itertools.count(1)  # Perfetto accepts only integers, unique in the whole document
    for pid, (summary, view) in enumerate(zip(run.scenarios, run.views, strict=True), 1):
        lines = {lane.label: _SCENARIO + 1 + 2 * at for at, lane in enumerate(view.lanes)}
        pieces = {label: thread + 1 for label, thread in lines.items()}
        events.append(_meta("process_name", pid, 0, f"{summary.key} {summary.name}"))
        events += _threads(pid, {"scenario": _SCENARIO})
        events += _threads(pid, lines)
        events += _threads(pid, {f"{label} bytes": each for label, each in pieces.items()})
        events += _scenario(summary, view, pid)
        events += _nodes(view, pid, lines)
        events += _deliveries(view, pid, pieces, arrows)
    notes = [note for view in run.views for note in view.notes]
    about: Entry = {
        "notes": notes,
        "run": run.run_id,
        "backend": run.backend,
        "seed": run.seed,
        **run.versions,
    }
    return {"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}


def _threads(pid: int, threads: dict[str, int]) -> Iterator[Entry]:
    for name, thread in threads.items():
        yield _meta("thread_name", pid, thread, name)
        yield _meta("thread_sort_index", pid, thread, "") | {"args": {"sort_index": thread}}


def _scenario(summary: Summary, view: ScenarioView, pid: int) -> Iterator[Entry]:
    args = {"outcome": summary.outcome, "evidence": summary.evidence, "proves": summary.proves}
    yield _span(summary.id, pid, _SCENARIO, view.begin, view.end, args)
    for at, text in view.steps:
        yield _instant(text, pid, _SCENARIO, at, {})
    for one in view.expectations:
        outcome = "passed" if one.passed else "FAILED"
        args = {"outcome": outcome, "node": one.node, "detail": one.detail}
        if one.kind == "wait":
            yield from _async(one.what, pid, one.since, one.at, args)
        else:
            yield _instant(f"{outcome}: {one.what}", pid, _SCENARIO, one.at, args)
    for fault in view.faults:
        args = {"node": fault.node, "trigger": fault.trigger, "error": fault.error}
        yield _instant(f"fault: {fault.what}", pid, _SCENARIO, fault.at, args)


def _nodes(view: ScenarioView, pid: int, threads: dict[str, int]) -> Iterator[Entry]:
    for lane in view.lanes:
        for number, at, kind, name, text, _ in lane.lines:
            args = {"kind": kind, "line": f"{lane.file}:{number}", "text": text[:_TEXT_SHOWN]}
            yield _instant(name, pid, threads[lane.label], at, args)
    for bar in view.bars:
        args = {"outcome": bar.outcome or "still active at the end"}
        end = view.end if bar.end is None else bar.end
        yield from _async(f"{bar.lane}: {bar.operation} {bar.item}", pid, bar.begin, end, args)


def _deliveries(
    view: ScenarioView, pid: int, threads: dict[str, int], arrows: Iterator[int]
) -> Iterator[Entry]:
    for transfer in view.transfers:
        for at, done in transfer.samples:
            name = f"{transfer.lane}: downloaded of {transfer.item}"
            yield _entry("C", name, pid, 0, at, {"bytes": done})
        for file in transfer.files:
            for piece in file.pieces:
                if piece.source not in threads:
                    continue
                arrow = next(arrows)
                name = f"{file.path}[{piece.offset}:{piece.length}]"
                args = {"source": piece.source, "bytes": piece.length, "again": piece.again}
                # A flow arrow needs spans, so both ends get one of minimal length.
                for phase, node in (("s", piece.source), ("f", transfer.lane)):
                    yield _span(name, pid, threads[node], piece.at, piece.at, args)
                    ends = {"cat": "bytes", "id": arrow, "bp": "e"}
                    yield _entry(phase, name, pid, threads[node], piece.at, {}) | ends


def _meta(what: str, pid: int, tid: int, name: str) -> Entry:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _entry(phase: str, name: str, pid: int, tid: int, at: float, args: Entry) -> Entry:
    return {"ph": phase, "name": name, "pid": pid, "tid": tid, "ts": _us(at), "args": args}


def _instant(name: str, pid: int, tid: int, at: float, args: Entry) -> Entry:
    return _entry("i", name, pid, tid, at, args) | {"s": "t"}


def _span(name: str, pid: int, tid: int, begin: float, end: float, args: Entry) -> Entry:
    return _entry("X", name, pid, tid, begin, args) | {"dur": max(1, _us(end) - _us(begin))}


def _async(name: str, pid: int, begin: float, end: float, args: Entry) -> list[Entry]:
    """Return a span that may overlap others without nesting."""
    # Local to the process: Perfetto shows spans with a plain `id` outside all processes.
    both = {"cat": "span", "id2": {"local": f"{begin}:{name}"}}
    return [
        _entry("b", name, pid, 0, begin, args) | both,
        _entry("e", name, pid, 0, end, {}) | both,
    ]


def _us(at: float) -> int:
    return round(at * 1_000_000)
