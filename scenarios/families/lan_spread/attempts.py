"""Reconstructs each download from the log of its peer. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scenarios.core.always import NodeStory
from scenarios.core.log import Event, Line, event_of

COMMANDS = ("download", "stream-install")
FAILURES = ("download-failed", "download-cancelled", "download-peers-gone")
OUTCOMES = ("download-finished", *FAILURES)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One `download-chunk-finished`; `offset` and `length` in bytes."""

    path: str
    offset: int
    length: int
    peer_id: str
    peer_addr: str
    stamp: float  # by the peer's clock, Unix seconds
    line: Line

    def __str__(self) -> str:
        return f"{self.path}[{self.offset}:{self.offset + self.length}] from {self.peer_addr}"


@dataclass(slots=True)
class Attempt:
    """One download from the command to its outcome; None for what was not reported (yet)."""

    node: str
    game_id: str
    streamed: bool
    asked: Line
    files: dict[str, int] | None = None  # of `got-game-files`: path to bytes
    total_bytes: int | None = None  # of `download-begin`
    held_bytes: int = 0  # kept from an earlier attempt
    chunks: list[Chunk] = field(default_factory=list)
    lost_chunks: int = 0  # of these, how many came from abandoned streams
    outcome: Event | None = None
    progressed: bool = False

    @property
    def begun(self) -> bool:
        """Whether any outcome was reported."""
        return self.files is not None or self.total_bytes is not None or bool(self.chunks)

    @property
    def manifest_bytes(self) -> int | None:
        """The bytes of the agreed manifest."""
        return None if self.files is None else sum(self.files.values())

    def verified_bytes(self, until: float | None = None) -> int:
        """Return the bytes reported as finished, in total or up to a time (Unix seconds)."""
        return self.held_bytes + sum(
            chunk.length for chunk in self.chunks if until is None or chunk.stamp <= until
        )


@dataclass(frozen=True, slots=True)
class Downloads:
    """All downloads of one node, and the chunks that belong to none."""

    attempts: Sequence[Attempt]
    stray: Sequence[Chunk]


def downloads_of(story: NodeStory) -> Downloads:
    """Return the downloads in a node's log. Reads any log, even a nonsensical one.

    A command with an error reply starts nothing. A command for a game that is already being
    downloaded counts as refused too, as it should be.
    """
    refused = {_id_of(line) for line in story.lines if _is_error(line)} - {None}
    attempts: list[Attempt] = []
    stray: list[Chunk] = []
    latest: dict[str, Attempt] = {}
    for line in story.lines:
        if line.stream == "in":
            game_id, command = _told(line)
            earlier = latest.get(game_id)
            under_way = earlier is not None and earlier.begun and earlier.outcome is None
            if game_id and not under_way and _id_of(line) not in refused:
                latest[game_id] = Attempt(story.node, game_id, command == "stream-install", line)
                attempts.append(latest[game_id])
        elif (event := event_of(story.node, line)) is not None:
            _take(event, latest.get(str(event.data.get("game_id"))), stray)
    return Downloads(attempts, stray)


def chunk_of(event: Event) -> Chunk:
    """Parse a `download-chunk-finished`; invalid values become 0 or "None"."""
    message = event.line.message or {}
    stamp = message.get("ts")
    return Chunk(
        path=str(event.data.get("relative_path")),
        offset=_number(event.data, "offset"),
        length=_number(event.data, "length"),
        peer_id=str(event.data.get("peer_id")),
        peer_addr=str(event.data.get("peer_addr")),
        stamp=float(stamp) if isinstance(stamp, int | float) else event.line.wall,
        line=event.line,
    )


def _take(event: Event, attempt: Attempt | None, stray: list[Chunk]) -> None:
    if attempt is not None and attempt.outcome is not None:
        attempt = None
    if event.name == "download-chunk-finished":
        (stray if attempt is None else attempt.chunks).append(chunk_of(event))
    elif attempt is None:
        return
    elif event.name == "got-game-files":
        rows = event.data.get("file_descriptions")
        named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        attempt.files = {str(row.get("relative_path")): _number(row, "size") for row in named}
    elif event.name == "download-begin":
        attempt.total_bytes = _number(event.data, "total_bytes")
        # A stream starts over with the next source.
        attempt.lost_chunks = len(attempt.chunks) if attempt.streamed else 0
    elif event.name == "download-progress" and not attempt.progressed:
        attempt.progressed = True
        # The first one comes at the start, before this attempt has received anything.
        attempt.held_bytes = 0 if attempt.chunks else _number(event.data, "downloaded_bytes")
    elif event.name in OUTCOMES:
        attempt.outcome = event


def _told(line: Line) -> tuple[str, str]:
    message = line.message or {}
    command = str(message.get("cmd", message.get("command")))
    game_id = message.get("game_id")
    return (game_id if command in COMMANDS and isinstance(game_id, str) else "", command)


def _is_error(line: Line) -> bool:
    return line.stream == "out" and (line.message or {}).get("type") == "error"


def _id_of(line: Line) -> str | None:
    found = (line.message or {}).get("id")
    return found if isinstance(found, str) else None


def _number(data: Any, key: str) -> int:
    value = data.get(key)
    return value if isinstance(value, int) else 0
