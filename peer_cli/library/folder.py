"""Checks the games folder and locks it for this peer."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from store.folder_lock import FolderInUse, FolderLock, lock_folder


class LibraryError(Exception):
    """The games folder is unusable; the message is one clear line."""


def claim_games_dir(
    path: Path, name: str, report: Callable[[str], None], *, read_only: bool
) -> FolderLock:
    """Check that a games folder can be read and written, and lock it for the peer called `name`.

    With `read_only`, or on a read-only file system, it need not be writable and is not locked, so
    any number of peers may serve from it. `report` gets a line when the folder cannot be locked.
    Raises LibraryError.
    """
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises in Python 3.11
            path.stat()  # raises if something keeps us from seeing it
            raise NotADirectoryError
        next(path.iterdir(), None)
        read_only = read_only or bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        if not read_only and not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return lock_folder(path, name, report, shared=read_only)
    except FolderInUse as error:
        raise LibraryError(
            f"The games folder {path} is in use by {error}. Stop it, or name another folder."
        ) from error
    except (FileNotFoundError, NotADirectoryError):
        raise LibraryError(
            f"The games folder {path} is not a folder. Create it, or name another one."
        ) from None
    except OSError as error:
        raise LibraryError(f"The games folder {path} cannot be used: {error.strerror}.") from error
    except ValueError as error:  # a character that no path can contain
        raise LibraryError(f"The games folder {str(path)!a} cannot be used: {error}.") from error
