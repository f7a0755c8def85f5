"""What the nodes of one scenario share: clock, lock, record, and the picture for a failure."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

from scenarios.core.errors import Cause, CheckFailed
from scenarios.core.timeouts import STILL_MOVING_S, Timeouts

CheckKind: TypeAlias = Literal["check", "wait", "always", "given"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since the run began. ``monotonic_start`` is shared by all workers of a run."""

    monotonic_start: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.monotonic_start


def file_stem(node: str) -> str:
    """Return what the files about a node are named after."""
    return node.replace("#", "-")


def place(node: str, index: int) -> str:
    """Return where a line of a node is kept, as `alpha.jsonl:12`; the report leads there."""
    return f"{file_stem(node)}.jsonl:{index + 1}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One expectation that was looked at."""

    what: str  # stable from run to run
    kind: CheckKind
    passed: bool
    at: float  # seconds since the run began
    since: float  # for a wait: when it began; else the same as ``at``
    node: str = ""
    detail: str = ""
    cause: Cause | None = None  # None when passed


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """One fault that was carried out, or failed to be."""

    what: str
    node: str
    at: float  # when it began, seconds since the run began
    took_s: float
    wall: float  # unix seconds
    trigger_node: str = ""  # whose line set it off; empty: the scenario placed it at once
    trigger: str = ""  # that line
    error: str = ""

    def __str__(self) -> str:
        after = f", on {self.trigger_node}'s line {self.trigger[:200]}" if self.trigger else ""
        failed = f" FAILED: {self.error}" if self.error else ""
        return f"{self.at:9.3f} {self.what}{after}{failed}"


class JsonLines:
    """A file of one JSON object per line, written as it happens."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._lock = threading.Lock()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; nothing after close."""
        text = json.dumps(record, ensure_ascii=False, default=repr) + "\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(text)

    def close(self) -> None:
        """Close the file; again: no effect."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why every wait of the scenario is pointless from now on."""

    cause: Cause
    text: str


class Scene:
    """Shared by the logs, checks and faults of one scenario."""

    def __init__(
        self,
        folder: Path,
        *,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        goes_on: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.timeouts = timeouts or Timeouts()
        self.clock = clock or Clock()
        # A failed check does not end the scenario: the audit wants to see all that fail.
        self.goes_on = goes_on
        self.condition = threading.Condition()  # of all logs: a wait ends when any node dies
        self.checks: list[CheckResult] = []
        self.faults: list[FaultRecord] = []
        self.lost_by: Cause | None = None  # what the backend says took a node away
        self.names: dict[str, str] = {}  # of nodes, by an id that they go by in their lines
        self.last_line_at = self.clock.now()
        # The line that the scenario has waited for last, and most likely judges: node and index.
        self.last_read: tuple[str, int] | None = None
        self._views: list[Callable[[int], str]] = []
        self._trouble: Trouble | None = None
        self._records = JsonLines(folder / "scenario.jsonl")

    @property
    def trouble(self) -> Trouble | None:
        """What makes every further wait pointless, if anything."""
        return self._trouble

    def in_trouble(self, cause: Cause, text: str) -> None:
        """Wake every wait with a reason why it is pointless; the first reason stays."""
        with self.condition:
            self._trouble = self._trouble or Trouble(cause, text)
            self.condition.notify_all()

    def timeout_cause(self) -> Cause:
        """Return what to call a deadline that passes now."""
        moving = self.clock.now() - self.last_line_at < STILL_MOVING_S
        return "timeout-still-moving" if moving else "timeout-nothing-moved"

    def record(self, kind: str, **fields: Any) -> None:
        """Write one record with its time to scenario.jsonl."""
        record = {"kind": kind, "at": round(self.clock.now(), 6), "wall": time.time(), **fields}
        self._records.write(record)

    def checked(self, result: CheckResult) -> None:
        """Record one expectation."""
        self._checked(result)

    def judged(self, result: CheckResult) -> None:
        """Record one expectation; raises CheckFailed when it failed, unless the scene goes on."""
        read = place(*self.last_read) if self.last_read else ""
        self._checked(result, read=read)
        if not result.passed and not self.goes_on:
            raise CheckFailed(result.what, result.detail)

    def _checked(self, result: CheckResult, **more: Any) -> None:
        self.checks.append(result)
        fields = {"check_kind": result.kind, **_without(asdict(result), "kind"), **more}
        self.record("check", **fields)

    def faulted(self, fault: FaultRecord) -> None:
        """Record one fault."""
        self.faults.append(fault)
        self.record("fault", **asdict(fault))

    def add_view(self, view: Callable[[int], str]) -> None:
        """Add a node's part of the picture: called with how many last lines to show."""
        self._views.append(view)

    def picture(self, last_lines: int = 8) -> str:
        """Return the faults placed and every node's last lines."""
        faults = "\n".join(f"  {fault}" for fault in self.faults) or "  none"
        views = "\n".join(view(last_lines) for view in self._views) or "  no node was started"
        for node_id, name in self.names.items():
            views = views.replace(node_id, f"<{name}>")
        parts = [f"Faults placed:\n{faults}"]
        if self.last_read is not None:
            parts.append(f"Waited for last:\n  {place(*self.last_read)}")
        return "\n".join([*parts, f"Last lines of every node:\n{views}"])

    def close(self) -> None:
        """Close the record; again: no effect."""
        self._records.close()


def _without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}
