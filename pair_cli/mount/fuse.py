"""Runs libfuse by way of mfusepy, with what mfusepy leaves out."""

import contextlib
import ctypes
import errno
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mfusepy

from pair_cli.files.fetch import FetchError
from pair_cli.files.folder import SharedFolder
from pair_cli.mount.fuse_name import FILE_SYSTEM
from pair_cli.mount.open_files import OpenFiles
from pair_cli.mount.operations import TreeOperations
from store.names import UnsafeName

MAX_THREADS = 10
"""The operations that a mount carries out at once; each thread has a buffer of 1 MiB."""
_M_MMAP_THRESHOLD = -3  # malloc.h of glibc
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]
    """Passes on what mfusepy drops: flags of renames, and times that are to stay."""

    def _wrapper(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> int:
        try:
            return func(*args, **kwargs) or 0
        except OSError as error:
            return -(error.errno or errno.EIO)
        except UnsafeName as error:
            return -(errno.ENAMETOOLONG if "longer than" in str(error) else errno.EINVAL)
        except FetchError:
            return -errno.EIO
        except sqlite3.Error as error:
            print(f"The tree cannot be read or written: {error}.", file=sys.stderr)
            return -errno.EIO
        except Exception:  # noqa: BLE001 - a bug; in C it would be lost, and count as success
            traceback.print_exc()
            return -errno.EIO

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        return self.operations.rename(self._text(old), self._text(new), flags) or 0

    def truncate_fuse_3(self, path: bytes | None, length: int, fip: Any) -> int:
        return self.operations.truncate(self._text(path), length, _handle(fip)) or 0

    def chmod_fuse_3(self, path: bytes | None, mode: int, fip: Any) -> int:
        return self.operations.chmod(self._text(path), mode, _handle(fip)) or 0

    def utimens_fuse_3(self, path: bytes | None, buf: Any, fip: Any) -> int:
        times = None
        if buf:
            times = (_nanoseconds(buf.contents.actime), _nanoseconds(buf.contents.modtime))
        return self.operations.utimens(self._text(path), times, _handle(fip)) or 0

    def _text(self, path: bytes | None) -> str | None:
        return None if path is None else path.decode(self.encoding, self.errors)


def _handle(fip: Any) -> int | None:
    return int(fip.contents.fh) if fip else None


def _nanoseconds(given: Any) -> int | None:
    """Return a timespec in nanoseconds; None for one that is to stay."""
    if given.tv_nsec == _UTIME_OMIT:
        return None
    if given.tv_nsec == _UTIME_NOW:
        return time.time_ns()
    return int(given.tv_sec) * 10**9 + int(given.tv_nsec)


class _Mounted(TreeOperations):
    """The operations, told when libfuse begins."""

    def __init__(
        self, folder: SharedFolder, files: OpenFiles, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(folder, files)
        self._on_ready = on_ready

    def init_with_config(self, conn_info: Any, config_3: Any) -> None:
        """Set what there is no option for."""
        # Open files that are deleted keep their handle, without a hidden name in the tree.
        config_3.hard_remove = 1
        config_3.nullpath_ok = 1
        # What the other changes is seen at once.
        config_3.entry_timeout = config_3.attr_timeout = config_3.negative_timeout = 0.0
        self._on_ready()


class MountThread:
    """A mount in a thread of its own, from the call of `start` until it is unmounted."""

    def __init__(self, folder: SharedFolder, files: OpenFiles, path: Path) -> None:
        self.path = path
        self.ready = threading.Event()
        self._folder, self._files = folder, files
        self._thread = threading.Thread(target=self._run, name="mount", daemon=True)
        self._on_end: Callable[[], None] = lambda: None

    def start(self, on_end: Callable[[], None]) -> bool:
        """Mount; False if libfuse cannot, which it explains on stderr. Blocks.

        `on_end` is called in the thread when the tree is no longer mounted.
        """
        self._on_end = on_end
        self._thread.start()
        while not self.ready.wait(0.05):
            if not self._thread.is_alive():
                return self.ready.is_set()
        return True

    def ended(self, timeout_s: float) -> bool:
        """Wait for the end of the thread, which comes once the tree is no longer in use."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        _return_memory()
        operations = _Mounted(self._folder, self._files, self.ready.set)
        # libfuse 3.14 does not initialise the number of threads itself.
        options = {
            "foreground": True,
            "fsname": FILE_SYSTEM,
            "subtype": FILE_SYSTEM,
            "max_threads": MAX_THREADS,
        }
        try:
            _Fuse(operations, str(self.path), raw_fi=True, **options)
        except RuntimeError as error:  # libfuse's exit code
            print(f"The mount on {self.path} ended: code {error}.", file=sys.stderr)
        self._on_end()


def _return_memory() -> None:
    """Let every buffer of a block go back to the system at once, instead of to a thread's heap."""
    with contextlib.suppress(AttributeError):  # other C libraries than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 512 << 10)
