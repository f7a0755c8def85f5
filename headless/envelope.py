"""The line format that all programs share.

Each program derives its commands, results and events from the bases here.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

import msgspec

from headless.errors import CodedError

MAX_LINE_BYTES = 1 << 20

JsonScalar: TypeAlias = str | int | float | bool | None


class CommandError(CodedError):
    """A command failed; this becomes its error reply."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that a program writes."""


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all commands; the fields of each are its arguments."""

    cmd: ClassVar[str]


class Event(Value, frozen=True):
    """Base of all events; the fields of each are its `data`.

    An event that reports a complete state names in `state_of` the fields that say whose state it is
    (an empty tuple if there is only one). A reader that is far behind gets only the newest.
    """

    event: ClassVar[str]
    state_of: ClassVar[tuple[str, ...] | None] = None

    def state(self) -> tuple[str, ...] | None:
        """Return the key that a newer event must share to supersede this one."""
        if self.state_of is None:
            return None
        return (self.event, *(getattr(self, name) for name in self.state_of))


class Empty(Value, frozen=True):
    """Done; there is nothing more to say."""


class LongReply(Value, frozen=True):
    """The data of a reply that is one long list, `name`. Its rows are made as they are written.

    So the text of a long reply never takes memory as a whole. `rows` is read once, in another
    thread, where it is too late for an error. `kept` estimates the bytes of memory that the rows
    keep until then.
    """

    name: str
    rows: Iterator[Value]
    kept: int


class Shutdown(Command, frozen=True):
    """End gracefully: finish or roll back active operations, and exit."""

    cmd: ClassVar[str] = "shutdown"


class ResultLine(Value, frozen=True, tag_field="type", tag="result"):
    """The reply to a command that was carried out or accepted."""

    id: JsonScalar
    data: Any


class ErrorLine(Value, frozen=True, tag_field="type", tag="error", omit_defaults=True):
    """The reply to a command that was refused; `errno` is a name such as ENOENT if one fits."""

    id: JsonScalar
    error: str
    code: str
    errno: str | None = None


class EventLine(Value, frozen=True, tag_field="type", tag="event"):
    """An event; `seq` is gapless from 0, `ts` unix seconds."""

    event: str
    seq: int
    ts: float
    data: Any
