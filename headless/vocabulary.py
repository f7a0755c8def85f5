"""A program's commands and events, and how a line of stdin becomes a command."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from headless.envelope import (
    MAX_LINE_BYTES,
    Command,
    CommandError,
    Empty,
    Event,
    JsonScalar,
    Shutdown,
    Value,
)


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


class Request(msgspec.Struct, frozen=True):
    """A decoded line: a command or an error, with the id to echo."""

    id: JsonScalar
    command: Command | CommandError


class LineDecoder:
    """Decodes lines of stdin into the commands of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._commands = vocabulary.commands()
        self._aliases = vocabulary.aliases

    def decode(self, line: bytes) -> Request:
        """Decode one line. Never raises: the request has the error."""
        if len(line) > MAX_LINE_BYTES:
            return Request(
                None,
                CommandError("line-too-long", f"The line is over {MAX_LINE_BYTES} bytes long."),
            )
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Request(
                None,
                CommandError("bad-json", f"Expected one JSON object on the line: {error}."),
            )
        if not isinstance(message, dict):
            kind = type(message).__name__
            return Request(
                None,
                CommandError("bad-request", f"Expected a JSON object on the line, got {kind}."),
            )
        request_id = message.pop("id", None)
        if request_id is not None and not isinstance(request_id, str | int | float | bool):
            return Request(None, CommandError("bad-request", "`id` must be a JSON scalar."))
        try:
            return Request(request_id, self._decode_command(message))
        except CommandError as error:
            return Request(request_id, error)

    def _decode_command(self, message: dict[str, Any]) -> Command:
        names = [message.pop(key) for key in ("cmd", "command") if key in message]
        if len(names) != 1 or not isinstance(names[0], str):
            raise CommandError("bad-request", 'Expected the command\'s name as a string in "cmd".')
        kind = self._commands.get(self._aliases.get(names[0], names[0]))
        if kind is None:
            known = ", ".join(self._commands)
            raise CommandError(
                "unknown-command", f"Unknown command {names[0][:100]!r}; expected one of: {known}."
            )
        try:
            return msgspec.convert(message, kind)
        except msgspec.ValidationError as error:
            raise CommandError("bad-argument", f"Bad arguments of {names[0]}: {error}.") from None
