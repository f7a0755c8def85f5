"""The games folder itself: whether it can be used."""

import errno
import tempfile
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
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        if error.errno == errno.EROFS:
            return
        raise LibraryError(f"The games folder {path} cannot be used: {error.strerror}.") from error
