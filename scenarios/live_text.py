"""What a live session shows: a peer's lines as coloured text and tables.

Made from the shape of the messages, not from a list of them, so that new events and foreign
peers show up readable too.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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


def render(message: Mapping[str, Any]) -> RenderableType:
    """Return a reply or an event as something rich can print."""
    if message.get("type") == "event":
        name = str(message.get("event"))
        style = _STYLES.get(name.rpartition("-")[2], "cyan")
        if name == "download-chunk-finished":
            style = "dim"
        return _one_line(Text(f"• {name}", style=style), message.get("data"))
    if message.get("type") == "error":
        head = Text.assemble(("✗ ", "bold red"), _whose(message))
        return head.append(f"{message.get('error')}").append(f"  ({message.get('code')})", "dim")
    if message.get("type") == "result":
        head = Text.assemble(("✓ ", "bold green"), _whose(message))
        head.rstrip()
        return _with_tables(head, message.get("data"))
    return Text(json.dumps(message, ensure_ascii=False), style="magenta")


def progress_text(data: Mapping[str, Any]) -> Text:
    """Return one line for a `download-progress`."""
    done, total = int(data.get("downloaded_bytes", 0)), int(data.get("total_bytes", 0))
    share = done / total if total else 1.0
    sources = int(data.get("active_peer_count", 0))
    filled = round(share * 24)
    return Text.assemble(
        (f"• {data.get('game_id')} ", "cyan"),
        ("━" * filled, "green"),
        ("━" * (24 - filled), "dim"),
        f" {share:4.0%}  {size_text(done)} of {size_text(total)}"
        f"  {size_text(float(data.get('bytes_per_second', 0)))}/s"
        f"  {sources} source{'' if sources == 1 else 's'}",
    )


def size_text(count: float) -> str:
    """Return a number of bytes for people: 512 B, 1.5 KiB, 120 MiB."""
    power = 0
    while abs(count) >= 1024 and power < len(_UNITS) - 1:
        count /= 1024
        power += 1
    return f"{count:.{0 if power == 0 or count >= 100 else 1}f} {_UNITS[power]}"


def _whose(message: Mapping[str, Any]) -> str:
    """Say what a reply is to: a live session gives each command its own name as id."""
    return "" if message.get("id") is None else f"{message['id']} "


def _one_line(head: Text, data: Any) -> Text:
    """Put the values behind the head: events come unasked and must not flood the terminal."""
    if not isinstance(data, Mapping):
        return head if data in (None, {}) else Text.assemble(head, f" {data}")
    line = head.copy()
    for key, value in data.items():
        line.append(f"  {key} ", style="dim")
        line.append(_value_text(key, value))
    return line


def _with_tables(head: Text, data: Any) -> RenderableType:
    """Put plain values behind the head, and each list of objects below as a table."""
    if not isinstance(data, Mapping):
        return _one_line(head, data)
    rows = {key: value for key, value in data.items() if _is_rows(value)}
    plain = {key: value for key, value in data.items() if key not in rows}
    return Group(_one_line(head, plain), *(_table(key, value) for key, value in rows.items()))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="dim", box=None, padding=(0, 1))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, justify="right" if _is_size(column) else "left")
    for row in rows:
        table.add_row(*(_value_text(column, row.get(column)) for column in columns))
    return table


def _value_text(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return size_text(value) if _is_size(key) else f"{value:g}" if value % 1 else f"{value:.0f}"
    if key == "peer_id" and isinstance(value, str) and len(value) > 12:
        return value[:12] + "…"
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value) or "none"
    if isinstance(value, Mapping):
        pairs = (f"{inner} {_value_text(inner, item)}" for inner, item in value.items())
        return ", ".join(pairs) or "none"
    return str(value)


def _short(item: Any) -> str:
    """Say an object within a list in a few words: whole if it is small, else by its name."""
    if not isinstance(item, Mapping):
        return str(item)
    if len(item) <= 2:
        return " ".join(_value_text(key, value) for key, value in item.items())
    names = [item[key] for key in ("id", "game_id", "name", "addr", "peer_id") if key in item]
    return _value_text("peer_id", names[0]) if names else str(dict(item))


def _is_size(key: str) -> bool:
    return key in _SIZES or key.endswith("_bytes")
