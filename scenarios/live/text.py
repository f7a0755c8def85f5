"""Formats a live node's lines, as coloured text and tables.

It depends only on the shape of the messages, so that new events and foreign programs are readable
too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scenarios.core.words import Words
from scenarios.family.live import LiveNode, Progress

_STYLES = {
    "failed": "bold red",
    "gone": "bold red",
    "disconnected": "yellow",
    "cancelled": "yellow",
    "finished": "green",
    "ready": "bold green",
    "connected": "green",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SIZES = {"size", "bytes", "length", "offset"}


def render(message: Mapping[str, Any], words: Words, live: LiveNode) -> RenderableType:
    """Format a reply or an event for rich."""
    return _Renderer(words.node_id, live.row_names, live.minor).message(message)


def progress_text(progress: Progress) -> Text:
    """Format progress as one line."""
    share = progress.done / progress.total if progress.total else 1.0
    filled = round(share * 24)
    return Text.assemble(
        (f"• {progress.item} ", "cyan"),
        ("━" * filled, "green"),
        ("━" * (24 - filled), "dim"),
        f" {share:4.0%}  {size_text(progress.done)} of {size_text(progress.total)}"
        f"  {size_text(progress.bytes_per_second)}/s"
        f"  {progress.sources} source{'' if progress.sources == 1 else 's'}",
    )


def size_text(count: float) -> str:
    """Format a number of bytes: 512 B, 1.5 KiB, 120 MiB."""
    power = 0
    while abs(count) >= 1024 and power < len(_UNITS) - 1:
        count /= 1024
        power += 1
    return f"{count:.{0 if power == 0 or count >= 100 else 1}f} {_UNITS[power]}"


@dataclass(frozen=True, slots=True)
class _Renderer:
    node_id: str  # the field that has a node's id, which is long
    row_names: Sequence[str]
    minor: frozenset[str]

    def message(self, message: Mapping[str, Any]) -> RenderableType:
        if message.get("type") == "event":
            name = str(message.get("event"))
            style = "dim" if name in self.minor else _STYLES.get(name.rpartition("-")[2], "cyan")
            return self._one_line(Text(f"• {name}", style=style), message.get("data"))
        if message.get("type") == "error":
            head = Text.assemble(("✗ ", "bold red"), _whose(message))
            head.append(f"{message.get('error')}")
            return head.append(f"  ({message.get('code')})", "dim")
        if message.get("type") == "result":
            head = Text.assemble(("✓ ", "bold green"), _whose(message))
            head.rstrip()
            return self._with_tables(head, message.get("data"))
        return Text(json.dumps(message, ensure_ascii=False), style="magenta")

    def _one_line(self, head: Text, data: Any) -> Text:
        """Append the values to the head: events come unasked and must not flood the terminal."""
        if not isinstance(data, Mapping):
            return head if data in (None, {}) else Text.assemble(head, f" {data}")
        line = head.copy()
        for key, value in data.items():
            line.append(f"  {key} ", style="dim")
            line.append(self._value(key, value))
        return line

    def _with_tables(self, head: Text, data: Any) -> RenderableType:
        """Append plain values to the head; lists of objects follow as tables."""
        if not isinstance(data, Mapping):
            return self._one_line(head, data)
        rows = {key: value for key, value in data.items() if _is_rows(value)}
        plain = {key: value for key, value in data.items() if key not in rows}
        tables = (self._table(key, value) for key, value in rows.items())
        return Group(self._one_line(head, plain), *tables)

    def _table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
        table = Table(
            title=title, title_justify="left", title_style="dim", box=None, padding=(0, 1)
        )
        columns = list(dict.fromkeys(key for row in rows for key in row))
        for column in columns:
            table.add_column(column, justify="right" if _is_size(column) else "left")
        for row in rows:
            table.add_row(*(self._value(column, row.get(column)) for column in columns))
        return table

    def _value(self, key: str, value: Any) -> str:
        if value is None:
            return "none"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            plain = f"{value:g}" if value % 1 else f"{value:.0f}"
            return size_text(value) if _is_size(key) else plain
        if key == self.node_id and isinstance(value, str):
            return _brief(value)
        if isinstance(value, list):
            return ", ".join(self._item(item) for item in value) or "none"
        if isinstance(value, Mapping):
            pairs = (f"{inner} {self._value(inner, item)}" for inner, item in value.items())
            return ", ".join(pairs) or "none"
        return str(value)

    def _item(self, item: Any) -> str:
        """Format an object in a list briefly: completely if small, otherwise by name."""
        if not isinstance(item, Mapping):
            return str(item)
        if len(item) <= 2:
            return " ".join(self._value(key, value) for key, value in item.items())
        names = [item[key] for key in self.row_names if key in item]
        return _brief(str(names[0])) if names else str(dict(item))


def _whose(message: Mapping[str, Any]) -> str:
    """Return what a reply belongs to: a live node uses the command's name as id."""
    return "" if message.get("id") is None else f"{message['id']} "


def _brief(name: str) -> str:
    return name if len(name) <= 12 else name[:12] + "…"


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _is_size(key: str) -> bool:
    return key in _SIZES or key.endswith("_bytes")
