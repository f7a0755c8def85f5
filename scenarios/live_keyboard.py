"""The terminal of a live session: a line to type in, and above it what the peer says."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from scenarios.live_text import progress_text, render
from scenarios.short_forms import (
    Form,
    NotUnderstoodError,
    completions,
    forms_from_schema,
    help_lines,
    to_message,
)

HISTORY_LINES = 1000
_UP_AND_CLEAR = "\x1b[1A\r\x1b[K"


class Keyboard:
    """Reads commands with editing and history; shows lines without disturbing what is typed."""

    def __init__(
        self, name: str, history: Path, neighbours: Callable[[], Mapping[str, str]]
    ) -> None:
        self.prompting = False
        self._prompt = f"{name}> "
        self._history = history
        self._neighbours = neighbours
        self._console = Console(highlight=False)
        self._lock = threading.Lock()
        self._progress_is_last = False
        self._forms: dict[str, Form] = {}
        self._readline = _prepared_readline(history, lambda text: completions(text, self._forms))

    def commands(self) -> Iterator[dict[str, Any]]:
        """Yield what is typed as commands of the peer until the end of input.

        KeyboardInterrupt passes through.
        """
        self._forms = _forms()
        while (line := self._read()) is not None:
            if line.strip().lower() in {"help", "?"}:
                self._print(_help(self._forms))
            elif line.strip():
                try:
                    message = to_message(line, self._forms)
                except NotUnderstoodError as error:
                    self._print(Text(str(error), style="red"))
                else:
                    yield self._completed(message)

    def show(self, stream: Literal["out", "err"], data: bytes) -> None:
        """Show a line of the peer."""
        text = data.decode("utf-8", "backslashreplace").rstrip("\n")
        if stream == "err":
            self._print(Text(text, style="dim red"))
            return
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._print(Text(text, style="magenta"))
        elif message.get("event") == "download-progress" and self._console.is_terminal:
            line = progress_text(message.get("data", {}))
            line.truncate(self._console.width - 1, overflow="ellipsis")
            self._print(line, progress=True)
        else:
            self._print(render(message))

    def say(self, text: str) -> None:
        """Show a remark of the session itself."""
        self._print(Text(text, style="dim"))

    def close(self) -> None:
        """Keep the history for the next session."""
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
        """Give a command its name as id, to show with the reply, and a live peer's address."""
        command = message.get("cmd", message.get("command"))
        if command == "connect":
            name = str(message.get("addr"))
            message["addr"] = self._neighbours().get(name, name)
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


def _forms() -> dict[str, Form]:
    """Ask the peer what commands it has; the answer is the same wherever it runs."""
    printed = subprocess.run(
        [sys.executable, "-m", "peer_cli", "schema"], capture_output=True, check=True
    )
    return forms_from_schema(json.loads(printed.stdout))


def _help(forms: Mapping[str, Form]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    for usage, summary in help_lines(forms):
        table.add_row(Text(usage, style="cyan"), summary)
    table.add_row(Text("{…}", style="cyan"), "The same as JSON, as the peer reads it.")
    return table


def _prepared_readline(history: Path, complete: Callable[[str], list[str]]) -> Any:
    """Return the readline module with history and completion, or None where there is none."""
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
