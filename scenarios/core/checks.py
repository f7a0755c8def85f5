"""Checks, the expectations of a scenario. Each is recorded with its result."""

from collections.abc import Collection, Container
from dataclasses import replace
from pathlib import Path
from typing import Any

from scenarios.core.difference import difference
from scenarios.core.errors import Cause
from scenarios.core.scene import CheckKind, CheckResult, Finding, Scene
from scenarios.core.trees import Ignore, Tree, differences, tree

DIFFERENCES_SHOWN = 40
WHOLE_SHOWN = 100  # characters; of longer values only the differences are shown


class Checks:
    """The checks of one scenario. ``what`` names a check and is the same in every run.

    A failed check raises CheckFailed, unless the scene goes on.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def true(self, what: str, condition: object, detail: str = "") -> None:
        """Check that ``condition`` holds; ``detail`` describes what was found if it does not."""
        self._judge(what, "" if condition else detail or f"it does not hold (got {condition!r})")

    def equal(self, what: str, got: object, want: object) -> None:
        """Check ``got == want``."""
        self._scene.judged(self._compared(what, "check", got, want))

    def contains(self, what: str, got: Container[Any], member: object) -> None:
        """Check ``member in got``."""
        self._judge(what, "" if member in got else f"{member!r} is not in {got!r}")

    def excludes(self, what: str, got: Container[Any], member: object) -> None:
        """Check ``member not in got``."""
        self._judge(what, f"{member!r} is in {got!r}" if member in got else "")

    def between(self, what: str, got: float, low: float, high: float) -> None:
        """Check ``low <= got <= high``."""
        bounds = f"{low} to {high}"
        wrong = "" if low <= got <= high else f"got {got}, wanted {bounds}"
        result = self._result(what, "check", wrong)
        self._scene.judged(replace(result, got=str(got), wanted=bounds) if wrong else result)

    def same_tree(self, what: str, got: Tree, want: Tree) -> None:
        """Check that two trees have the same names, kinds, sizes and content.

        Two empty trees fail: they prove nothing.
        """
        found = differences(got, want)
        if not want and not found:
            found = ["both are empty, so this proves nothing"]
        more = len(found) - DIFFERENCES_SHOWN
        tail = [f"and {more} more"] if more > 0 else []
        self._judge(what, "\n  ".join(["", *found[:DIFFERENCES_SHOWN], *tail]) if found else "")

    def same_files(self, what: str, got: Path, want: Path, ignore: Ignore | None = None) -> None:
        """Check that two folders have the same content; a missing folder fails."""
        absent = [str(root) for root in (got, want) if not root.is_dir()]
        if absent:
            self._judge(what, f"there is no folder {' and no folder '.join(absent)}")
        else:
            self.same_tree(what, tree(got, ignore), tree(want, ignore))

    def given(self, what: str, condition: object, detail: str = "") -> None:
        """Check a precondition, which no node can break: it needs no mutant."""
        found = "" if condition else detail or f"it does not hold (got {condition!r})"
        self._scene.judged(self._result(what, "given", found))

    def always(self, what: str, findings: Collection[str]) -> bool:
        """Record an always-on check; returns whether it passed, and never raises."""
        known = [one for one in findings if isinstance(one, Finding)]
        node = known[0].node if known else ""
        at = next((one.at for one in known if one.at), "")
        result = self._result(what, "always", "\n  ".join(findings))
        self._scene.checked(replace(result, node=node, found_at=at))
        return not findings

    def always_equal(self, what: str, got: object, want: object) -> None:
        """Check ``got == want`` as an always-on check, in a step that many scenarios share."""
        self._scene.judged(self._compared(f"always: {what}", "always", got, want))

    def _judge(self, what: str, detail: str) -> None:
        self._scene.judged(self._result(what, "check", detail))

    def _compared(self, what: str, kind: CheckKind, got: object, want: object) -> CheckResult:
        if got == want:
            return self._result(what, kind, "")
        whole = f"got {got!r}, wanted {want!r}"
        if len(whole) <= WHOLE_SHOWN:
            return replace(self._result(what, kind, whole), got=repr(got), wanted=repr(want))
        return self._result(what, kind, self._differences(got, want))

    def _result(self, what: str, kind: CheckKind, detail: str) -> CheckResult:
        now = self._scene.clock.now()
        cause: Cause | None = "check" if detail else None
        return CheckResult(what, kind, not detail, now, now, detail=detail, cause=cause)

    def _differences(self, got: object, want: object) -> str:
        found = difference(got, want, self._scene.words.identities)
        more = len(found) - DIFFERENCES_SHOWN
        tail = [f"and {more} more"] if more > 0 else []
        return "\n  ".join(["", *found[:DIFFERENCES_SHOWN], *tail])
