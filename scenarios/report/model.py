"""What the page and the trace show of a run; times are seconds since the run began.

Lines are named by their number in the node's file, from 1 on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from scenarios.results import Outcome

LineKind: TypeAlias = Literal["event", "command", "reply", "refusal", "stderr", "other"]
# [number, at, kind, name, text, characters cut off]: an array, since there are many of them.
ShownLine: TypeAlias = tuple[int, float, LineKind, str, str, int]


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of a node."""

    label: str
    file: str
    address: str
    peer_ids: Sequence[str]
    started: float
    ended: float | None
    ending: str  # how it ended, in words; empty while it runs
    unexpected: bool  # nobody had asked it to end
    total_lines: int
    lines: Sequence[ShownLine]


@dataclass(frozen=True, slots=True)
class Bar:
    """An operation on a game, from its appearance among the active ones to its disappearance."""

    lane: str
    begin: float
    end: float | None  # None: still active at the last line
    game: str
    operation: str
    outcome: str  # the terminal event that came of it
    line: int


@dataclass(frozen=True, slots=True)
class Connection:
    """Two nodes that came to know each other. ``asked``: source was told to connect to target."""

    at: float
    source: str
    target: str
    asked: bool
    lane: str  # whose line tells of it
    line: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file that one source delivered, when its chunk was finished."""

    offset: int
    length: int
    source: str  # a lane's label, or the peer's id when no lane has it
    at: float
    line: int
    again: bool  # some of these bytes had come before
    again_bytes: int = 0  # how many
    before: Sequence[tuple[str, float]] = ()  # from whom, and when last; the latest is first


@dataclass(frozen=True, slots=True)
class FileMap:
    """One file of a download, by who delivered what of it."""

    path: str
    size: int
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One download or streamed install, from its command to its end."""

    lane: str
    game: str
    streamed: bool
    begin: float
    end: float | None
    outcome: str  # the terminal event; empty when none came
    reason: str
    total_bytes: int
    sources: Sequence[str]  # as announced by download-begin
    by_source: Mapping[str, int]  # bytes, of all files
    files: Sequence[FileMap]  # the largest, in the order of their names
    files_left_out: int
    pieces_left_out: int
    samples: Sequence[tuple[float, int]]  # when, downloaded bytes
    line: int
    again_by_source: Mapping[str, int] = field(default_factory=dict)  # had come before, of those


@dataclass(frozen=True, slots=True)
class Expectation:
    """One check or wait that was looked at."""

    what: str
    kind: str
    passed: bool
    at: float
    since: float
    node: str
    detail: str
    read: str = ""  # of a check: the line that the scenario had waited for last, `alpha.jsonl:12`


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """One fault that was carried out, or failed to be."""

    what: str
    node: str
    at: float
    took_s: float
    trigger_node: str
    trigger: str
    trigger_line: int  # 0: placed at once
    error: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a scenario is red, most telling first."""

    expectation: str
    kind: Literal["wait", "check", "always", "error"]
    node: str  # empty: no single one
    since: float
    at: float
    cause: str  # in words
    wanted: str
    got: str  # what arrived instead
    near: Sequence[str]  # lines of the right name that were not what was wanted
    where: str  # in the scenario's source
    # The lines up to there, as they are when the report is written; True: of the statement itself.
    source: Sequence[tuple[str, bool]]
    also: Sequence[str]  # what the checks at the end found besides
    lane: str  # whose line to look at first; empty: none
    line: int
    text: str  # all that the terminal said


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """All that is shown of one scenario."""

    begin: float
    end: float
    lanes: Sequence[Lane]
    bars: Sequence[Bar]
    connections: Sequence[Connection]
    transfers: Sequence[Transfer]
    expectations: Sequence[Expectation]
    faults: Sequence[PlacedFault]
    steps: Sequence[tuple[float, str]]
    failure: Failure | None
    notes: Sequence[str]  # what is not shown, and where it is
    # When the failure ended it; None: it came to its end, or went on, as it does in audits.
    stopped: float | None = None
    broken: Sequence[str] = ()  # the always-on rules that did not hold, in the order of the checks


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
    peers: int
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Alike:
    """Failures with the same rule broken in all of them, or else the same expectation failed."""

    what: str
    keys: Sequence[str]  # of their scenarios; the first is the one to show in full


@dataclass(frozen=True, slots=True)
class RunView:
    """The whole report; ``scenarios`` and ``views`` go together."""

    run_id: str
    backend: str
    seed: int
    versions: Mapping[str, str]
    started: float  # unix seconds
    duration_s: float
    scenarios: Sequence[Summary]
    views: Sequence[ScenarioView]
    alike: Sequence[Alike] = ()  # every failure is in one, the largest first
