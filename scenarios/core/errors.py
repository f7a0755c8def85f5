"""How a scenario fails. Write every text for someone who reads it at three in the morning."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

Cause: TypeAlias = Literal[
    "check",
    "unexpected-event",
    "node-ended",
    "another-node-ended",
    "out-of-memory",
    "backend-failed",
    "fault-failed",
    "command-refused",
    "timeout-nothing-moved",
    "timeout-still-moving",
    "worker-died",
    "scenario-broken",
]
CAUSES: Mapping[Cause, str] = {
    "check": "a check found something else than it expects",
    "unexpected-event": "an event came after which the wait could not succeed",
    "node-ended": "a wait or a command needs a node that has ended",
    "another-node-ended": "another node of the scenario ended unasked",
    "out-of-memory": "the system killed a node because memory ran out",
    "backend-failed": "the backend (for docker: its daemon) failed",
    "fault-failed": "a fault failed, or its event never came",
    "command-refused": "a node answered a command with an error",
    "timeout-nothing-moved": "a deadline passed, and no node had written anything for a while",
    "timeout-still-moving": "a deadline passed while nodes were still writing: too slow, or stuck "
    "in a loop; --timeout-factor tells which",
    "worker-died": "the process that ran the scenario died",
    "scenario-broken": "the scenario's own code raised an error",
}


class CheckFailed(AssertionError):  # noqa: N818 - reads as a verdict
    """A check that failed. ``what`` names it, the same in every run.

    ``picture`` is the state of all nodes at that moment, as the scene renders it.
    """

    def __init__(self, what: str, detail: str, cause: Cause = "check", picture: str = "") -> None:
        super().__init__(what, detail)
        self.what = what
        self.detail = detail
        self.cause: Cause = cause
        self.picture = picture

    def __str__(self) -> str:
        return "\n".join(part for part in (self.brief, self.picture) if part)

    @property
    def brief(self) -> str:
        """The text without the picture."""
        return f"{self.what}: {self.detail}" if self.detail else self.what


class WaitFailed(CheckFailed):
    """A wait that failed; the text includes the picture.

    ``got`` is what came instead, ``why`` the reason why the wait ended, ``near`` the near misses:
    lines with the right name but other fields.
    """

    def __init__(
        self,
        what: str,
        detail: str,
        cause: Cause = "check",
        picture: str = "",
        *,
        got: str = "",
        why: str = "",
        near: Sequence[str] = (),
    ) -> None:
        super().__init__(what, detail, cause, picture)
        self.got = got
        self.why = why
        self.near = near


class _ErrorReply(Exception):  # noqa: N818 - a reply of that type
    def __init__(self, node: str, command: str, code: str, error: str) -> None:
        super().__init__(f"{node} refused `{command}` ({code}): {error}")
        self.node = node
        self.command = command
        self.code = code
        self.error = error


class CommandFailed(_ErrorReply):
    """A node replied to a command with an error."""


class UnsupportedCommand(_ErrorReply):
    """The node does not know the command (code ``unknown-command``): skip, do not fail."""


class NodeGone(Exception):  # noqa: N818 - reads as a verdict
    """The operation needs a running node, and this one has ended."""
