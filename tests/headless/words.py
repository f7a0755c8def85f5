"""A small vocabulary to try the frame with: it knows no game and no peer."""

from typing import ClassVar

from headless.envelope import Command, Empty, Event, Value
from headless.vocabulary import Vocabulary


class Look(Command, frozen=True):
    cmd: ClassVar[str] = "look"


class Add(Command, frozen=True):
    cmd: ClassVar[str] = "add"
    number: int


class Wait(Command, frozen=True):
    cmd: ClassVar[str] = "wait"


class Total(Value, frozen=True):
    total: int


class Text(Value, frozen=True):
    text: str


class Level(Event, frozen=True):
    event: ClassVar[str] = "level"
    state_of: ClassVar[tuple[str, ...] | None] = ("of",)
    of: str
    level: int


class Counted(Event, frozen=True):
    event: ClassVar[str] = "counted"
    number: str


VOCABULARY = Vocabulary(
    "counter", {Look: Text, Add: Total, Wait: Empty}, (Counted, Level), {"see": "look"}
)
