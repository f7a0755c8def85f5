"""Adds numbers up: a program of three commands on `headless`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from headless.envelope import Command, CommandError, Event, Value
from headless.output import Output
from headless.program import Emit, Program, main
from headless.settings import FlagParser
from headless.vocabulary import Vocabulary

LIMIT = 1 << 53  # JSON readers that use floats lose digits beyond it


class Add(Command, frozen=True):
    """Add a number."""

    cmd: ClassVar[str] = "add"
    number: int


class GetTotal(Command, frozen=True):
    """Reply with the total."""

    cmd: ClassVar[str] = "total"


class Reach(Command, frozen=True):
    """Reply once the total is at least `total`, however long that takes."""

    cmd: ClassVar[str] = "reach"
    total: int


class Total(Value, frozen=True):
    """The reply to every command."""

    total: int


class Ready(Event, frozen=True):
    """The first event: commands are read from now on."""

    event: ClassVar[str] = "ready"
    tally_id: str


class Added(Event, frozen=True):
    """The total after a change; a reader that is far behind gets only the newest."""

    event: ClassVar[str] = "added"
    state_of: ClassVar[tuple[str, ...] | None] = ()
    total: int


class Settings(NamedTuple):
    """The flags."""

    name: str


class Tally:
    """Carries out the commands."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._total = 0
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Nothing to do: see headless.service."""

    async def handle(self, command: Command) -> Value:
        """Carry out one command; others go on while it waits."""
        async with self._changed:
            match command:
                case Add(number=number):
                    if abs(self._total + number) > LIMIT:
                        raise CommandError("too-large", f"The total may not pass {LIMIT}.")
                    self._total += number
                    self._emit(Added(total=self._total))
                    self._changed.notify_all()
                case Reach(total=wanted):
                    await self._changed.wait_for(lambda: self._total >= wanted)
            return Total(total=self._total)

    async def stop(self) -> None:
        """Nothing to do: commands that still wait are answered with `shutting-down`."""


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the flags; a bad one is one line on stderr and exit code 2."""
    parser = FlagParser("tally", "Adds numbers up.", environment)
    parser.flag("--name", "what it goes by", required=True)
    return Settings(parser.read(arguments).name)


def open_tally(settings: Settings, emit: Emit) -> None:
    """Open what is needed (here nothing), and say that all is ready."""
    emit(Ready(tally_id=f"id-of-{settings.name}"))


def serve(_: None, output: Output) -> Tally:
    """Make the service, on the event loop."""
    return Tally(output.emit)


VOCABULARY = Vocabulary("tally", {Add: Total, GetTotal: Total, Reach: Total}, (Ready, Added))

if __name__ == "__main__":
    main(Program(VOCABULARY, read_settings, open_tally, serve))
