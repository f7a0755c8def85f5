"""The data of the report's page and trace; times are in seconds since the run began.

Lines are identified by their number in the node's file, from 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from scenarios.family.story import Bar, Connection, Look, Transfer
from scenarios.results.results import Outcome, RunVerdict

LineKind: TypeAlias = Literal["event", "command", "reply", "refusal", "stderr", "other"]
# [number, at, kind, name, text, characters cut off]: an array, since there are many.
ShownLine: TypeAlias = tuple[int, float, LineKind, str, str, int]


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of a node."""

    label: str
    file: str
    address: str
    ids: Sequence[str]  # its ids in the lines
    started: float
    ended: float | None
    ending: str  # how it ended, for people; empty while it runs
    unexpected: bool  # it was not asked to end
    total_lines: int
    lines: Sequence[ShownLine]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One check or wait with its result."""

    what: str
    kind: str
    passed: bool
    at: float
    since: float
    node: str
    detail: str
    read: str = ""  # of a check: the line last waited for, such as `alpha.jsonl:12`


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One fault that was injected, or failed."""

    what: str
    node: str
    at: float
    took_s: float
    trigger_node: str
    trigger: str
    trigger_line: int  # 0: injected at once
    error: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a scenario failed, most important first."""

    expectation: str
    kind: Literal["wait", "check", "always", "error"]
    node: str  # empty if it concerns several
    since: float
    at: float
    cause: str  # for people
    wanted: str
    got: str  # what arrived instead
    near: Sequence[str]  # near misses: lines with the right name but other fields
    where: str  # in the scenario's source
    # The source lines up to there, read when the report is written; True: part of the statement.
    source: Sequence[tuple[str, bool]]
    also: Sequence[str]  # other findings of the checks at the end
    lane: str  # whose line to look at first, or empty
    line: int
    text: str  # the complete text from the terminal


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """Everything shown about one scenario."""

    begin: float
    end: float
    lanes: Sequence[Lane]
    bars: Sequence[Bar]
    connections: Sequence[Connection]
    transfers: Sequence[Transfer]
    expectations: Sequence[Expectation]
    faults: Sequence[InjectedFault]
    steps: Sequence[tuple[float, str]]
    failure: Failure | None
    notes: Sequence[str]  # what is omitted, and where to find it
    # When the failure ended it; None if it finished, or went on as in audits.
    stopped: float | None = None
    looks: Mapping[str, Look] = field(default_factory=dict)  # of events, by name
    broken: Sequence[str] = ()  # the failed always-on checks, in order


@dataclass(frozen=True, slots=True)
class Summary:
    """One scenario's row in the overview."""

    key: str  # its folder in the run's
    id: str
    name: str
    proves: str
    outcome: Outcome
    duration_s: float
    evidence: str
    reason: str
    again: str
    nodes: int
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Alike:
    """Failures that share a failed always-on check, or else the same failed check."""

    what: str
    keys: Sequence[str]  # of their scenarios; the first is shown in full


@dataclass(frozen=True, slots=True)
class RunView:
    """The whole report; ``scenarios`` and ``views`` correspond."""

    run_id: str
    backend: str
    seed: int
    versions: Mapping[str, str]
    started: float  # Unix seconds
    duration_s: float
    verdict: RunVerdict
    outcome: str  # of the run, for people
    tested: str  # which program, at which commit, by which command line
    unfinished: Sequence[str]  # for people: which turns were cut off or not begun
    scenarios: Sequence[Summary]
    views: Sequence[ScenarioView]
    alike: Sequence[Alike] = ()  # contains every failure, the largest group first
