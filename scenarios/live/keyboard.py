"""The terminal of a live node: an input line, and the node's output above it."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from scenarios.core.printable import printable, printable_message
from scenarios.core.words import Words
from scenarios.family.live import LiveNode
from scenarios.live.heard import Heard
from scenarios.live.short_forms import (
    Form,
    NotUnderstoodError,
    completions,
    forms_from_schema,
    help_lines,
    to_message,
)
from scenarios.live.text import progress_text, render

HISTORY_LINES = 1000
WAIT = "wait"  # the keyboard's own command
_UP_AND_CLEAR = "\x1b[1A\r\x1b[K"


class Keyboard:
    """Reads commands with editing and history; shows lines without disturbing the input."""

    def __init__(
        self,
        name: str,
        history: Path,
        words: Words,
        live: LiveNode,
        schema: Sequence[str],
        neighbours: Callable[[], Mapping[str, str]],
        heard: Heard,
    ) -> None:
        """``schema`` is the command that prints the JSON Schema of the node's program."""
        self.prompting = False
        self._words = words
        self._live = live
        self._schema = schema
        self._prompt = f"{name}> "
        self._history = history
        self._neighbours = neighbours
        self._heard = heard
        self._console = Console(highlight=False)
        self._lock = threading.Lock()
        self._progress_is_last = False
        self._forms: dict[str, Form] = {}
        self._readline = _prepared_readline(history, lambda text: completions(text, self._forms))

    def commands(self) -> Iterator[dict[str, Any]]:
        """Yield the typed commands until EOF. Raises KeyboardInterrupt on Ctrl-C."""
        self._forms = _forms(self._schema, self._live.nicknames)
        while (line := self._read()) is not None:
            word, *names = line.split() or [""]
            if line.strip().lower() in {"help", "?"}:
                self._print(_help(self._forms))
            elif word == WAIT and names:
                if not self._heard.wait_event(names):
                    return
            elif line.strip():
                try:
                    message = to_message(line, self._forms)
                except NotUnderstoodError as error:
                    self._print(Text(str(error), style="red"))
                else:
                    yield self._completed(message)

    def show(self, stream: Literal["out", "err"], data: bytes) -> None:
        """Show a line of the node."""
        text = data.decode("utf-8", "backslashreplace").rstrip("\n")
        if stream == "err":
            self._print(Text(printable(text), style="dim red"))
            return
        try:
            message = printable_message(json.loads(text))
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._print(Text(printable(text), style="magenta"))
        elif (bar := self._live.progress.get(message.get("event", ""))) and (
            self._console.is_terminal
        ):
            line = progress_text(bar(message.get("data", {})))
            line.truncate(self._console.width - 1, overflow="ellipsis")
            self._print(line, progress=True)
        else:
            self._print(render(message, self._words, self._live))

    def say(self, text: str) -> None:
        """Show a message that is not the node's."""
        self._print(Text(printable(text), style="dim"))

    def close(self) -> None:
        """Save the history for the next time."""
        if self._readline is not None:
            self._readline.set_history_length(HISTORY_LINES)
            self._readline.write_history_file(self._history)

    def _read(self) -> str | None:
        with self._lock:
            self.prompting = True
        try:
            return input(self._prompt)
        except EOFError:
            return None
        finally:
            with self._lock:
                self.prompting = False
                self._progress_is_last = False

    def _completed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Set a command's id to its name, shown with the reply, and resolve live nodes' names."""
        command = message.get("cmd", message.get("command"))
        argument = self._live.reaches.get(str(command), "")
        if argument in message:
            name = str(message[argument])
            message[argument] = self._neighbours().get(name, name)
        return {"id": command, **message}

    def _print(self, shown: RenderableType, *, progress: bool = False) -> None:
        with self._lock:
            out = self._console.file
            if self.prompting and self._console.is_terminal:
                typed = self._prompt + (self._readline.get_line_buffer() if self._readline else "")
                rows = len(typed) // self._console.width
                out.write("\r\x1b[K" + _UP_AND_CLEAR * rows)
            else:
                typed = ""
            if progress and self._progress_is_last:
                out.write(_UP_AND_CLEAR)
            self._console.print(shown)
            out.write(typed)
            out.flush()
            self._progress_is_last = progress


def _forms(schema: Sequence[str], nicknames: Mapping[str, str]) -> dict[str, Form]:
    """Query the program's commands, which are the same wherever it runs."""
    printed = subprocess.run(schema, capture_output=True, check=True)
    return forms_from_schema(json.loads(printed.stdout), nicknames)


def _help(forms: Mapping[str, Form]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for usage, summary in help_lines(forms):
        table.add_row(Text(usage, style="cyan"), summary)
    table.add_row(
        Text(f"{WAIT} EVENT…", style="cyan"),
        "Wait until one of these events has come since the last command.",
    )
    table.add_row(Text("{…}", style="cyan"), "The same as JSON, as the node reads it.")
    return table


def _prepared_readline(history: Path, complete: Callable[[str], list[str]]) -> Any:
    """Return the readline module with history and completion, or None if it is missing."""
    try:
        import readline
    except ImportError:
        return None
    if history.exists():
        readline.read_history_file(history)

    def completer(text: str, state: int) -> str | None:
        found = complete(text)
        return found[state] if state < len(found) else None

    readline.set_completer(completer)
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")
    return readline
