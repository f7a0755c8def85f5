"""How a scenario fails. Every text is for the person who reads it at three in the morning."""

from typing import Literal, TypeAlias

Cause: TypeAlias = Literal[
    "check",  # an expectation was looked at and found wrong
    "unexpected-event",  # a wait met an event that made it pointless
    "node-ended",  # a wait was for a node that is no more
    "another-node-ended",  # some other node of the scenario died unasked
    "fault-failed",  # a fault could not be carried out, or never had its occasion
    "timeout-nothing-moved",  # a deadline passed and no node had written anything for a while
    "timeout-still-moving",  # a deadline passed while nodes were still writing
]


class CheckFailed(AssertionError):  # noqa: N818 - reads as a verdict
    """An expectation that did not hold. ``what`` names it, stable from run to run."""

    def __init__(self, what: str, detail: str, cause: Cause = "check") -> None:
        super().__init__(f"{what}: {detail}" if detail else what)
        self.what = what
        self.detail = detail
        self.cause: Cause = cause


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
