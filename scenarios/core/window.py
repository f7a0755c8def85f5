"""Windows on a node's log: events in them, their absence, and waits for future ones."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from scenarios.core.errors import Cause, WaitFailed
from scenarios.core.log import Event, Line, NodeLog, describe_end, event_of, show
from scenarios.core.scene import CheckResult
from scenarios.core.timeouts import EVENT_S

T = TypeVar("T")
Where = Callable[[Event], bool]
NEAR_MISSES_SHOWN = 5


class Window:
    """The lines of a node from a mark on; new lines are included until it is closed."""

    def __init__(self, log: NodeLog, start: int = 0, end: int | None = None) -> None:
        self.log = log
        self.start = start
        self.end = end

    def lines(self) -> list[Line]:
        """Return the lines so far, of all streams."""
        return self.log.lines(self.start, self.end)

    def events(self, *names: str, where: Where | None = None, **fields: Any) -> list[Event]:
        """Return the events with these names (default: all) and these fields in their data."""
        found = (event_of(self.log.node, line) for line in self.lines())
        return [event for event in found if event and _matches(event, names, where, fields)]

    def since(self, event: Event) -> "Window":
        """Return the part after an event."""
        return Window(self.log, event.line.index + 1, self.end)

    def until(self, event: Event) -> "Window":
        """Return the part up to and including an event."""
        return Window(self.log, self.start, event.line.index + 1)

    def closed(self) -> "Window":
        """Return the same window, closed at this moment."""
        return Window(self.log, self.start, self.log.mark() if self.end is None else self.end)

    def wait_event(
        self,
        *names: str,
        timeout: float = EVENT_S,
        where: Where | None = None,
        fails_on: Sequence[str] = (),
        what: str | None = None,
        **fields: Any,
    ) -> Event:
        """Return the first event with these names and fields, waiting up to ``timeout`` seconds.

        An event named in ``fails_on`` that does not contradict ``fields`` fails the wait at once.
        Raises WaitFailed. The wait is recorded as a check named ``what``.
        """
        near: list[Line] = []

        def accept(line: Line) -> Event | None:
            event = event_of(self.log.node, line)
            if event is None:
                return None
            if event.name in names:
                if _matches(event, names, where, fields):
                    return event
                near.append(line)
            elif event.name in fails_on and _does_not_contradict(event, fields):
                instead = f"{self.log.node} sent {event.name} instead.\n  {show(line)}"
                picture = self.log.scene.picture()
                raise WaitFailed(title, instead, "unexpected-event", picture, got=instead)
            return None

        wanted = " or ".join(names)
        title = what or f"{self.log.node}: {wanted}"
        details = ", ".join(f"{key}={value!r}" for key, value in fields.items())
        if where is not None:
            details = f"{details}, and a condition" if details else "a condition"
        return self.wait_for(
            accept,
            what=title,
            wanted=f"event {wanted}" + (f" with {details}" if details else ""),
            timeout=timeout,
            near=near,
        )

    def wait_for(
        self,
        accept: Callable[[Line], T | None],
        *,
        what: str,
        wanted: str,
        timeout: float = EVENT_S,
        near: Sequence[Line] = (),
        recorded: bool = True,
    ) -> T:
        """Return the first result of ``accept`` that is not None; it gets every line once.

        ``wanted`` completes "waited … for". ``accept`` runs in the thread that reads the line, so
        that only the right line wakes the wait; it must be quick, and its errors are raised here.
        Raises WaitFailed when the deadline passes, or at once if the node has ended or the scenario
        is in trouble. Without ``recorded`` only a failure is recorded as a check.
        """
        scene = self.log.scene
        since = scene.clock.now()
        scene.record("wait", node=self.log.node, what=what, wanted=wanted, timeout_s=timeout)
        try:
            found = self._scan(accept, what, wanted, timeout, near)
        except WaitFailed as failure:
            now = scene.clock.now()
            brief = failure.detail.splitlines()[0]
            scene.checked(
                CheckResult(
                    what, "wait", False, now, since, self.log.node, brief, failure.cause,
                    wanted=wanted, got=failure.got, why=failure.why, near=failure.near,
                )
            )  # fmt: skip
            raise
        if recorded:
            scene.checked(
                CheckResult(what, "wait", True, scene.clock.now(), since, self.log.node, wanted)
            )
        return found

    def none_of(self, *names: str, what: str | None = None, **fields: Any) -> None:
        """Check that no such event is in the window.

        Call it after a terminal event, on the window of the whole operation: an empty window proves
        nothing and fails. Raises CheckFailed, unless the scene goes on.
        """
        scene = self.log.scene
        title = what or f"{self.log.node}: no {' or '.join(names)}"
        if not self.events():
            detail = "the window has no event at all, so it proves nothing. Use an earlier mark."
        else:
            met = [show(event.line) for event in self.events(*names, **fields)]
            detail = "\n  ".join(["came nevertheless:", *met]) if met else ""
        now = scene.clock.now()
        cause: Cause | None = "check" if detail else None
        scene.judged(
            CheckResult(title, "check", not detail, now, now, self.log.node, detail, cause)
        )

    def _scan(
        self,
        accept: Callable[[Line], T | None],
        what: str,
        wanted: str,
        timeout: float,
        near: Sequence[Line],
    ) -> T:
        scene = self.log.scene
        began = scene.clock.now()
        deadline = time.monotonic() + scene.timeouts.stretched(timeout, what)
        search = _Search(accept, self)
        with scene.waiting():
            self.log.watch(self.start, search.offer)
            while True:
                left = deadline - time.monotonic()
                ended = self.log.ended is not None or self._is_full()
                if search.over or ended or scene.trouble or left <= 0:
                    break
                scene.condition.wait(left)
            search.over = True
        if search.error is not None:
            raise search.error
        if search.found is not None and search.line is not None:
            scene.last_read = (self.log.node, search.line.index)
            return search.found
        if ended:
            cause: Cause = "node-ended"
        elif scene.trouble:
            cause = scene.trouble.cause
        else:
            cause = scene.timeout_cause()
        why, got = self._why(cause), self._instead()
        missed = [show(line) for line in near[-NEAR_MISSES_SHOWN:]]
        waited = f"waited {scene.clock.now() - began:.1f} s since {began:.3f}"
        parts = [f"{self.log.node}: {waited} for {wanted}. {why}", f"Instead came: {got}"]
        if missed:
            parts.append("Near misses (right name, but not what was wanted):")
            parts += [f"  {line}" for line in missed]
        raise WaitFailed(
            what, "\n".join(parts), cause, scene.picture(), got=got, why=why, near=missed
        )

    def _is_full(self) -> bool:
        return self.end is not None and self.log.mark() >= self.end

    def _why(self, cause: Cause) -> str:
        scene = self.log.scene
        trouble = scene.trouble
        if cause == "node-ended" and self.log.ended:
            return f"It cannot come any more: {self.log.node} {describe_end(self.log.ended)}."
        if cause == "node-ended":
            return "It is not in the window, and the window is closed."
        if trouble and cause == trouble.cause:
            return f"It is pointless to go on: {trouble.text}"
        quiet = scene.clock.now() - scene.last_line_at
        return (
            "Things were still moving when the time was up: the last line of any node is "
            if cause == "timeout-still-moving"
            else "Nothing moved any more: the last line of any node is "
        ) + f"{quiet:.1f} s old."

    def _instead(self) -> str:
        names = Counter(event.name for event in self.events())
        return ", ".join(f"{name} x{count}" for name, count in names.most_common()) or "no event"


class _Search(Generic[T]):
    """Offers each line to one wait as it comes."""

    def __init__(self, accept: Callable[[Line], T | None], window: Window) -> None:
        self.found: T | None = None
        self.line: Line | None = None  # the line that was accepted
        self.error: Exception | None = None
        self.over = False
        self._accept = accept
        self._window = window

    def offer(self, line: Line) -> bool:
        """Examine a line; returns whether no further line is needed."""
        end = self._window.end
        if self.over or (end is not None and line.index >= end):
            return True
        try:
            self.found, self.line = self._accept(line), line
        except Exception as error:  # noqa: BLE001 - the scenario wrote `accept`: its error must
            self.error = error  # reach the scenario, not end the reader's thread
        self.over = self.found is not None or self.error is not None
        if self.over:
            self._window.log.scene.condition.notify_all()
        return self.over


def _matches(
    event: Event, names: Sequence[str], where: Where | None, fields: dict[str, Any]
) -> bool:
    if names and event.name not in names:
        return False
    if any(key not in event.data or event.data[key] != value for key, value in fields.items()):
        return False
    return where is None or where(event)


def _does_not_contradict(event: Event, fields: dict[str, Any]) -> bool:
    return all(event.data.get(key, value) == value for key, value in fields.items())
