"""How a scenario fails. Every text is for the person who reads it at three in the morning."""

from collections.abc import Mapping
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
    "check": "an expectation was looked at and found wrong",
    "unexpected-event": "a wait met an event that made it pointless",
    "node-ended": "what was waited for or asked needs a node that has ended",
    "another-node-ended": "a node of the scenario ended though nobody had asked it to",
    "out-of-memory": "the system killed a node for want of memory",
    "backend-failed": "the backend (for docker: its daemon) could not do what it was told",
    "fault-failed": "a fault could not be carried out, or never had its occasion",
    "command-refused": "a node answered a command with an error",
    "timeout-nothing-moved": "a deadline passed, and no node had written anything for a while",
    "timeout-still-moving": "a deadline passed while nodes were still writing: too slow, or stuck "
    "in a loop; --timeout-factor tells which",
    "worker-died": "the process that ran the scenario died",
    "scenario-broken": "the scenario's own code raised an error",
}


class CheckFailed(AssertionError):  # noqa: N818 - reads as a verdict
    """An expectation that did not hold. ``what`` names it, stable from run to run.

    ``picture`` is what the nodes looked like at that moment, as the scene draws it.
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
    """A wait that cannot or did not end well; the text has the whole picture."""


class CommandFailed(Exception):  # noqa: N818 - reads as a verdict
    """A node answered a command with an error."""

    def __init__(self, node: str, command: str, code: str, error: str) -> None:
        super().__init__(f"{node} refused `{command}` ({code}): {error}")
        self.node = node
        self.command = command
        self.code = code
        self.error = error


class UnsupportedCommand(CommandFailed):
    """The node does not know the command (code ``unknown-command``): skip, do not fail."""


class NodeGone(Exception):  # noqa: N818 - reads as a verdict
    """Something was asked of a node that does not run any more."""
