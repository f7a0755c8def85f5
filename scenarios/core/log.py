"""The log of one node: every line it read and wrote, with times."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

from scenarios.core.backends.base import Ended
from scenarios.core.scene import JsonLines, Scene
from scenarios.core.timeouts import STILL_MOVING_S

Stream: TypeAlias = Literal["in", "out", "err"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``in`` is what the node was sent."""

    index: int  # gapless, over all streams of the node
    at: float  # seconds since the run began
    wall: float  # Unix seconds
    stream: Stream
    text: str  # bytes that are not UTF-8 appear as \\xNN
    message: Mapping[str, Any] | None  # of "in" and "out", if it is a JSON object
    complete: bool = True  # False: the stream ended before the newline


@dataclass(frozen=True, slots=True)
class Event:
    """A line with the format of events in docs/contract.md section 1."""

    node: str
    name: str
    data: Mapping[str, Any]
    seq: int | None
    line: Line

    @property
    def at(self) -> float:
        """When it arrived, in seconds since the run began."""
        return self.line.at


def event_of(node: str, line: Line) -> Event | None:
    """Return the line as an event, or None if it is not one."""
    message = line.message
    if line.stream != "out" or message is None or message.get("type") != "event":
        return None
    name, data, seq = message.get("event"), message.get("data"), message.get("seq")
    if not isinstance(name, str):
        return None
    return Event(
        node=node,
        name=name,
        data=data if isinstance(data, dict) else {},
        seq=seq if isinstance(seq, int) else None,
        line=line,
    )


class NodeLog:
    """All lines of one node. Reader threads append; any thread may read."""

    def __init__(self, node: str, scene: Scene, file: Path | None = None) -> None:
        self.node = node
        self.scene = scene
        self._lines: list[Line] = []
        self._watches: list[Callable[[Line], bool]] = []
        self._ended: Ended | None = None
        self._file = JsonLines(file) if file else None
        scene.add_view(self.last_lines)

    def append(self, stream: Stream, data: bytes, *, complete: bool = True) -> Line:
        """Add one line (without newline) and offer it to the watches, which wake their waits."""
        text = data.decode("utf-8", "backslashreplace")
        message = None if stream == "err" else json_object(text)
        with self.scene.condition:
            line = Line(
                index=len(self._lines),
                at=self.scene.clock.now(),
                wall=time.time(),
                stream=stream,
                text=text,
                message=message,
                complete=complete,
            )
            self._lines.append(line)
            if stream != "in":
                self.scene.last_line_at = line.at
            if self._watches:
                self._watches = [watch for watch in self._watches if not watch(line)]
            self._keep(line)
        return line

    def end(self, ended: Ended) -> None:
        """Record the node's end, and wake the waits."""
        with self.scene.condition:
            self._ended = ended
            self.scene.condition.notify_all()

    def close(self) -> None:
        """Close the log's file. Idempotent."""
        if self._file:
            self._file.close()

    @property
    def ended(self) -> Ended | None:
        """How the node ended, or None while it runs."""
        return self._ended

    def mark(self) -> int:
        """Return the index that the next line will have."""
        return len(self._lines)

    def lines(self, start: int = 0, end: int | None = None) -> list[Line]:
        """Return the lines from ``start`` up to, but without, ``end``."""
        with self.scene.condition:
            return self._lines[start:end]

    def watch(self, start: int, offer: Callable[[Line], bool]) -> None:
        """Offer every line from ``start`` on, in order, until ``offer`` returns True.

        ``offer`` runs in the thread that read the line, under the scene's lock: it must be quick
        and must not raise.
        """
        with self.scene.condition:
            if not any(offer(line) for line in self._lines[start:]):
                self._watches.append(offer)

    def last_lines(self, count: int) -> str:
        """Return the node's state and its last lines, for a failure's text."""
        state = "running" if self._ended is None else describe_end(self._ended)
        shown = self.lines(max(0, self.mark() - count))
        told = [line.at for line in self.lines() if line.stream != "in"]
        silent = self.scene.clock.now() - told[-1] if told else 0.0
        quiet = f", silent for {silent:.1f} s" if silent >= STILL_MOVING_S else ""
        head = f"  {self.node} ({state}{quiet}):"
        return "\n".join([head, *(f"    {brief(line)}" for line in shown)])

    def _keep(self, line: Line) -> None:
        if self._file:
            self._file.write(
                {
                    "at": round(line.at, 6),
                    "wall": line.wall,
                    "stream": line.stream,
                    "text": line.text,
                    **({} if line.complete else {"complete": False}),
                }
            )


def show(line: Line, width: int = 400) -> str:
    """Format one line for people."""
    text = line.text if len(line.text) <= width else line.text[:width] + "…"
    return f"{line.at:9.3f} {line.stream:>3} {text}"


def brief(line: Line, width: int = 200) -> str:
    """Format one line without the fields that all lines have."""
    message = line.message
    if message is None:
        return show(line, width)
    rest = dict(message)
    kind = str(rest.pop("type", None) or "command")
    names = [rest.pop(key) for key in ("event", "cmd", "command", "id", "code") if key in rest]
    rest.pop("ts", None)
    data = rest.pop("error", None) or rest.pop("data", None) or ""
    seq = f" #{rest.pop('seq')}" if "seq" in rest else ""
    shown = [_compact(each) for each in (data, rest) if each]
    text = " ".join([kind, *map(str, names)]) + seq + "".join(f" {each}" for each in shown)
    if len(text) > width:
        text = text[:width] + "…"
    return f"{line.at:9.3f} {line.stream:>3} {text}"


def _compact(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def describe_end(ended: Ended) -> str:
    """Return how a node ended, in words."""
    code = "ended, exit code unknown" if ended.exit_code is None else f"exited {ended.exit_code}"
    return f"{code}, {ended.cause}" if ended.cause else code


def json_object(text: str) -> Mapping[str, Any] | None:
    """Parse a JSON object; None if the text is not one."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
