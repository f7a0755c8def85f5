"""Flags, each also an environment variable. A bad one is one line on stderr and exit code 2."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_EPILOG = """\
Each flag is also an environment variable: {prefix} and its name in upper case with
underscores. The flag wins, and an empty variable counts as not set.{repeatable}

The program reads one JSON command per line, e.g. {{"cmd":"shutdown","id":1}}, and writes one JSON
line per reply and event. `{program} schema` prints the JSON Schema of them all. It exits with 0
after `shutdown`, the end of its input, or SIGTERM, and with 2 when it cannot start.
"""


class FlagParser(argparse.ArgumentParser):
    """The command-line parser of a program."""

    def __init__(self, program: str, description: str, environment: Mapping[str, str]) -> None:
        super().__init__(
            prog=program,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._environment = environment
        self._required: list[str] = []
        self._repeatable: dict[str, Callable[[str], Any]] = {}

    def flag(
        self,
        flag: str,
        help: str,  # noqa: A002 - argparse's own name
        default: str | None = None,
        *,
        required: bool = False,
        **more: Any,
    ) -> None:
        """Add a flag; the environment may supply a required one. `more` goes to argparse."""
        # argparse parses a text default like a value of the flag.
        default = self._environment.get(self._variable(flag)) or default
        self.add_argument(flag, help=help, default=default, **more)
        if required:
            self._required.append(flag)

    def repeatable(
        self,
        flag: str,
        help: str,  # noqa: A002 - argparse's own name
        *,
        type: Callable[[str], Any],  # noqa: A002 - argparse's own name
        metavar: str,
    ) -> None:
        """Add a flag that may be repeated; its variable takes values separated by commas."""
        self.add_argument(flag, help=help, type=type, action="append", metavar=metavar)
        self._repeatable[flag] = type

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse the command line. A bad one prints one line to stderr and raises SystemExit(2)."""
        settings = self.parse_args(arguments)
        for flag, parse in self._repeatable.items():
            if getattr(settings, _field(flag)) is None:
                setattr(settings, _field(flag), self._listed(flag, parse))
        for flag in self._required:
            if getattr(settings, _field(flag)) is None:
                self.error(f"{flag} is missing (or {self._variable(flag)} in the environment)")
        return settings

    def format_help(self) -> str:
        """Return the help, with the text for all programs at its end."""
        several = "".join(
            f"\n{self._variable(flag)} takes several values separated by commas."
            for flag in self._repeatable
        )
        self.epilog = _EPILOG.format(
            prefix=self._variable(""), program=self.prog, repeatable=several
        )
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Print one line about the error and exit with 2."""
        self.exit(2, f"{self.prog}: {message}\n")

    def _variable(self, flag: str) -> str:
        return f"{self.prog}-{flag.removeprefix('--')}".replace("-", "_").upper()

    def _listed(self, flag: str, parse: Callable[[str], Any]) -> list[Any]:
        text = self._environment.get(self._variable(flag), "")
        try:
            return [parse(part) for part in text.replace(",", " ").split()]
        except argparse.ArgumentTypeError as error:
            self.error(f"{self._variable(flag)}: {error}")


def path(text: str) -> Path:
    """Parse a path; refuse an empty one, which would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def human_name(text: str) -> str:
    """Parse a name that is shown to people: 1 to 200 printable characters."""
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise argparse.ArgumentTypeError("expected 1 to 200 printable characters")
    return text


def seconds(text: str) -> float:
    """Parse a number of seconds from 0.1 to 3600."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return number


def switch(text: str) -> bool:
    """Parse "on" or "off", or another common word for them."""
    if text.lower() not in ("0", "1", "false", "true", "no", "yes", "off", "on"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'on' nor 'off'")
    return text.lower() in ("1", "true", "yes", "on")


def _field(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
