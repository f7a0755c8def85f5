"""The order in which tasks are done. All of it is pure."""

from collections.abc import Iterable, Iterator, Sequence

from sync_cli.batch import Task
from sync_cli.model import BLOCK_SIZE, Kind

_BATCH = 1000
_BATCH_BYTES = 64 * BLOCK_SIZE


def sorted_out(tasks: Iterable[Task]) -> tuple[list[Task], ...]:
    """Return files, links, folders from the top down, deletions, and what has its content."""
    files: list[Task] = []
    links: list[Task] = []
    folders: list[Task] = []
    deletions: list[Task] = []
    attributes: list[Task] = []
    by_kind = {Kind.FILE: files, Kind.LINK: links, Kind.FOLDER: folders, Kind.GONE: deletions}
    for task in tasks:
        alive = task.row is not None and task.row.entry.alive
        if alive and task.row is not None and task.row.entry.same_content(task.entry):
            attributes.append(task)
        else:
            by_kind[task.entry.kind].append(task)
    folders.sort(key=lambda task: task.path)
    return files, links, folders, deletions, attributes


def files_first(task: Task) -> tuple[int, int]:
    """Order deletions: files, then folders from the bottom up."""
    is_folder = task.row is not None and task.row.entry.kind is Kind.FOLDER
    return (1, -task.path.count(b"/")) if is_folder else (0, 0)


def chunks(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Divide tasks into batches of bounded number and size."""
    chunk: list[Task] = []
    size = 0
    for task in tasks:
        chunk.append(task)
        size += task.entry.size
        if len(chunk) >= _BATCH or size >= _BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
