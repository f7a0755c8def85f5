"""Deletes a folder tree of any depth."""

import errno
import os
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete_tree(path: Path) -> None:
    """Delete a file, a link, or a folder with all its content; do nothing if it does not exist.

    Links are deleted, not followed. Only one folder is open at a time, and each is opened relative
    to its parent, so neither the stack nor the system's path limit matters (both do for
    `shutil.rmtree` up to Python 3.12). Raises OSError at the first thing that cannot be deleted.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # on a read-only disk, unlink fails even if nothing is there
    if not stat.S_ISDIR(mode):
        path.unlink()
        return
    folder = os.open(path, _FOLDER)
    try:
        above: list[tuple[int, int]] = []
        pending = [_delete_files(folder)]
        while pending[-1] or above:
            if pending[-1]:
                above.append(_identity(folder))
                folder = _open_folder(folder, pending[-1][-1])
                pending.append(_delete_files(folder))
            else:
                folder = _open_folder(folder, "..")
                if _identity(folder) != above.pop():
                    raise OSError(errno.EBUSY, "It was moved while it was being deleted", path)
                pending.pop()
                os.rmdir(pending[-1].pop(), dir_fd=folder)
    finally:
        os.close(folder)
    path.rmdir()


def _delete_files(folder: int) -> list[str]:
    """Delete everything but folders; return the names of the folders."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _open_folder(folder: int, name: str) -> int:
    there = os.open(name, _FOLDER, dir_fd=folder)
    os.close(folder)
    return there


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
