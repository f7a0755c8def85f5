"""The commit of a download: replaces the old version with the new one, or leaves the old one.

The complete new version waits in `new/`, on the same disk. The commit moves `version.ini` aside,
then every file of the old version into `old/`, then every file of the new version out of `new/`,
and the new `version.ini` last: then the game is whole again. Nothing is deleted before that. The
disk shows which steps are done, because each file is either here or there. So `finish` and `undo`
both continue from wherever a crash or an error stopped, are idempotent, and may be interrupted or
alternated.
"""

import errno
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from peer_cli.library.scan import VERSION_FILE, look_through, summary
from peer_cli.network import wire
from store.durable import sync_folder


def plan_aside(root: Path, wanted: Iterable[str]) -> list[str]:
    """Return the paths in a root that must move aside for the wanted ones, `version.ini` first.

    These are all files of the current version, and links and folders in the way, which move aside
    whole. Raises OSError, also when the root cannot be read completely: an overlooked old file
    would be taken for part of the new version.
    """
    in_the_way: set[str] = set()
    for paths in _by_folder(wanted):
        blocking = [parent for parent in _parents(paths[0]) if not _is_folder(root / parent)][:1]
        in_the_way |= {path for path in blocking or paths if is_there(root / path)}
    content = look_through(root)
    if content.problems:
        raise OSError(f"the current version cannot be replaced. {summary(content.problems)}")
    old = in_the_way | {file.relative_path for file in content.files}
    aside = [path for path in old if in_the_way.isdisjoint(_parents(path))]
    return sorted(aside, key=lambda path: (path != VERSION_FILE, path))


def check_possible(root: Path, aside: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise OSError when a commit is bound to fail: a folder is not writable, or on another disk.

    `Commit.undo` deals with what shows only later, such as a broken disk.
    """
    disk = root.stat().st_dev
    changed = _existing_folders(root, [*aside, *wanted])
    # Moving a folder changes its "..", which needs write permission.
    changed |= {root / path for path in aside if _is_folder(root / path)}
    for folder in sorted(changed):
        if folder.stat().st_dev != disk:
            raise OSError(errno.EXDEV, "it is on another disk than the rest of the game", folder)
        effective = os.access in os.supports_effective_ids
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=effective):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def is_there(path: Path) -> bool:
    """Tell whether anything is at a path. Raises every OSError except that nothing is there."""
    return _mode(path) is not None


def files_below(folder: Path) -> Iterator[str]:
    """Yield the relative path of everything in a folder that is no folder. Raises OSError."""

    def fail(error: OSError) -> None:
        raise error

    for at, _, names in os.walk(folder, onerror=fail):
        above = at[len(str(folder)) + 1 :]
        yield from (f"{above}/{name}" if above else name for name in names)


@dataclass(frozen=True, slots=True)
class Commit:
    """The change of one game's version: `aside` moves to `old`, `new` into `root`."""

    root: Path
    new: Path
    old: Path
    files: Sequence[wire.File]
    aside: Sequence[str]

    def finish(self) -> None:
        """Move the new version into place, `version.ini` last. Raises OSError; then call `undo`."""
        if not is_there(self.new / VERSION_FILE):
            return  # already in place
        wanted = {file.path for file in self.files}
        waiting = wanted.intersection(files_below(self.new))
        for path in self.aside:
            # If the new file is already in place, do not mistake it for the old one.
            if (path in waiting or path not in wanted) and not is_there(self.old / path):
                _move(self.root / path, self.old / path)
        # A case-insensitive disk would keep the old folder's spelling (`data` for `Data`).
        self._drop_emptied(self.aside, wanted)
        self._move_in(sorted(waiting - {VERSION_FILE}))
        self._check_in_place()
        self._sync_folders()
        (self.new / VERSION_FILE).rename(self.root / VERSION_FILE)
        with suppress(OSError):  # the commit is done, even if it may not survive a power cut
            sync_folder(self.root)

    def undo(self) -> None:
        """Move the old version back, its `version.ini` last. Raises OSError; deletes nothing."""
        here = set(self.aside)
        for path in [file.path for file in self.files]:
            # If the old file was not moved yet, do not mistake it for the new one.
            if not is_there(self.new / path) and (path not in here or is_there(self.old / path)):
                _move(self.root / path, self.new / path)
        self._drop_emptied([file.path for file in self.files], here)
        for path in reversed(self.aside):
            if path == VERSION_FILE:
                self._sync_folders()
            if is_there(self.old / path):
                _move(self.old / path, self.root / path)
        sync_folder(self.root)

    def _move_in(self, paths: Iterable[str]) -> None:
        """Move new files to their places, together with their folder if there is none yet."""
        there: set[str] = set()
        moved = ""
        for path in paths:
            if moved and path.startswith(moved):
                continue
            for parent in _parents(path):
                if parent not in there and not is_there(self.root / parent):
                    (self.new / parent).rename(self.root / parent)
                    moved = f"{parent}/"
                    break
                there.add(parent)
            else:
                (self.new / path).rename(self.root / path)

    def _drop_emptied(self, gone: Iterable[str], kept: Iterable[str]) -> None:
        """Remove the folders of `gone` that nothing in `kept` needs."""
        folders = {folder for path in gone for folder in _parents(path)}
        folders -= {folder for path in kept for folder in _parents(path)}
        for folder in sorted(folders, reverse=True):
            with suppress(OSError):  # not empty, or not there
                (self.root / folder).rmdir()

    def _check_in_place(self) -> None:
        """Raise OSError unless every file is in its place."""
        for file in self.files:
            if file.path == VERSION_FILE:
                continue
            status = os.lstat(f"{self.root}/{file.path}")
            if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
                raise OSError(errno.EIO, "it was changed while it was moved into place", file.path)

    def _sync_folders(self) -> None:
        groups = _by_folder(file.path for file in self.files)
        for folder in {parent for group in groups for parent in ("", *_parents(group[0]))}:
            if _is_folder(self.root / folder):
                sync_folder(self.root / folder)


def _move(source: Path, target: Path) -> None:
    if is_there(source):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _parents(path: str) -> list[str]:
    """Return the folders above a relative path, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _by_folder(paths: Iterable[str]) -> Iterable[list[str]]:
    """Group relative paths by the folder they are in."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[path.rpartition("/")[0]].append(path)
    return groups.values()


def _existing_folders(root: Path, paths: Iterable[str]) -> set[Path]:
    """Return the innermost existing folder above each path, not following links."""
    found = set()
    for group in _by_folder(paths):
        parents = takewhile(lambda parent: _is_folder(root / parent), _parents(group[0]))
        found.add(root / "/".join([*parents][-1:]))
    return found


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_mode(path) or 0)


def _mode(path: Path) -> int | None:
    """Return the mode of a path, None if nothing is there. Raises every other OSError."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
