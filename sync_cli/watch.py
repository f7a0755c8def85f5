"""Hears from the system which folders change. It only hurries scans: what it misses they find."""

import errno
import os
from pathlib import Path

from inotify_simple import INotify, flags

from sync_cli.folder import Folder
from sync_cli.model import is_own
from sync_cli.tree import Tree, is_absence

_MASK = (
    flags.CREATE
    | flags.MODIFY
    | flags.CLOSE_WRITE
    | flags.ATTRIB
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.ONLYDIR
)
_WENT = flags.MOVED_FROM | flags.DELETE
_CAME = flags.MOVED_TO | flags.CREATE


class Watch:
    """Watches every folder below the root that is not ignored.

    `is_blind` is set when the system cannot watch them all; then only scans tell.
    """

    def __init__(self, folder: Folder, tree: Tree) -> None:
        """Begin to watch. Raises OSError when the system cannot watch anything."""
        self._folder = folder
        self._tree = tree
        self._notify = INotify()
        self._paths: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}
        self.is_blind = False
        self.add(b"")

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to read."""
        return int(self._notify.fileno())

    def close(self) -> None:
        """Stop watching."""
        self._notify.close()

    def read(self) -> set[bytes] | None:
        """Return the paths that changed since the last call; None if some were not told."""
        changed: set[bytes] = set()
        overflowed = False
        for number, mask, _, text in self._notify.read(timeout=0):
            if mask & flags.Q_OVERFLOW:
                overflowed = True
                continue
            folder = self._paths.get(number)
            if folder is None:
                continue
            if mask & flags.IGNORED:
                self._drop(number, folder)
                continue
            name = os.fsencode(text)
            path = folder + b"/" + name if folder and name else folder or name
            if not name or is_own(path):
                continue
            changed.add(path)
            if mask & flags.ISDIR and mask & _WENT:
                self._remove(path)
            if mask & flags.ISDIR and mask & _CAME:
                self.add(path)
        if overflowed:
            self.add(b"")
            return None
        return changed

    def add(self, top: bytes) -> None:
        """Watch a folder and all below it. What happens in it before is left to the scan of it."""
        pending = [top]
        while pending and not self.is_blind:
            folder = pending.pop()
            try:
                pending += self._add_one(folder)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EMFILE):
                    self.is_blind = True
                elif not is_absence(error) and error.errno != errno.EACCES:
                    raise

    def _add_one(self, folder: bytes) -> list[bytes]:
        descriptor = self._tree.open_folder(folder)
        try:
            # By descriptor, so that no link on the way is followed.
            number = self._notify.add_watch(Path(f"/proc/self/fd/{descriptor}"), _MASK)
            earlier = self._paths.get(number)
            if earlier is not None and earlier != folder:
                self._numbers.pop(earlier, None)
            self._paths[number] = folder
            self._numbers[folder] = number
            prefix = folder + b"/" if folder else b""
            with os.scandir(descriptor) as entries:
                inner = [
                    prefix + os.fsencode(entry.name)
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False)
                ]
        finally:
            os.close(descriptor)
        return [path for path in inner if not is_own(path) and not self._folder.ignores(path)]

    def _remove(self, top: bytes) -> None:
        below = top + b"/"
        for path in [one for one in self._numbers if one == top or one.startswith(below)]:
            number = self._numbers.pop(path)
            del self._paths[number]
            try:
                self._notify.rm_watch(number)
            except OSError as error:
                if error.errno != errno.EINVAL:  # it went with its folder
                    raise

    def _drop(self, number: int, folder: bytes) -> None:
        del self._paths[number]
        if self._numbers.get(folder) == number:
            del self._numbers[folder]
