"""Short forms for the keyboard: ``set-limits 5 --no-wait`` becomes the program's JSON command.

Commands and arguments come from the program's own JSON Schema (its `schema`); positional arguments
follow its order. Pure.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENDING = {"quit": "shutdown", "exit": "shutdown"}  # aliases for every program


class NotUnderstoodError(ValueError):
    """The line is not a command; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command and its JSON types."""

    name: str
    types: frozenset[str]
    required: bool

    @property
    def is_switch(self) -> bool:
        """Whether it is a flag: --name or --no-name, without a value."""
        return self.types == {"boolean"}

    @property
    def flag(self) -> str:
        """The argument as an option."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Form:
    """A command and how to type it."""

    command: str
    arguments: tuple[Argument, ...]
    summary: str = ""
    nicknames: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """One line, such as ``connect ADDR [--[no-]wait]``."""
        words = [self.command]
        for argument in self.arguments:
            if argument.is_switch:
                words.append(f"[--[no-]{argument.flag[2:]}]")
            elif argument.required:
                words.append(argument.name.upper())
            else:
                words.append(f"[{argument.name.upper()}]")
        return " ".join(words)


def forms_from_schema(schema: Mapping[str, Any], nicknames: Mapping[str, str]) -> dict[str, Form]:
    """Return the forms by command from a program's schema; ``nicknames`` are aliases."""
    definitions = schema.get("$defs", {})
    words: dict[str, list[str]] = {}
    for word, command in {**nicknames, **ENDING}.items():
        words.setdefault(command, []).append(word)
    return {
        name: _form(name, _resolve(described, definitions), words.get(name, ()))
        for name, described in schema["commands"].items()
    }


def to_message(line: str, forms: Mapping[str, Form]) -> dict[str, Any]:
    """Parse a typed line, JSON or short form. Raises NotUnderstoodError."""
    if line.lstrip().startswith("{"):
        try:
            message = json.loads(line)
        except ValueError as error:
            raise NotUnderstoodError(f"This looks like JSON but is not: {error}.") from error
        return dict(message)
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise NotUnderstoodError(f"The quotes do not match: {error}.") from error
    if not words:
        raise NotUnderstoodError("Type a command, or help.")
    return _read_words(_find_form(words[0], forms), words[1:])


def help_lines(forms: Mapping[str, Form]) -> list[tuple[str, str]]:
    """Return usage and description of every command, with its aliases."""
    lines = []
    for form in forms.values():
        also = f" Also: {', '.join(form.nicknames)}." if form.nicknames else ""
        lines.append((form.usage, form.summary + also))
    return lines


def completions(prefix: str, forms: Mapping[str, Form]) -> list[str]:
    """Return the command words that start with ``prefix``."""
    return sorted(word for word in [*_meant(forms), "help"] if word.startswith(prefix))


def _meant(forms: Mapping[str, Form]) -> dict[str, Form]:
    """Return the forms by command and alias."""
    nicknames = {word: form for form in forms.values() for word in form.nicknames}
    return {**nicknames, **forms}


def _find_form(word: str, forms: Mapping[str, Form]) -> Form:
    meant = _meant(forms)
    name = word.lower()
    if name in meant:
        return meant[name]
    begun = [candidate for candidate in completions(name, forms) if candidate != "help"]
    commands = {meant[candidate].command for candidate in begun}
    if len(commands) == 1:
        return forms[commands.pop()]
    hint = f"Did you mean {' or '.join(begun)}?" if begun else "Type help to see the commands."
    raise NotUnderstoodError(f"There is no command {word}. {hint}")


def _read_words(form: Form, words: Sequence[str]) -> dict[str, Any]:
    message: dict[str, Any] = {"cmd": form.command}
    by_flag = {argument.flag: argument for argument in form.arguments}
    by_place = [argument for argument in form.arguments if not argument.is_switch]
    rest = iter(words)
    for word in rest:
        flag, equals, text = word.partition("=")
        argument = by_flag.get(flag.replace("--no-", "--", 1))
        if not word.startswith("--"):
            open_places = [place for place in by_place if place.name not in message]
            if not open_places:
                raise NotUnderstoodError(f"{word} is one too many. Usage: {form.usage}")
            argument = open_places[0]
            message[argument.name] = _value(argument, word, form)
        elif argument is None or (argument.is_switch and equals):
            raise NotUnderstoodError(f"{form.command} has no option {word}. Usage: {form.usage}")
        elif argument.is_switch:
            message[argument.name] = not flag.startswith("--no-")
        else:
            given = text if equals else next(rest, None)
            if given is None:
                raise NotUnderstoodError(f"{flag} needs a value. Usage: {form.usage}")
            message[argument.name] = _value(argument, given, form)
    missing = [place.name for place in by_place if place.required and place.name not in message]
    if missing:
        raise NotUnderstoodError(f"{' and '.join(missing)} is missing. Usage: {form.usage}")
    return message


def _value(argument: Argument, text: str, form: Form) -> str | int | float | None:
    if "null" in argument.types and text.lower() in {"none", "null", "-"}:
        return None
    if "string" in argument.types:
        return text
    try:
        return int(text) if "integer" in argument.types else float(text)
    except ValueError:
        raise NotUnderstoodError(
            f"{argument.name} must be a number, not {text}. Usage: {form.usage}"
        ) from None


def _resolve(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = described.get("$ref")
    if reference is None:
        return described
    resolved: Mapping[str, Any] = definitions[str(reference).rpartition("/")[2]]
    return resolved


def _form(name: str, described: Mapping[str, Any], nicknames: Sequence[str]) -> Form:
    required = set(described.get("required", ()))
    arguments = tuple(
        Argument(argument, _types(details), argument in required)
        for argument, details in described.get("properties", {}).items()
    )
    summary = " ".join(str(described.get("description", "")).split())
    return Form(name, arguments, summary, tuple(nicknames))


def _types(details: Mapping[str, Any]) -> frozenset[str]:
    if "anyOf" in details:
        return frozenset().union(*(_types(option) for option in details["anyOf"]))
    declared = details.get("type", "string")
    return frozenset([declared] if isinstance(declared, str) else declared)
