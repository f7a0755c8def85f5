"""What is not synchronised: the patterns of `.syncignore`, which are those of gitignore."""

import os
from functools import lru_cache

from pathspec import GitIgnoreSpec

from sync_cli.model import is_own
from sync_cli.tree import Tree, is_absence

IGNORE_FILE = b".syncignore"
_MAX_BYTES = 1 << 20


class Ignore:
    """The patterns. What is in an ignored folder is ignored too."""

    def __init__(self, lines: tuple[str, ...] = ()) -> None:
        self.lines = lines
        self._patterns = GitIgnoreSpec.from_lines(lines) if lines else None
        self._is_folder_ignored = lru_cache(1024)(self._matches_folder)

    def covers(self, path: bytes, *, folder: bool) -> bool:
        """Tell whether a path is ignored."""
        if is_own(path):
            return True
        if self._patterns is None:
            return False
        above = path.rpartition(b"/")[0]
        if above and self._is_folder_ignored(above):
            return True
        return self._is_folder_ignored(path) if folder else self._matches(os.fsdecode(path))

    def _matches_folder(self, path: bytes) -> bool:
        above = path.rpartition(b"/")[0]
        if above and self._is_folder_ignored(above):
            return True
        return self._matches(os.fsdecode(path) + "/")

    def _matches(self, text: str) -> bool:
        return self._patterns is not None and self._patterns.match_file(text)


def read_ignore(tree: Tree) -> Ignore:
    """Read the patterns of the folder; there are none without the file.

    Raises OSError, and ValueError for patterns that cannot be understood.
    """
    try:
        descriptor = tree.open_file(IGNORE_FILE)
    except OSError as error:
        if is_absence(error):
            return Ignore()
        raise
    try:
        text = os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
    return Ignore(tuple(os.fsdecode(text).splitlines()))
