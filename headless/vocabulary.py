"""The vocabulary of a program: its commands and events."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from headless.envelope import Command, Empty, Event, Shutdown, Value


class Vocabulary(NamedTuple):
    """The commands of a program, each with its result, and its events.

    `shutdown` is a command of every program and not listed. `aliases` maps other names of commands
    to the commands they stand for.
    """

    program: str
    results: Mapping[type[Command], type[Value]]
    events: tuple[type[Event], ...]
    aliases: Mapping[str, str] = MappingProxyType({})

    def commands(self) -> dict[str, type[Command]]:
        """Return every command by name, in order."""
        kinds: list[type[Command]] = [*self.results, Shutdown]
        return {kind.cmd: kind for kind in kinds}

    def result_of(self, command: type[Command]) -> type[Value]:
        """Return the type of a command's result."""
        return Empty if command is Shutdown else self.results[command]
