"""Shared by the nodes of one scenario: clock, lock, record, and the picture for a failure."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

from scenarios.core.errors import Cause, CheckFailed
from scenarios.core.timeouts import STILL_MOVING_S, Timeouts
from scenarios.core.words import Words

SCENARIO_FILE = "scenario.jsonl"
CheckKind: TypeAlias = Literal["check", "wait", "always", "given"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds since the run began. ``monotonic_start`` is shared by all workers of a run."""

    monotonic_start: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.monotonic_start


def file_stem(node: str) -> str:
    """Return the stem of the names of a node's files."""
    return node.replace("#", "-")


def place(node: str, index: int) -> str:
    """Return the place of a node's line, such as `alpha.jsonl:12`; the report links to it."""
    return f"{file_stem(node)}.jsonl:{index + 1}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    what: str  # stable from run to run
    kind: CheckKind
    passed: bool
    at: float  # seconds since the run began
    since: float  # of a wait: when it began; otherwise the same as ``at``
    node: str = ""
    detail: str = ""  # for people, as one text
    cause: Cause | None = None  # None when passed
    # The parts of ``detail``, if it failed.
    wanted: str = ""
    got: str = ""  # what came instead
    why: str = ""  # of a wait: why it ended
    near: Sequence[str] = ()  # of a wait: near misses, with the right name but other fields
    found_at: str = ""  # of an always-on check: the line that shows it, as `place` says it


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """How a scenario failed: the last record in its file.

    ``what`` names the check if ``how`` is "expectation"; otherwise it is the first line of the
    error.
    """

    at: float  # seconds since the run began
    what: str
    how: Literal["expectation", "refused", "time-up", "error"]
    cause: Cause
    where: str = ""  # the scenario's statement: file and line, such as `scenarios/….py:65`
    node: str = ""  # of a refused command
    command: str = ""
    refusal: str = ""


class Finding(str):
    """A sentence about a violation, with its node and the place of a line that shows it."""

    __slots__ = ("at", "node")
    at: str
    node: str

    def __new__(cls, text: str, at: str = "", node: str = "") -> "Finding":
        """Return the sentence."""
        made = super().__new__(cls, text)
        made.at, made.node = at, node
        return made


def findings_of(node: str, sentences: Iterable[str]) -> list[str]:
    """Return sentences as findings about a node."""
    return [Finding(one, one.at if isinstance(one, Finding) else "", node) for one in sentences]


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """One fault that was injected, or failed."""

    what: str
    node: str
    at: float  # when it began, in seconds since the run began
    took_s: float
    wall: float  # unix seconds
    trigger_node: str = ""  # whose line triggered it; empty: injected at once
    trigger: str = ""  # that line
    error: str = ""

    def __str__(self) -> str:
        after = f", on {self.trigger_node}'s line {self.trigger[:200]}" if self.trigger else ""
        failed = f" FAILED: {self.error}" if self.error else ""
        return f"{self.at:9.3f} {self.what}{after}{failed}"


class JsonLines:
    """A file with one JSON object per line, written immediately."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._lock = threading.Lock()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record; ignored after close."""
        text = json.dumps(record, ensure_ascii=False, default=repr) + "\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(text)

    def close(self) -> None:
        """Close the file. Idempotent."""
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
    """Why every wait of the scenario must fail from now on."""

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
        words: Words | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.timeouts = timeouts or Timeouts()
        self.clock = clock or Clock()
        self.words = words or Words()
        # A failed check does not end the scenario, so that the audit sees all that fail.
        self.goes_on = goes_on
        self.condition = threading.Condition()  # for all logs: a wait ends when any node dies
        self.checks: list[CheckResult] = []
        self.faults: list[FaultRecord] = []
        self.lost_by: Cause | None = None  # why a node ended, according to the backend
        self.names: dict[str, str] = {}  # of nodes, by the ids that they use in their lines
        self.last_line_at = self.clock.now()
        # The line last waited for, which the next check probably judges: node and index.
        self.last_read: tuple[str, int] | None = None
        self._views: list[Callable[[int], str]] = []
        self._trouble: Trouble | None = None
        self._records = JsonLines(folder / SCENARIO_FILE)

    @property
    def trouble(self) -> Trouble | None:
        """Why every further wait must fail, if there is a reason."""
        return self._trouble

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Hold the condition, to wait for it.

        Ctrl-C within `wait` may leave it unlocked; a plain `with` then raises RuntimeError, which
        would look like a fault of the scenario.
        """
        try:
            with self.condition:
                yield
        except RuntimeError as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise error.__context__ from None
            raise

    def in_trouble(self, cause: Cause, text: str) -> None:
        """Wake every wait with the reason why it fails; only the first reason counts."""
        with self.condition:
            self._trouble = self._trouble or Trouble(cause, text)
            self.condition.notify_all()

    def timeout_cause(self) -> Cause:
        """Return the cause for a deadline that passes now."""
        moving = self.clock.now() - self.last_line_at < STILL_MOVING_S
        return "timeout-still-moving" if moving else "timeout-nothing-moved"

    def record(self, kind: str, **fields: Any) -> None:
        """Write one record with its time to scenario.jsonl."""
        record = {"kind": kind, "at": round(self.clock.now(), 6), "wall": time.time(), **fields}
        self._records.write(record)

    def checked(self, result: CheckResult) -> None:
        """Record one check."""
        self._checked(result)

    def judged(self, result: CheckResult) -> None:
        """Record one check. Raises CheckFailed if it failed, unless the scene goes on."""
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
        """Add a node's part of the picture; it is called with the number of last lines to show."""
        self._views.append(view)

    def picture(self, last_lines: int = 8) -> str:
        """Return the faults and the last lines of every node."""
        faults = "\n".join(f"  {fault}" for fault in self.faults) or "  none"
        views = "\n".join(view(last_lines) for view in self._views) or "  no node was started"
        for node_id, name in self.names.items():
            views = views.replace(node_id, f"<{name}>")
        parts = [f"Faults placed:\n{faults}"]
        if self.last_read is not None:
            parts.append(f"Waited for last:\n  {place(*self.last_read)}")
        return "\n".join([*parts, f"Last lines of every node:\n{views}"])

    def close(self) -> None:
        """Close the record. Idempotent."""
        self._records.close()


def _without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}
