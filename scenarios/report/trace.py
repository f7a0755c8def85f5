"""The run as a Trace Event file, which https://ui.perfetto.dev and chrome://tracing open.

Each scenario and each of its nodes is a process there.
"""

from collections.abc import Iterator
from typing import Any

from scenarios.report.model import RunView, ScenarioView, Summary

Entry = dict[str, Any]
_LINES, _BYTES, _SCENARIO = 1, 2, 3
_THREADS = {_LINES: "lines", _BYTES: "bytes"}
_TEXT_SHOWN = 1000


def trace(run: RunView) -> dict[str, Any]:
    """Return the document; times in it are microseconds since the run began."""
    events: list[Entry] = []
    pid = 0
    for summary, view in zip(run.scenarios, run.views, strict=True):
        pids = {lane.label: pid + 2 + index for index, lane in enumerate(view.lanes)}
        events += _scenario(summary, view, pid + 1)
        for label, number in pids.items():
            events += _named(number, f"{summary.key} {label}")
            events += [
                _meta("thread_name", number, thread, name) for thread, name in _THREADS.items()
            ]
        events += _nodes(view, pids)
        events += _deliveries(view, pids)
        pid += 1 + len(pids)
    notes = [note for view in run.views for note in view.notes]
    about: Entry = {
        "notes": notes,
        "run": run.run_id,
        "backend": run.backend,
        "seed": run.seed,
        **run.versions,
    }
    return {"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}


def _scenario(summary: Summary, view: ScenarioView, pid: int) -> Iterator[Entry]:
    yield from _named(pid, f"{summary.key} {summary.name}")
    yield _meta("thread_name", pid, _SCENARIO, "scenario")
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
        yield _instant(f"fault: {fault.what}", pid, _SCENARIO, fault.at, args) | {"s": "g"}


def _nodes(view: ScenarioView, pids: dict[str, int]) -> Iterator[Entry]:
    for lane in view.lanes:
        pid = pids[lane.label]
        for number, at, kind, name, text, _ in lane.lines:
            args = {"kind": kind, "line": f"{lane.file}:{number}", "text": text[:_TEXT_SHOWN]}
            yield _instant(name, pid, _LINES, at, args)
    for bar in view.bars:
        args = {"outcome": bar.outcome or "still active at the end"}
        end = view.end if bar.end is None else bar.end
        yield from _async(f"{bar.operation} {bar.game}", pids[bar.lane], bar.begin, end, args)


def _deliveries(view: ScenarioView, pids: dict[str, int]) -> Iterator[Entry]:
    flow = 0
    for transfer in view.transfers:
        for at, done in transfer.samples:
            name = f"downloaded of {transfer.game}"
            yield _entry("C", name, pids[transfer.lane], 0, at, {"bytes": done})
        for file in transfer.files:
            for piece in file.pieces:
                if piece.source not in pids:
                    continue
                flow += 1
                name = f"{file.path}[{piece.offset}:{piece.length}]"
                args = {"source": piece.source, "bytes": piece.length, "again": piece.again}
                # A flow arrow binds to spans, so both ends get one of the shortest length.
                for phase, node in (("s", piece.source), ("f", transfer.lane)):
                    pid = pids[node]
                    yield _span(name, pid, _BYTES, piece.at, piece.at, args)
                    ends = {"cat": "bytes", "id": f"{pids[transfer.lane]}:{flow}", "bp": "e"}
                    yield _entry(phase, name, pid, _BYTES, piece.at, {}) | ends


def _named(pid: int, name: str) -> list[Entry]:
    sort = _meta("process_sort_index", pid, 0, "")
    sort["args"] = {"sort_index": pid}
    return [_meta("process_name", pid, 0, name), sort]


def _meta(what: str, pid: int, tid: int, name: str) -> Entry:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _entry(phase: str, name: str, pid: int, tid: int, at: float, args: Entry) -> Entry:
    return {"ph": phase, "name": name, "pid": pid, "tid": tid, "ts": _us(at), "args": args}


def _instant(name: str, pid: int, tid: int, at: float, args: Entry) -> Entry:
    return _entry("i", name, pid, tid, at, args) | {"s": "t"}


def _span(name: str, pid: int, tid: int, begin: float, end: float, args: Entry) -> Entry:
    return _entry("X", name, pid, tid, begin, args) | {"dur": max(1, _us(end) - _us(begin))}


def _async(name: str, pid: int, begin: float, end: float, args: Entry) -> list[Entry]:
    """Return a span that may overlap others without being nested in them."""
    both = {"cat": "span", "id": f"{pid}:{begin}:{name}"}
    return [
        _entry("b", name, pid, 0, begin, args) | both,
        _entry("e", name, pid, 0, end, {}) | both,
    ]


def _us(at: float) -> int:
    return round(at * 1_000_000)
