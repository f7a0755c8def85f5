"""Faults: injected at once or the moment a line arrives, and always recorded."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scenarios.core.errors import WaitFailed
from scenarios.core.log import Event, Line
from scenarios.core.scene import FaultRecord, Scene
from scenarios.core.timeouts import EVENT_S
from scenarios.core.window import Where, Window


@dataclass(frozen=True, slots=True)
class _Trigger:
    node: str
    line: Line


class PlacedFault:
    """A fault that is injected when its event comes."""

    def __init__(self, what: str, scene: Scene, occasion: str) -> None:
        self.what = what
        self.occasion = occasion
        self.trigger: Event | None = None  # the event that triggered it
        self.error: Exception | None = None
        self._scene = scene
        self._over = False
        self._withdrawn = False

    @property
    def done(self) -> bool:
        """Whether it was injected (or failed)."""
        return self._over

    @property
    def withdrawn(self) -> bool:
        """Whether the scenario cancelled it."""
        return self._withdrawn

    def withdraw(self) -> None:
        """Cancel it; no effect once it is triggered."""
        with self._scene.condition:
            self._withdrawn = True

    def carried_out(self, timeout: float = EVENT_S) -> Event:
        """Wait until it is injected and return the event that triggered it.

        Raises WaitFailed if that event does not come, or the error that the fault itself raised.
        """
        scene = self._scene
        deadline = time.monotonic() + scene.timeouts.stretched(timeout)
        with scene.waiting():
            while not self._over and scene.trouble is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                scene.condition.wait(left)
        if self.error is not None:
            raise self.error
        if self._over and self.trigger is not None:
            return self.trigger
        trouble = f" {scene.trouble.text}" if scene.trouble else ""
        raise WaitFailed(
            f"fault: {self.what}",
            f"its occasion ({self.occasion}) did not come within {timeout:.1f} s.{trouble}",
            "fault-failed",
            scene.picture(),
        )

    def _finish(self, error: Exception | None) -> None:
        with self._scene.condition:
            self.error = error
            self._over = True
            self._scene.condition.notify_all()


class Faults:
    """Injects and records the faults of one scenario."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._placed: list[PlacedFault] = []
        self._threads: list[threading.Thread] = []
        self._present = threading.local()  # the trigger and count in the thread that injects

    @contextmanager
    def recorded(self, what: str, node: str = "") -> Iterator[None]:
        """Record the body of the `with` as one fault, with the line that triggered it."""
        began, wall = self._scene.clock.now(), time.time()
        trigger: _Trigger | None = getattr(self._present, "trigger", None)
        error = ""
        try:
            yield
        except Exception as met:
            error = f"{type(met).__name__}: {met}"
            raise
        finally:
            self._present.count = getattr(self._present, "count", 0) + 1
            self._scene.faulted(
                FaultRecord(
                    what=what,
                    node=node,
                    at=began,
                    took_s=self._scene.clock.now() - began,
                    wall=wall,
                    trigger_node=trigger.node if trigger else "",
                    trigger=trigger.line.text if trigger else "",
                    error=error,
                )
            )

    def now(self, what: str, do: Callable[[], object], node: str = "") -> None:
        """Inject a fault of the scenario's own at once (the methods of Node record theirs)."""
        with self.recorded(what, node):
            do()

    def when(
        self,
        window: Window,
        *names: str,
        do: Callable[[], object],
        what: str,
        where: Where | None = None,
        nth: int = 1,
        **fields: object,
    ) -> PlacedFault:
        """Call ``do`` at the ``nth`` such event in the window, in a separate thread.

        The fault starts the moment the line is read. An error in ``do`` ends every wait of the
        scenario; a fault whose event never came fails the scenario at its end.
        """
        occasion = f"{window.log.node}: {' or '.join(names)}" + (f" no. {nth}" if nth > 1 else "")
        placed = PlacedFault(what, self._scene, occasion)
        left = nth
        self._placed.append(placed)

        def offer(line: Line) -> bool:
            nonlocal left
            if placed.withdrawn:
                return True
            try:
                one_line = Window(window.log, line.index, line.index + 1)
                met = one_line.events(*names, where=where, **fields)
            except Exception as error:  # noqa: BLE001 - the scenario wrote `where`: its error must
                self._failed(placed, error)  # reach the scenario, not end the reader's thread
                return True
            left -= len(met)
            if left > 0 or not met:
                return False
            placed.trigger = met[0]
            self._spawn(placed, do)
            return True

        window.log.watch(window.start, offer)
        return placed

    def withdraw_all(self) -> None:
        """Cancel every fault that is not triggered yet."""
        for fault in self._placed:
            fault.withdraw()

    def settle(self, timeout: float = EVENT_S) -> list[str]:
        """Wait for running faults; return a sentence for each that failed or never happened."""
        for thread in list(self._threads):
            thread.join(self._scene.timeouts.stretched(timeout))
        found = [
            f"The fault `{fault.what}` failed: {fault.error}"
            if fault.error
            else f"The fault `{fault.what}` never came to its occasion ({fault.occasion}), "
            "so the scenario proved nothing about it."
            if fault.trigger is None
            else f"The fault `{fault.what}` was still under way at the end."
            for fault in self._placed
            if fault.error or not (fault.done or fault.withdrawn)
        ]
        self.withdraw_all()
        return found

    def _spawn(self, placed: PlacedFault, do: Callable[[], object]) -> None:
        assert placed.trigger is not None
        trigger = _Trigger(placed.trigger.node, placed.trigger.line)

        def carry_out() -> None:
            self._present.trigger = trigger
            try:
                do()
                if getattr(self._present, "count", 0) == 0:
                    with self.recorded(placed.what):
                        pass
            except Exception as error:  # noqa: BLE001 - whatever it is, the scenario must see it
                self._failed(placed, error)
            else:
                placed._finish(None)

        thread = threading.Thread(target=carry_out, name=f"fault {placed.what}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _failed(self, placed: PlacedFault, error: Exception) -> None:
        placed._finish(error)
        self._scene.in_trouble("fault-failed", f"The fault `{placed.what}` failed: {error}")
