"""The games folder itself: whether it can be used."""

import errno
import os
from pathlib import Path


class LibraryError(Exception):
    """The games folder cannot be used; one clear line."""


def check_games_dir(path: Path) -> None:
    """Check that a games folder can be read and written. Raises LibraryError.

    A folder on a read-only file system passes: it is a library to serve from.
    """
    if not path.is_dir():
        raise LibraryError(
            f"The games folder {path} is not a folder. Make it, or name another one."
        )
    try:
        next(path.iterdir(), None)
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError as error:
        raise LibraryError(f"The games folder {path} cannot be used: {error.strerror}.") from error
    if not read_only and not os.access(path, os.W_OK | os.X_OK):
        raise LibraryError(f"The games folder {path} cannot be used: {os.strerror(errno.EACCES)}.")
