"""One peer per folder: a lock that ends with its process.

The lock (flock) is on the folder itself, so no lock file is left among its files. An extended
attribute names the holder, where the file system supports that.
"""

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path

_HOLDER = "user.lanspread.holder"


class FolderInUse(Exception):  # noqa: N818 - reads well where it is raised and caught
    """Another process has the folder; the text names it, to follow "is in use by"."""


class FolderLock:
    """A lock that keeps other peers out of a folder until `release`, or until the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def is_of(self, folder: Path) -> bool:
        """Tell whether this lock is for that folder, under any path. Raises OSError."""
        return os.path.samestat(os.fstat(self._descriptor), folder.stat())

    def release(self) -> None:
        """Give up the lock."""
        with contextlib.suppress(OSError):
            os.removexattr(self._descriptor, _HOLDER)
        os.close(self._descriptor)


def lock_folder(
    folder: Path, name: str, report: Callable[[str], None], *, shared: bool
) -> FolderLock:
    """Lock a folder for the peer called `name`; a `shared` folder is only opened, not locked.

    If the file system has no locks, `report` gets a line and the folder stays unlocked. Raises
    FolderInUse, and OSError when the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not shared:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sign(descriptor, name)
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise FolderInUse(holder) from None
    except OSError as error:
        report(
            f"The folder {folder} cannot be locked ({error.strerror}): "
            "make sure that no other peer uses it."
        )
    return FolderLock(descriptor)


def _sign(descriptor: int, name: str) -> None:
    holder = f"{name} (process {os.getpid()} on {socket.gethostname()})"
    with contextlib.suppress(OSError, AttributeError):  # then a second peer cannot name the holder
        os.setxattr(descriptor, _HOLDER, holder.encode())


def _holder(descriptor: int) -> str:
    try:
        text = os.getxattr(descriptor, _HOLDER).decode(errors="replace")
    except (OSError, AttributeError):
        return "another process, which cannot be named here"
    return f"the peer {text if text.isprintable() else ascii(text)}"
