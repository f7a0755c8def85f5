"""How a family interprets its nodes' lines: values for the report and the terminal.

Times are in seconds since the run began; lines are numbered from 1 in the node's file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from scenarios.core.log import Event, Line


@dataclass(frozen=True, slots=True)
class NodeLines:
    """One node's file; ``Line.index`` counts the file's lines from 0."""

    label: str
    file: str  # relative to the run's folder
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Bar:
    """An operation, from its appearance in the list of active ones to its disappearance."""

    lane: str
    begin: float
    end: float | None  # None: still active at the last line
    item: str
    operation: str
    outcome: str  # its terminal event
    line: int


@dataclass(frozen=True, slots=True)
class Connection:
    """Two nodes that met. ``asked``: source was told to connect to target."""

    at: float
    source: str
    target: str
    asked: bool
    lane: str  # whose line reports it
    line: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file from one source, and when their chunk finished."""

    offset: int
    length: int
    source: str  # a lane's label, or the node's id if no lane has it
    at: float
    line: int
    again: bool  # some of these bytes had already come
    again_bytes: int = 0  # how many
    before: Sequence[tuple[str, float]] = ()  # earlier sources with their last time, latest first


@dataclass(frozen=True, slots=True)
class FileMap:
    """One file of a transfer, by source."""

    path: str
    size: int
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer to a node, from the command to its end."""

    lane: str
    item: str
    streamed: bool
    begin: float
    end: float | None
    outcome: str  # the terminal event, or empty
    reason: str
    total_bytes: int
    sources: Sequence[str]  # as announced at the start
    by_source: Mapping[str, int]  # bytes, of all files
    files: Sequence[FileMap]  # the largest ones, by name
    files_left_out: int
    pieces_left_out: int
    samples: Sequence[tuple[float, int]]  # time, downloaded bytes
    line: int
    told_at_end: bool = False  # how far it was before is not known
    again_by_source: Mapping[str, int] = field(
        default_factory=dict
    )  # of those, bytes that had already come


@dataclass(frozen=True, slots=True)
class Movement:
    """Movement of bytes in an event; ``item`` distinguishes concurrent transfers of a node."""

    item: str
    bytes: int | None = None  # moved so far; None if not reported
    bytes_per_second: float | None = None  # None: they have stopped


# How an event looks if its name does not tell: "-failed" looks bad, "-finished" good.
Look: TypeAlias = Literal["bad", "good", "bytes", "progress", "event"]
# Labels of nodes by their ids.
Names: TypeAlias = Mapping[str, str]
Events: TypeAlias = Sequence[Event]


def _no_bars(_lane: str, _events: Events) -> list[Bar]:
    return []


def _no_connections(
    _nodes: Sequence[NodeLines], _events: Mapping[str, Events], _names: Names
) -> list[Connection]:
    return []


def _no_transfers(_lane: str, _events: Events, _names: Names) -> list[Transfer]:
    return []


@dataclass(frozen=True, slots=True)
class Story:
    """The interpretation of nodes' lines. A family omits what its nodes do not do."""

    bars: Callable[[str, Events], list[Bar]] = _no_bars
    connections: Callable[[Sequence[NodeLines], Mapping[str, Events], Names], list[Connection]] = (
        _no_connections
    )
    transfers: Callable[[str, Events, Names], list[Transfer]] = _no_transfers
    looks: Mapping[str, Look] = field(default_factory=dict)  # by event name
    # Parsers of events' data, by event name; KeyError and TypeError for data of another shape.
    moves: Mapping[str, Callable[[Mapping[str, Any]], Movement]] = field(default_factory=dict)
