"""Rows of legacy files in replies."""

from collections.abc import Mapping

from sync_cli import messages
from sync_cli.legacy.wire import Holder
from sync_cli.model import path_text
from sync_cli.rows import MAX_ROWS


def list_files(files: Mapping[str, Holder], prefix: str) -> messages.ListFilesResult:
    """Return the directory's rows whose path begins with the prefix, sorted."""
    rows = sorted(
        (shown_name(name), holder)
        for name, holder in files.items()
        if shown_name(name).startswith(prefix)
    )
    return messages.ListFilesResult(
        files=[
            messages.FileRow(
                path=path,
                kind="file",
                version=str(holder.mtime),
                hash=None,
                size=None,
                holders=[str(holder)],
            )
            for path, holder in rows[:MAX_ROWS]
        ],
        truncated=len(rows) > MAX_ROWS,
    )


def shown_name(name: str) -> str:
    """Return a name as events and replies write it."""
    return path_text(name.encode(errors="surrogateescape"))
