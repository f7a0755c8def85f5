"""Converts a run's data into the report's model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from scenarios.core.backends.base import Ended
from scenarios.core.log import describe_end
from scenarios.family.discovery import family_of
from scenarios.family.story import NodeLines
from scenarios.report.activity import events_of, ids_of, names_by_id
from scenarios.report.alike import alike
from scenarios.report.failure import failure_of, flush
from scenarios.report.model import (
    Expectation,
    Failure,
    InjectedFault,
    Lane,
    RunView,
    ScenarioView,
    Summary,
)
from scenarios.report.reading import (
    Record,
    ScenarioFolder,
    source_lines,
)
from scenarios.report.thinning import allowances, cost, most_telling, shown_lines
from scenarios.results.results import RunResults, ScenarioResult, run_outcome, under_test

EXPECTATIONS_SHOWN = 300
LONGEST_TEXT = 20_000
FAILED_COUNTS = 8  # a failed scenario may take as much space as this many others


def scenario_view(folder: ScenarioFolder) -> ScenarioView:
    """Return the complete view of one scenario; only overlong lines are truncated yet."""
    records, nodes = folder.records, folder.nodes
    events = {node.label: events_of(node) for node in nodes}
    family = family_of(folder.result.id)
    story = family.story
    names = names_by_id(events, family.words)
    times = [record.at for record in records] + [line.at for node in nodes for line in node.lines]
    checks = [record for record in records if record.kind == "check"]
    failed = [check for check in checks if not check.passed]
    shown = checks if len(checks) <= EXPECTATIONS_SHOWN else [*checks[:EXPECTATIONS_SHOWN], *failed]
    notes = []
    if folder.unreadable:
        notes.append(f"{folder.unreadable} lines of its files are cut off and could not be read.")
    if len(shown) < len(checks):
        notes.append(
            f"{len(checks) - len(shown)} of {len(checks)} expectations are left out; all are in "
            f"{folder.result.folder}/scenario.jsonl."
        )
    result = folder.result
    failure = None
    if result.outcome == "failed":
        failure = failure_of(result.failure, records, nodes)
        failure = replace(
            failure,
            text=_short(failure.text),
            got=_short(failure.got),
            source=source_lines(failure.where),
        )
    return ScenarioView(
        begin=min(times, default=0.0),
        end=max(times, default=0.0),
        lanes=[_lane(node, records, ids_of(events[node.label], family.words)) for node in nodes],
        bars=[bar for label, of_node in events.items() for bar in story.bars(label, of_node)],
        connections=story.connections(nodes, events, names),
        transfers=sorted(
            (
                one
                for label, of_node in events.items()
                for one in story.transfers(label, of_node, names)
            ),
            key=lambda one: one.begin,
        ),
        expectations=[_expectation(record) for record in shown],
        faults=[_fault(record, nodes) for record in records if record.kind == "fault"],
        steps=[(record.at, record.text) for record in records if record.kind == "step"],
        failure=failure,
        notes=notes,
        stopped=_stopped(failure, checks) if failure else None,
        looks=story.looks,
        broken=[check.what for check in failed if check.check_kind == "always"],
    )


def run_view(
    results: RunResults,
    views: Sequence[ScenarioView],
    again: Callable[[ScenarioResult], str],
    lines_budget: int,
) -> RunView:
    """Return the whole report, with at most ``lines_budget`` bytes of lines."""
    wishes = [sum(cost(line) for lane in view.lanes for line in lane.lines) for view in views]
    shares = [FAILED_COUNTS if view.failure else 1 for view in views]
    # A failed scenario counts as several, each with a part of its lines.
    parts = [
        wish // share + 1 for wish, share in zip(wishes, shares, strict=True) for _ in range(share)
    ]
    granted = iter(allowances(parts, lines_budget))
    budgets = [sum(next(granted) for _ in range(share)) for share in shares]
    thinned = [thin(view, budget) for view, budget in zip(views, budgets, strict=True)]
    keys = [result.folder or result.id for result in results.scenarios]
    outcome = run_outcome(results)
    return RunView(
        run_id=results.run_id,
        backend=results.backend,
        seed=results.seed,
        versions=results.versions,
        started=results.started,
        duration_s=results.duration_s,
        verdict=outcome.verdict,
        outcome=outcome.text,
        tested=under_test(results),
        unfinished=_unfinished(results),
        scenarios=[
            Summary(
                key=key,
                id=result.id,
                name=result.name,
                proves=result.proves,
                outcome=result.outcome,
                duration_s=result.duration_s,
                evidence=result.evidence,
                reason=result.reason,
                again=again(result),
                nodes=len(view.lanes),
                failure=view.failure,
            )
            for key, result, view in zip(keys, results.scenarios, thinned, strict=True)
        ],
        views=thinned,
        alike=alike(
            (key, view.failure, view.broken)
            for key, view in zip(keys, views, strict=True)
            if view.failure
        ),
    )


def _unfinished(results: RunResults) -> list[str]:
    ends = (("was cut off", results.cut_off), ("was not begun", results.not_begun))
    return [f"{turn.replace('/', ' turn ')} {end}" for end, turns in ends for turn in turns]


def thin(view: ScenarioView, budget: int) -> ScenarioView:
    """Return the view with the lines that fit, and a note for each file with omitted lines."""
    wishes = [sum(map(cost, lane.lines)) for lane in view.lanes]
    lanes, notes = [], list(view.notes)
    for lane, granted in zip(view.lanes, allowances(wishes, budget), strict=True):
        lines = most_telling(lane.lines, granted)
        if len(lines) < lane.total_lines:
            notes.append(
                f"{lane.total_lines - len(lines)} of the {lane.total_lines} lines of {lane.label} "
                f"are left out here, so that this page opens quickly; all are in {lane.file}."
            )
        lanes.append(replace(lane, lines=lines))
    return replace(view, lanes=lanes, notes=notes)


def _stopped(failure: Failure, checks: Sequence[Record]) -> float | None:
    """Return when the failure ended the scenario; later lines say nothing about the nodes."""
    if failure.kind == "error":
        return failure.at
    # Always-on checks run at the end.
    own = [check for check in checks if check.check_kind != "always"]
    failed = [check for check in own if not check.passed]
    return failed[0].at if len(failed) == 1 and failed[0] is own[-1] else None


def _lane(node: NodeLines, records: Sequence[Record], ids: Sequence[str]) -> Lane:
    of_node = [record for record in records if record.node == node.label]
    started = next((one for one in of_node if one.kind.startswith("node-start")), None)
    ended = next((one for one in of_node if one.kind == "node-ended"), None)
    first = node.lines[0].at if node.lines else 0.0
    return Lane(
        label=node.label,
        file=node.file,
        address=started.address if started else "",
        ids=ids,
        started=started.at if started else first,
        ended=ended.at if ended else None,
        ending=describe_end(Ended(ended.exit_code, ended.cause or "")) if ended else "",
        unexpected=ended is not None and not ended.expected,
        total_lines=len(node.lines),
        lines=shown_lines(node.lines),
    )


def _expectation(record: Record) -> Expectation:
    return Expectation(
        what=record.what,
        kind=record.check_kind,
        passed=record.passed,
        at=record.at,
        since=record.since,
        node=record.node,
        detail="" if record.passed else _short(flush(record.detail), 2000),
        read=record.read,
    )


def _fault(record: Record, nodes: Sequence[NodeLines]) -> InjectedFault:
    number = next(
        (
            line.index + 1
            for node in nodes
            if record.trigger and node.label == record.trigger_node
            for line in node.lines
            if line.text == record.trigger
        ),
        0,
    )
    return InjectedFault(
        what=record.what,
        node=record.node,
        at=record.at,
        took_s=record.took_s,
        trigger_node=record.trigger_node,
        trigger=_short(record.trigger, 2000),
        trigger_line=number,
        error=record.error,
    )


def _short(text: str, longest: int = LONGEST_TEXT) -> str:
    left = len(text) - longest
    return text if left <= 0 else f"{text[:longest]}\n… and {left} more characters"
