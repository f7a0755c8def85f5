"""Rows of files in replies."""

import itertools
from collections.abc import Iterable
from typing import Literal, cast

from sync_cli import messages
from sync_cli.history import HistoryRow
from sync_cli.model import Entry, Kind, Vector, path_text

MAX_ROWS = 10_000


def list_files(found: Iterable[tuple[Entry, list[str]]]) -> messages.ListFilesResult:
    """Return the first rows of entries with their holders."""
    files = [file_row(*one) for one in itertools.islice(found, MAX_ROWS + 1)]
    return messages.ListFilesResult(files=files[:MAX_ROWS], truncated=len(files) > MAX_ROWS)


def file_row(entry: Entry, holders: list[str]) -> messages.FileRow:
    """Return the row of what is at a path."""
    is_file = entry.kind is Kind.FILE
    return messages.FileRow(
        path=path_text(entry.path),
        kind=cast("Literal['file', 'folder', 'link']", entry.kind.name.lower()),
        version=version_text(entry.version),
        hash=entry.hash.hex() or None,
        size=entry.size if is_file else None,
        holders=holders,
    )


def version_text(version: Vector) -> str:
    """Return a vector as text: its counters by index, such as `abc:3,def:1`."""
    return ",".join(f"{index}:{number}" for index, number in version)


def history_row(row: HistoryRow) -> messages.HistoryRow:
    """Return the row of one thing that happened to a path."""
    entry = row.entry
    kind = "deleted" if not entry.alive else entry.kind.name.lower()
    return messages.HistoryRow(
        at=row.at_ns / 1e9,
        what=row.what,
        note=row.note,
        author=entry.author,
        version=version_text(entry.version),
        kind=cast("Literal['file', 'folder', 'link', 'deleted']", kind),
        hash=entry.hash.hex() or None,
        size=entry.size if entry.kind is Kind.FILE else None,
    )
