"""Every expectation goes through here, so that each is on record: that it ran and how it ended."""

from collections.abc import Callable, Collection, Container
from pathlib import Path
from typing import Any

from scenarios.core.difference import difference
from scenarios.core.errors import Cause
from scenarios.core.scene import CheckKind, CheckResult, Scene
from scenarios.core.trees import Ignore, Tree, differences, tree

DIFFERENCES_SHOWN = 40
WHOLE_SHOWN = 100  # characters: of longer values only what differs


class Checks:
    """The expectations of one scenario. ``what`` names each and is the same in every run.

    One that does not hold raises CheckFailed, unless the scene goes on.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def true(self, what: str, condition: object, detail: str = "") -> None:
        """Check that ``condition`` holds; ``detail`` says what was found when it does not."""
        self._judge(what, "" if condition else detail or f"it does not hold (got {condition!r})")

    def equal(self, what: str, got: object, want: object) -> None:
        """Check ``got == want``."""
        self._judge(what, "" if got == want else _got_want(got, want))

    def contains(self, what: str, got: Container[Any], member: object) -> None:
        """Check ``member in got``."""
        self._judge(what, "" if member in got else f"{member!r} is not in {got!r}")

    def excludes(self, what: str, got: Container[Any], member: object) -> None:
        """Check ``member not in got``."""
        self._judge(what, f"{member!r} is in {got!r}" if member in got else "")

    def between(self, what: str, got: float, low: float, high: float) -> None:
        """Check ``low <= got <= high``."""
        self._judge(what, "" if low <= got <= high else f"got {got}, wanted {low} to {high}")

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

    def raises(
        self, what: str, error: type[Exception], action: Callable[[], object], containing: str = ""
    ) -> None:
        """Check that ``action`` raises ``error`` with ``containing`` in its text."""
        try:
            result = action()
        except error as met:
            self._judge(what, "" if containing in str(met) else f"the error does not say so: {met}")
        else:
            self._judge(what, f"it was accepted, with {result!r}")

    def given(self, what: str, condition: object, detail: str = "") -> None:
        """Check what the scenario itself stands on: no peer can break it, so no mutant has to."""
        found = "" if condition else detail or f"it does not hold (got {condition!r})"
        self._scene.judged(self._result(what, "given", found))

    def always(self, what: str, findings: Collection[str]) -> bool:
        """Record an always-on check; returns whether it passed and does not raise."""
        self._scene.checked(self._result(what, "always", "\n  ".join(findings)))
        return not findings

    def always_equal(self, what: str, got: object, want: object) -> None:
        """Check ``got == want``, unasked, as the family's own steps do wherever they are taken."""
        detail = "" if got == want else _got_want(got, want)
        self._scene.judged(self._result(f"always: {what}", "always", detail))

    def _judge(self, what: str, detail: str) -> None:
        self._scene.judged(self._result(what, "check", detail))

    def _result(self, what: str, kind: CheckKind, detail: str) -> CheckResult:
        now = self._scene.clock.now()
        cause: Cause | None = "check" if detail else None
        return CheckResult(what, kind, not detail, now, now, detail=detail, cause=cause)


def _got_want(got: object, want: object) -> str:
    whole = f"got {got!r}, wanted {want!r}"
    if len(whole) <= WHOLE_SHOWN:
        return whole
    found = difference(got, want)
    more = len(found) - DIFFERENCES_SHOWN
    tail = [f"and {more} more"] if more > 0 else []
    return "\n  ".join(["", *found[:DIFFERENCES_SHOWN], *tail])
